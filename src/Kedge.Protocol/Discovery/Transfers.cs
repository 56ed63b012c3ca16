using System.Buffers.Binary;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Discovery;

/// <summary>What is too long for a frame.</summary>
internal enum TransferKind : byte
{
    /// <summary>A node's certificate; the reference is the node's identifier.</summary>
    Certificate = 1,

    /// <summary>An authority's newest revocation list; the reference is the identifier of its key.</summary>
    RevocationList = 2,
}

/// <summary>
/// Long things, in parts that are asked for one by one, eight at a time. <c>Get: kind(1) reference(20) offset(4)</c>; <c>Part: kind(1) total(4)
/// offset(4) version(8) bytes</c>, with as many bytes from the offset on as fit. The version is the start of the whole's SHA-256: where it changes
/// meanwhile, all begins anew with the next who has it.
/// </summary>
/// <param name="state">What is known.</param>
internal sealed class Transfers(DiscoveryState state)
{
    /// <summary>Bytes of a reference.</summary>
    public const int ReferenceSize = CertificateReference.IssuerSize;

    /// <summary>Bytes of a part that is not the last one.</summary>
    public const int PartSize = DiscoveryFrame.MaximumSize - DiscoveryFrame.HeaderSize - PartHeaderSize;

    /// <summary>How many parts of one thing are asked for at a time.</summary>
    public const int Window = 8;

    private const int PartHeaderSize = 1 + 4 + 4 + 8;
    private const int MaximumFetches = 16;
    private const int MaximumParked = 64;
    private const int MaximumParkedOfPeer = 8;

    // A peer that answers each question at the last moment must not hold up what another one has.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Dictionary<(TransferKind Kind, string Reference), Fetch> _fetches = [];
    private readonly List<(PublicKey From, NodeId Node, byte[] Frame)> _parked = [];

    /// <summary>The reference of a node's certificate.</summary>
    public static byte[] ReferenceOf(NodeId node)
    {
        byte[] reference = new byte[ReferenceSize];
        BinaryPrimitives.WriteUInt64LittleEndian(reference, node.Value);
        return reference;
    }

    /// <summary>
    /// Keeps a frame until the certificate of a node has come, which is asked for from the same peer.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="peer">Who sent the frame.</param>
    /// <param name="node">The node.</param>
    /// <param name="frame">The whole frame.</param>
    /// <param name="arrived">Takes the certificate.</param>
    /// <param name="redeliver">Takes the frame then.</param>
    public void Park(
        Instant now,
        DiscoveryPeer peer,
        NodeId node,
        ReadOnlySpan<byte> frame,
        Action<Instant, DiscoveryPeer, byte[]> arrived,
        Action<Instant, PublicKey, byte[]> redeliver)
    {
        if (_parked.Count >= MaximumParked || _parked.Count(parked => parked.From == peer.Key) >= MaximumParkedOfPeer)
            return;
        _parked.Add((peer.Key, node, frame.ToArray()));
        bool isUnderWay = !TryFetch(now, peer, TransferKind.Certificate, ReferenceOf(node), NodeCertificate.MaximumSize, (then, bytes) =>
        {
            var freed = _parked.Where(parked => parked.Node == node).ToArray();
            _parked.RemoveAll(parked => parked.Node == node);
            if (bytes is null)
                return;
            arrived(then, peer, bytes);
            foreach ((PublicKey from, _, byte[] kept) in freed)
                redeliver(then, from, kept);
        });
        if (isUnderWay && !_fetches.ContainsKey((TransferKind.Certificate, Convert.ToHexStringLower(ReferenceOf(node)))))
            _parked.RemoveAll(parked => parked.Node == node);
    }

    /// <summary>Fetches something.</summary>
    /// <param name="now">The time.</param>
    /// <param name="peer">Who has it.</param>
    /// <param name="kind">What it is.</param>
    /// <param name="reference">Which, <see cref="ReferenceSize"/> bytes.</param>
    /// <param name="maximum">How many bytes it may have.</param>
    /// <param name="done">Told of the whole; of null if it does not come.</param>
    /// <returns>False if it is under way already, or too much is.</returns>
    public bool TryFetch(
        Instant now, DiscoveryPeer peer, TransferKind kind, byte[] reference, int maximum, Action<Instant, byte[]?> done)
    {
        (TransferKind, string) key = (kind, Convert.ToHexStringLower(reference));
        if (_fetches.ContainsKey(key) || _fetches.Count >= MaximumFetches)
            return false;
        var fetch = new Fetch(peer.Key, kind, reference, maximum, now + Patience, (then, bytes) =>
        {
            _fetches.Remove(key);
            done(then, bytes);
        });
        _fetches.Add(key, fetch);
        Ask(now, fetch, 0);
        return true;
    }

    /// <summary>Answers a question for a part.</summary>
    public void ReceiveGet(Instant now, DiscoveryPeer peer, uint id, ReadOnlySpan<byte> body)
    {
        var reader = new FrameReader(body);
        var kind = (TransferKind)reader.Byte();
        ReadOnlySpan<byte> reference = reader.Bytes(ReferenceSize);
        uint offset = reader.UInt32();
        if (!reader.IsValid || !peer.TrySpendRecord(now) || Find(kind, reference) is not { } whole || offset >= whole.Length)
            return;
        FrameWriter writer = FrameWriter.Begin(DiscoveryFrameKind.Part, id);
        writer.AddByte((byte)kind);
        writer.AddUInt32((uint)whole.Length);
        writer.AddUInt32(offset);
        writer.AddUInt64(VersionOf(whole.Span));
        ReadOnlySpan<byte> part = whole.Span[(int)offset..];
        writer.AddBytes(part[..Math.Min(part.Length, PartSize)]);
        state.Send(peer.Key, writer.ToFrame());
    }

    /// <summary>Takes a part that was asked for.</summary>
    public void ReceivePart(Instant now, DiscoveryPeer peer, uint id, ReadOnlySpan<byte> body)
    {
        Fetch? fetch = _fetches.Values.FirstOrDefault(one => one.From == peer.Key && one.Asked.ContainsKey(id));
        if (fetch is null || !state.Requests.TryComplete(id, peer.Key))
            return;
        fetch.Asked.Remove(id, out int offset);
        var reader = new FrameReader(body);
        var kind = (TransferKind)reader.Byte();
        uint total = reader.UInt32(), from = reader.UInt32();
        ulong version = reader.UInt64();
        bool isRight = reader.IsValid && kind == fetch.Kind && from == offset && fetch.TryPlace(offset, total, version, reader.Rest);
        if (!isRight || now > fetch.Deadline)
        {
            Fail(now, fetch);
            return;
        }
        if (fetch.IsComplete)
        {
            byte[] whole = fetch.Bytes!;
            bool isWhole = VersionOf(whole) == fetch.Version;
            if (!isWhole)
                peer.Strikes++;
            fetch.Done(now, isWhole ? whole : null);
            return;
        }
        while (fetch.Asked.Count < Window && fetch.NextOffset < fetch.Bytes!.Length)
        {
            int next = fetch.NextOffset;
            fetch.NextOffset += PartSize;
            Ask(now, fetch, next);
            if (fetch.IsEnded)
                return;
        }
    }

    private static ulong VersionOf(ReadOnlySpan<byte> whole)
    {
        Span<byte> hash = stackalloc byte[Sha256Digest.Size];
        Sha256Digest.Of(whole).CopyTo(hash);
        return BinaryPrimitives.ReadUInt64LittleEndian(hash);
    }

    private void Ask(Instant now, Fetch fetch, int offset)
    {
        state.Requests.Begin(now, fetch.From, id =>
        {
            fetch.Asked[id] = offset;
            FrameWriter writer = FrameWriter.Begin(DiscoveryFrameKind.Get, id);
            writer.AddByte((byte)fetch.Kind);
            writer.AddBytes(fetch.Reference);
            writer.AddUInt32((uint)offset);
            return fetch.IsEnded ? null : writer.ToFrame();
        }, then => Fail(then, fetch));
    }

    private static void Fail(Instant now, Fetch fetch)
    {
        if (!fetch.IsEnded)
            fetch.Done(now, null);
    }

    private ReadOnlyMemory<byte>? Find(TransferKind kind, ReadOnlySpan<byte> reference)
    {
        switch (kind)
        {
            case TransferKind.Certificate:
                return state.Members.Find(new NodeId(BinaryPrimitives.ReadUInt64LittleEndian(reference)))?.Certificate.Der;
            case TransferKind.RevocationList:
                string issuer = Convert.ToHexStringLower(reference);
                return RevocationSpread.NewestOf(state.Trust, issuer)?.Der;
            default:
                return null;
        }
    }

    /// <summary>Something on its way.</summary>
    private sealed class Fetch(
        PublicKey from, TransferKind kind, byte[] reference, int maximum, Instant deadline, Action<Instant, byte[]?> done)
    {
        private readonly HashSet<int> _placed = [];
        private int _received;

        public PublicKey From => from;

        public TransferKind Kind => kind;

        public byte[] Reference => reference;

        public Instant Deadline => deadline;

        /// <summary>The offsets that are asked for, by the ids of the questions.</summary>
        public Dictionary<uint, int> Asked { get; } = [];

        public byte[]? Bytes { get; private set; }

        public ulong Version { get; private set; }

        public int NextOffset { get; set; } = PartSize;

        public bool IsEnded { get; private set; }

        public bool IsComplete => Bytes is not null && _received == Bytes.Length;

        public void Done(Instant now, byte[]? bytes)
        {
            IsEnded = true;
            done(now, bytes);
        }

        public bool TryPlace(int offset, uint total, ulong version, ReadOnlySpan<byte> bytes)
        {
            if (Bytes is null)
            {
                if (total == 0 || total > maximum)
                    return false;
                (Bytes, Version) = (new byte[total], version);
            }
            bool isRight = total == Bytes.Length && version == Version && bytes.Length == Math.Min(PartSize, Bytes.Length - offset);
            if (!isRight || !_placed.Add(offset))
                return isRight;
            bytes.CopyTo(Bytes.AsSpan(offset));
            _received += bytes.Length;
            return true;
        }
    }
}
