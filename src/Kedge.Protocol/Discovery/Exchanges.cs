using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// How all nodes come to know the same anchors. Now and then a node sends an anchor, or another peer, a digest of its view: <c>summary of the trust(8)
/// | (entry(16))</c>. It is answered with an offer of the same form, of what the digest lacks. Each of both then asks for what its own view lacks by
/// <c>flags(1): 1 with certificates | (node(8))</c>, and nothing is taken that was not asked for. While that brings much news it goes on four times a
/// second, and otherwise half as often each time, down to once a minute.
/// </summary>
/// <param name="state">What is known.</param>
/// <param name="own">This node's record.</param>
/// <param name="introductions">Connects with anchors.</param>
/// <param name="lists">The revocation lists.</param>
internal sealed class Exchanges(DiscoveryState state, OwnRecord own, Introductions introductions, RevocationSpread lists)
{
    /// <summary>The shortest time between two exchanges.</summary>
    public static readonly TimeSpan ShortestInterval = TimeSpan.FromSeconds(0.125);

    /// <summary>The longest time between two exchanges.</summary>
    public static readonly TimeSpan LongestInterval = TimeSpan.FromSeconds(60);

    private const byte WithCertificates = 1;

    // So much news is worth another exchange at once: a view that has changed much may change more.
    private const int MuchNews = 4;

    // So soon after a start any news is.
    private static readonly TimeSpan Unrest = TimeSpan.FromSeconds(2);

    // With whom a node has just spoken it has little to say.
    private static readonly TimeSpan Recently = TimeSpan.FromSeconds(2);

    // From here on no new sessions are made for it, but for one in so many times: two halves of a network might each know only itself.
    private static readonly TimeSpan QuietInterval = TimeSpan.FromSeconds(8);
    private const int Explorations = 16;

    // So often a peer that is no anchor is asked.
    private const int Strays = 4;

    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan ExchangePatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan WantPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan UnreachableTime = TimeSpan.FromMinutes(5);

    private readonly Dictionary<NodeId, (PublicKey From, Instant Until)> _wanted = [];
    private readonly Dictionary<NodeId, byte[]> _early = []; // records that have overtaken their certificates; each is wanted
    private readonly InstantTable<NodeId> _spokenAt = new(256);
    private TimeSpan _interval = ShortestInterval;
    private Instant _startedAt;
    private Instant _nextAt = Instant.Never;
    private Instant _giveUpAt = Instant.Never;
    private Member? _partner;
    private bool _isAsked;
    private bool _isOffered;
    private long _changesBefore, _changesAfter;

    /// <summary>When <see cref="Poll"/> is to be called.</summary>
    public Instant NextDeadline => _partner is null ? _nextAt : _giveUpAt;

    /// <summary>Begins soon, as when the first peer has connected.</summary>
    public void Hurry(Instant now)
    {
        _interval = ShortestInterval;
        _nextAt = Instant.Earlier(_nextAt, now);
    }

    /// <summary>Goes on with a peer that has connected, if an exchange waits for it.</summary>
    public void Connected(Instant now, DiscoveryPeer peer)
    {
        if (_partner == peer.Member && !_isAsked)
            Ask(now, peer);
    }

    /// <summary>Begins the first exchange once the first peer has said where it is.</summary>
    public void Greeted(Instant now)
    {
        if (_nextAt == Instant.Never && _partner is null)
            _nextAt = now;
    }

    /// <summary>Ends an exchange with a peer that has gone.</summary>
    public void Gone(Instant now, DiscoveryPeer peer)
    {
        if (_partner == peer.Member)
            End(now);
    }

    /// <summary>Begins one, or ends one that takes too long.</summary>
    public void Poll(Instant now)
    {
        if (_partner is not null && now >= _giveUpAt)
        {
            if (!_isOffered)
                introductions.MarkUnreachable(now, _partner.Id, UnreachableTime);
            End(now);
        }
        // What others have begun brings news as well.
        if (_partner is null && _interval > ShortestInterval && state.View.Changes - _changesAfter >= MuchNews)
            (_interval, _nextAt) = (ShortestInterval, Instant.Earlier(_nextAt, _startedAt + ShortestInterval));
        if (_partner is null && now >= _nextAt)
            Begin(now);
    }

    /// <summary>Answers a digest, and asks for what it has that this node lacks.</summary>
    public void ReceiveDigest(Instant now, DiscoveryPeer peer, uint id, ReadOnlySpan<byte> body)
    {
        if (!TryReadEntries(now, peer, body, out List<DigestEntry> entries))
            return;
        Dictionary<NodeId, DigestEntry> known = entries.ToDictionary(entry => entry.Node);
        DigestEntry? worst = entries.Count >= AnchorView.Capacity ? entries.Aggregate((a, b) => a.IsBefore(b) ? b : a) : null;
        Member[] lacking =
        [
            .. state.View.Anchors.Where(anchor => anchor != peer.Member && state.IsFresh(now, anchor)).Where(anchor =>
                known.TryGetValue(anchor.Id, out DigestEntry theirs)
                    ? anchor.Record!.Sequence > theirs.Sequence
                    : worst is not { } last || anchor.Entry.IsBefore(last)),
        ];
        _spokenAt.Set(peer.Member.Id, now);
        state.Send(peer.Key, WriteEntries(DiscoveryFrameKind.Offer, id, lacking));
        Want(now, peer, entries);
    }

    /// <summary>Takes the answer to this node's digest, and asks for what it offers.</summary>
    public void ReceiveOffer(Instant now, DiscoveryPeer peer, uint id, ReadOnlySpan<byte> body)
    {
        if (!state.Requests.TryComplete(id, peer.Key) || !TryReadEntries(now, peer, body, out List<DigestEntry> entries))
            return;
        int wanted = Want(now, peer, entries);
        if (_partner != peer.Member)
            return;
        _isOffered = true;
        _spokenAt.Set(peer.Member.Id, now);
        _giveUpAt = now + WantPatience;
        if (wanted == 0)
            End(now);
    }

    /// <summary>Answers a question for records.</summary>
    public void ReceiveWant(Instant now, DiscoveryPeer peer, uint id, ReadOnlySpan<byte> body)
    {
        var reader = new FrameReader(body);
        bool withCertificates = (reader.Byte() & WithCertificates) != 0;
        List<Member> found = [];
        HashSet<NodeId> asked = [], lacking = [];
        while (!reader.IsEmpty && reader.IsValid && asked.Count < AnchorView.Capacity)
        {
            var node = new NodeId(reader.UInt64());
            if (!asked.Add(node) || !peer.TrySpendRecord(now))
                continue;
            if (state.Members.Find(node) is { } member && state.IsFresh(now, member))
                found.Add(member);
            else
                lacking.Add(node);
        }
        foreach (byte[] frame in RecordsFrame.Pack(id, found, withCertificates, lacking))
            state.Send(peer.Key, frame);
    }

    /// <summary>Whether a node's record was asked for from a peer, and has not come.</summary>
    public bool IsWanted(NodeId node, DiscoveryPeer from) => _wanted.TryGetValue(node, out (PublicKey From, Instant) wanted) && wanted.From == from.Key;

    /// <summary>Keeps a record that has overtaken its certificate.</summary>
    /// <returns>False if it was kept before: then the certificate is not on its way.</returns>
    public bool TryKeepEarly(NodeId node, ReadOnlySpan<byte> record) => _early.TryAdd(node, record.ToArray());

    /// <summary>The record of a node whose certificate has come only now; null if there is none.</summary>
    public byte[]? EarlyOf(NodeId node) => _early.GetValueOrDefault(node);

    /// <summary>Notes that a record which was asked for has come, or will not.</summary>
    public void Arrived(Instant now, NodeId node, DiscoveryPeer from)
    {
        _early.Remove(node);
        _wanted.Remove(node);
        if (_partner == from.Member && _isOffered && !_wanted.Values.Any(wanted => wanted.From == from.Key))
            End(now);
    }

    private void Begin(Instant now)
    {
        (_startedAt, _changesBefore) = (now, state.View.Changes);
        _partner = ChoosePartner(now);
        if (_partner is null)
        {
            _interval = _interval < LongestInterval ? 2 * _interval : LongestInterval;
            _nextAt = state.Peers.Count == 0 && state.View.Anchors.Count <= 1 ? Instant.Never : now + _interval;
            return;
        }
        (_isAsked, _isOffered) = (false, false);
        if (state.PeerOf(_partner.Id) is { } peer)
        {
            Ask(now, peer);
            return;
        }
        _giveUpAt = now + ConnectPatience;
        introductions.Connect(now, _partner);
    }

    private void Ask(Instant now, DiscoveryPeer peer)
    {
        _isAsked = true;
        _giveUpAt = now + ExchangePatience;
        state.Requests.Begin(
            now, peer.Key, id => WriteEntries(DiscoveryFrameKind.Digest, id, state.View.Anchors.Where(anchor => state.IsFresh(now, anchor))),
            failed: null);
    }

    private void End(Instant now)
    {
        _partner = null;
        _giveUpAt = Instant.Never;
        _changesAfter = state.View.Changes;
        long news = _changesAfter - _changesBefore;
        bool isMuch = news >= MuchNews || (news > 0 && _interval <= Unrest);
        _interval = isMuch ? ShortestInterval : news > 0 ? _interval : 2 * _interval;
        if (_interval > LongestInterval)
            _interval = LongestInterval;
        _nextAt = Instant.Later(now, _startedAt + state.Jittered(_interval));
    }

    private Member? ChoosePartner(Instant now)
    {
        bool isQuiet = _interval >= QuietInterval && state.NextIndex(Explorations) != 0;
        Member[] others = [.. state.View.Anchors.Where(anchor => !anchor.IsSelf && !introductions.IsUnreachable(now, anchor.Id))];
        Member[] fresh = [.. others.Where(anchor => !_spokenAt.TryGet(anchor.Id, out Instant last) || now - last > Recently)];
        others = fresh.Length > 0 ? fresh : others;
        Member[] connected = [.. others.Where(anchor => anchor.IsConnected)];
        Member[] choice = isQuiet && connected.Length > 0 ? connected : others;
        // Who is no anchor in this view may know others that are better than all in it.
        if (choice.Length == 0 || state.NextIndex(Strays) == 0)
        {
            Member[] strays = [.. state.Peers.Where(peer => !peer.IsShunned && !peer.Member.IsInView).Select(peer => peer.Member)];
            choice = strays.Length > 0 ? strays : choice;
        }
        return choice.Length == 0 ? null : choice[state.NextIndex(choice.Length)];
    }

    private int Want(Instant now, DiscoveryPeer peer, List<DigestEntry> entries)
    {
        foreach (NodeId stale in _wanted.Where(wanted => wanted.Value.Until <= now).Select(wanted => wanted.Key).ToArray())
        {
            _wanted.Remove(stale);
            _early.Remove(stale);
        }
        List<NodeId> lacking = [], older = [];
        foreach (DigestEntry entry in entries)
        {
            if (entry.Node == state.Self.Id)
            {
                own.NoteSequence(now, entry.Sequence);
                continue;
            }
            Member? known = state.Members.Find(entry.Node);
            bool isNews = known?.Record is not { } record || record.Sequence < entry.Sequence;
            bool isGood = known is { IsInView: true } || state.View.WouldTake(entry);
            if (!isNews || !isGood || _wanted.ContainsKey(entry.Node))
                continue;
            _wanted[entry.Node] = (peer.Key, now + WantPatience);
            (known is null ? lacking : older).Add(entry.Node);
        }
        Ask(now, peer, lacking, WithCertificates);
        Ask(now, peer, older, flags: 0);
        return lacking.Count + older.Count;
    }

    private void Ask(Instant now, DiscoveryPeer peer, List<NodeId> nodes, byte flags)
    {
        if (nodes.Count == 0)
            return;
        state.Requests.Begin(now, peer.Key, id =>
        {
            NodeId[] missing = [.. nodes.Where(node => IsWanted(node, peer))];
            if (missing.Length == 0)
                return null;
            FrameWriter writer = FrameWriter.Begin(DiscoveryFrameKind.Want, id);
            writer.AddByte(flags);
            foreach (NodeId node in missing)
                writer.AddUInt64(node.Value);
            return writer.ToFrame();
        }, failed: null, WantPatience);
    }

    private byte[] WriteEntries(DiscoveryFrameKind kind, uint id, IEnumerable<Member> anchors)
    {
        FrameWriter writer = FrameWriter.Begin(kind, id);
        writer.AddUInt64(lists.Summary);
        foreach (Member anchor in anchors)
            anchor.Entry.Write(writer);
        return writer.ToFrame();
    }

    private bool TryReadEntries(Instant now, DiscoveryPeer peer, ReadOnlySpan<byte> body, out List<DigestEntry> entries)
    {
        var reader = new FrameReader(body);
        ulong summary = reader.UInt64();
        entries = [];
        HashSet<NodeId> nodes = [];
        while (!reader.IsEmpty && reader.IsValid)
        {
            DigestEntry entry = DigestEntry.Read(ref reader);
            if (entries.Count < AnchorView.Capacity && nodes.Add(entry.Node))
                entries.Add(entry);
        }
        if (reader.IsValid)
            lists.Compare(now, peer, summary);
        return reader.IsValid;
    }
}
