using Kedge.Protocol.Certificates;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// How revocation lists go from node to node: each tells the numbers of those it has, a higher one is fetched from whoever told it, verified, applied
/// and told on. Numbers only grow, so it ends.
/// </summary>
/// <param name="state">What is known.</param>
/// <param name="transfers">Fetches them.</param>
/// <param name="revoked">Told of a node whose certificate is revoked.</param>
internal sealed class RevocationSpread(DiscoveryState state, Transfers transfers, Action<Instant, Member> revoked)
{
    /// <summary>How many lists are told of.</summary>
    public const int MaximumLists = 8;

    private static readonly TimeSpan RemindInterval = TimeSpan.FromMinutes(1);

    private readonly InstantTable<NodeId> _remindedAt = new(256);

    /// <summary>The list of an authority that has the highest number; null if it has none.</summary>
    public static RevocationList? NewestOf(NetworkTrust trust, string issuer) =>
        trust.RevocationLists.Where(list => list.AuthorityKeyIdentifier == issuer).MaxBy(list => list.Number);

    /// <summary>Reads numbers: <c>count(1) (issuer(20) number(8))</c>.</summary>
    public static Dictionary<string, long> ReadNumbers(ref FrameReader reader)
    {
        Dictionary<string, long> numbers = [];
        int count = reader.Byte();
        for (int i = 0; i < count && reader.IsValid; i++)
        {
            string issuer = Convert.ToHexStringLower(reader.Bytes(CertificateReference.IssuerSize));
            long number = (long)Math.Min(reader.UInt64(), long.MaxValue);
            if (i < MaximumLists)
                numbers[issuer] = number;
        }
        return numbers;
    }

    /// <summary>Writes this node's numbers.</summary>
    public void WriteNumbers(FrameWriter writer)
    {
        RevocationList[] newest =
            [.. state.Trust.RevocationLists.GroupBy(list => list.AuthorityKeyIdentifier, (_, lists) => lists.MaxBy(list => list.Number)!).Take(MaximumLists)];
        writer.AddByte((byte)newest.Length);
        foreach (RevocationList list in newest)
        {
            writer.AddBytes(Convert.FromHexString(list.AuthorityKeyIdentifier));
            writer.AddUInt64((ulong)list.Number);
        }
    }

    /// <summary>The first bytes of what this node believes and refuses, by which two find out that they differ.</summary>
    public ulong Summary
    {
        get
        {
            Span<byte> digest = stackalloc byte[Sha256Digest.Size];
            state.Trust.Digest.CopyTo(digest);
            return System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(digest);
        }
    }

    /// <summary>Compares what a peer believes and refuses: where it differs, it is told the numbers, though not often.</summary>
    public void Compare(Instant now, DiscoveryPeer peer, ulong summary)
    {
        if (summary == Summary || (_remindedAt.TryGet(peer.Member.Id, out Instant last) && now - last < RemindInterval))
            return;
        _remindedAt.Set(peer.Member.Id, now);
        Tell(peer);
    }

    /// <summary>Takes the frame with numbers.</summary>
    public void Receive(Instant now, DiscoveryPeer peer, ReadOnlySpan<byte> body)
    {
        var reader = new FrameReader(body);
        Dictionary<string, long> numbers = ReadNumbers(ref reader);
        if (reader.IsValid)
            Note(now, peer, numbers);
    }

    /// <summary>Takes the numbers of a peer, and fetches what is newer.</summary>
    public void Note(Instant now, DiscoveryPeer peer, Dictionary<string, long> numbers)
    {
        peer.Lists.Clear();
        foreach ((string issuer, long number) in numbers)
        {
            peer.Lists[issuer] = number;
            FetchIfNewer(now, peer, issuer);
        }
        bool lacksOne = state.Trust.RevocationLists.Any(list => numbers.GetValueOrDefault(list.AuthorityKeyIdentifier, -1) < list.Number);
        if (lacksOne)
            Compare(now, peer, ~Summary);
    }

    /// <summary>Applies what the owner has learnt otherwise.</summary>
    public void Use(Instant now, NetworkTrust trust)
    {
        NetworkTrust merged = state.Trust.Merge(
            trust.KnownAuthorities.Select(authority => authority.Der.ToArray()), trust.RevocationLists.Select(list => list.Der.ToArray()));
        Apply(now, merged, except: null);
    }

    private void FetchIfNewer(Instant now, DiscoveryPeer peer, string issuer)
    {
        if (peer.IsShunned || peer.Lists.GetValueOrDefault(issuer, -1) <= (NewestOf(state.Trust, issuer)?.Number ?? -1))
            return;
        if (state.Trust.KnownAuthorities.All(authority => authority.KeyIdentifier != issuer))
            return;
        transfers.TryFetch(
            now, peer, TransferKind.RevocationList, Convert.FromHexString(issuer), RevocationList.MaximumSize,
            (then, bytes) => Arrived(then, peer, issuer, bytes));
    }

    private void Arrived(Instant now, DiscoveryPeer peer, string issuer, byte[]? bytes)
    {
        long before = NewestOf(state.Trust, issuer)?.Number ?? -1;
        NetworkTrust merged = bytes is null ? state.Trust : state.Trust.Merge([], [bytes]);
        bool isNewer = (NewestOf(merged, issuer)?.Number ?? -1) > before;
        if (isNewer)
        {
            Apply(now, merged, peer);
        }
        else
        {
            // Whoever tells of a list that it does not have, or of a forged one, is not asked for it again before it tells of another.
            peer.Lists.Remove(issuer);
            if (bytes is not null && merged.Refused.Count > 0)
                peer.Strikes++;
        }
        foreach (DiscoveryPeer other in state.Peers.ToArray())
            FetchIfNewer(now, other, issuer);
    }

    private void Apply(Instant now, NetworkTrust trust, DiscoveryPeer? except)
    {
        if (trust.Digest == state.Trust.Digest)
            return;
        state.Trust = trust;
        state.Report(new TrustChanged(trust));
        foreach (Member member in state.Members.All.Where(member => IsRevoked(trust, member.Certificate)).ToArray())
            revoked(now, member);
        foreach (DiscoveryPeer peer in state.Peers.Where(peer => peer != except))
            Tell(peer);
    }

    // Costs no signature: all of them were verified when they came.
    private static bool IsRevoked(NetworkTrust trust, NodeCertificate certificate) =>
        trust.RevocationLists.Any(list => list.AuthorityKeyIdentifier == certificate.AuthorityKeyIdentifier && list.Contains(certificate.Serial))
        || trust.Authorities.All(authority => authority.KeyIdentifier != certificate.AuthorityKeyIdentifier);

    private void Tell(DiscoveryPeer peer)
    {
        FrameWriter writer = FrameWriter.Begin(DiscoveryFrameKind.Lists, 0);
        WriteNumbers(writer);
        state.Send(peer.Key, writer.ToFrame());
    }
}
