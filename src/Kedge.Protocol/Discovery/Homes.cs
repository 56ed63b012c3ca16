using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// The anchors that this node keeps told where it is: for each of its addresses the three that hash highest with it and are there, to which it keeps
/// a session; and, if it has networks behind it, all anchors, because an address does not tell of which network it is.
/// <c>Register: sequence(8) | length(2) record</c>, the record only if the anchor may lack it; <c>Registered: sequence(8)</c> of what the anchor has.
/// </summary>
/// <param name="state">What is known.</param>
/// <param name="own">This node's record.</param>
/// <param name="introductions">Connects with anchors.</param>
internal sealed class Homes(DiscoveryState state, OwnRecord own, Introductions introductions)
{
    /// <summary>How many anchors know an address.</summary>
    public const int Count = 3;

    /// <summary>How often a home is told that the node is there.</summary>
    public static readonly TimeSpan KeepaliveInterval = TimeSpan.FromSeconds(25);

    private const int MaximumConnecting = 6;

    // While the view changes from exchange to exchange, who is home changes too.
    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(0.3);
    private static readonly TimeSpan Haste = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan UnreachableTime = TimeSpan.FromMinutes(5);

    private readonly Dictionary<NodeId, Home> _homes = [];
    private readonly bool _hasNetworks =
        state.Self.Certificate.Prefixes.Any(prefix => !state.Self.Certificate.Addresses.Any(address => prefix.Contains(address)));

    private long _seenChanges = -1;
    private Instant? _firstChangeAt;
    private Instant _calmAt = Instant.Never;
    private Instant _nextAt = Instant.Never;

    /// <summary>When <see cref="Poll"/> is to be called.</summary>
    public Instant NextDeadline => Instant.Earlier(_calmAt, _nextAt);

    /// <summary>Registers with a home that has connected.</summary>
    public void Connected(Instant now, DiscoveryPeer peer)
    {
        if (!_homes.TryGetValue(peer.Member.Id, out Home? home))
            return;
        home.NextAt = now;
        _nextAt = Instant.Earlier(_nextAt, now);
    }

    /// <summary>Notes that a home may have gone.</summary>
    public void Gone(Instant now, DiscoveryPeer peer)
    {
        if (!_homes.TryGetValue(peer.Member.Id, out Home? home))
            return;
        (home.IsRegistered, home.IsAsked, home.NextAt) = (false, false, now);
        _nextAt = Instant.Earlier(_nextAt, now);
    }

    /// <summary>Does what is due.</summary>
    public void Poll(Instant now)
    {
        if (_seenChanges != state.View.Changes)
        {
            _seenChanges = state.View.Changes;
            _firstChangeAt ??= now;
            _calmAt = Instant.Earlier(now + Calm, _firstChangeAt.Value + Haste);
        }
        if (now >= _calmAt)
        {
            (_firstChangeAt, _calmAt) = (null, Instant.Never);
            Choose(now);
        }
        if (now >= _nextAt)
            Maintain(now);
    }

    /// <summary>Takes a home's answer.</summary>
    public void ReceiveRegistered(Instant now, DiscoveryPeer peer, uint id, ReadOnlySpan<byte> body)
    {
        var reader = new FrameReader(body);
        long sequence = (long)Math.Min(reader.UInt64(), DigestEntry.MaximumSequence);
        if (!reader.IsValid || !state.Requests.TryComplete(id, peer.Key) || !_homes.TryGetValue(peer.Member.Id, out Home? home))
            return;
        own.NoteSequence(now, sequence);
        home.IsAsked = false;
        peer.KnownSequence = sequence;
        bool isCurrent = sequence >= (state.Self.Record?.Sequence ?? 0);
        home.IsRegistered |= isCurrent;
        home.NextAt = now + (isCurrent ? state.Jittered(home.Interval) : TimeSpan.FromSeconds(0.25));
        _nextAt = Instant.Earlier(_nextAt, home.NextAt);
        TellHomes(now);
    }

    private void Choose(Instant now)
    {
        Member[] anchors = [.. state.View.Anchors.Where(anchor => anchor.IsSelf || (state.IsFresh(now, anchor) && !introductions.IsUnreachable(now, anchor.Id)))];
        List<Member> chosen = [];
        foreach (IpAddress address in state.Self.Certificate.Addresses)
            chosen.AddRange(HomeOrder.Of(anchors, address).Take(Count));
        int near = chosen.Distinct().Count();
        if (_hasNetworks)
            chosen.AddRange(anchors);
        Member[] homes = [.. chosen.Distinct()];
        foreach (NodeId former in _homes.Keys.Where(id => homes.All(home => home.Id != id)).ToArray())
            _homes.Remove(former);
        foreach ((int i, Member anchor) in homes.Index())
        {
            if (anchor.IsSelf)
                continue;
            if (!_homes.TryGetValue(anchor.Id, out Home? home))
                _homes.Add(anchor.Id, home = new Home(anchor) { NextAt = now });
            home.Interval = i < near ? KeepaliveInterval : OwnRecord.RefreshInterval;
        }
        _nextAt = now;
    }

    private void Maintain(Instant now)
    {
        _nextAt = Instant.Never;
        int connecting = 0;
        foreach (Home home in _homes.Values.OrderBy(home => home.Interval).ToArray())
        {
            if (!home.IsAsked && home.NextAt <= now && state.PeerOf(home.Anchor.Id) is { } peer)
                Register(now, home, peer);
            else if (!home.IsAsked && home.NextAt <= now && connecting++ < MaximumConnecting)
                Connect(now, home);
            if (!home.IsAsked)
                _nextAt = Instant.Earlier(_nextAt, Instant.Later(home.NextAt, now + TimeSpan.FromTicks(1)));
        }
        TellHomes(now);
    }

    private void Register(Instant now, Home home, DiscoveryPeer peer)
    {
        (home.IsAsked, home.ConnectUntil) = (true, null);
        state.Requests.Begin(now, peer.Key, id =>
        {
            NodeRecord? record = state.Self.Record;
            FrameWriter writer = FrameWriter.Begin(DiscoveryFrameKind.Register, id);
            writer.AddUInt64((ulong)(record?.Sequence ?? 0));
            writer.AddCounted(record is null || peer.KnownSequence >= record.Sequence ? [] : record.Bytes.Span);
            return writer.ToFrame();
        }, then =>
        {
            if (home.IsAsked)
                Lose(then, home);
        });
    }

    private void Connect(Instant now, Home home)
    {
        home.ConnectUntil ??= now + ConnectPatience;
        if (now >= home.ConnectUntil)
        {
            Lose(now, home);
            return;
        }
        introductions.Connect(now, home.Anchor);
        home.NextAt = now + RetryInterval;
    }

    // The next in the order takes its place.
    private void Lose(Instant now, Home home)
    {
        introductions.MarkUnreachable(now, home.Anchor.Id, UnreachableTime);
        _homes.Remove(home.Anchor.Id);
        _firstChangeAt ??= now;
        _calmAt = now;
    }

    private void TellHomes(Instant now) => own.SetHomes(
        now,
        [.. HomeOrder.Of([.. _homes.Values.Where(home => home.IsRegistered && home.Interval == KeepaliveInterval).Select(home => home.Anchor)],
            state.Self.Certificate.Addresses[0]).Take(NodeRecord.MaximumHomes).Select(home => home.Id)]);

    private sealed class Home(Member anchor)
    {
        public Member Anchor => anchor;

        public TimeSpan Interval { get; set; }

        public Instant NextAt { get; set; }

        public Instant? ConnectUntil { get; set; }

        /// <summary>Whether the question is open.</summary>
        public bool IsAsked { get; set; }

        public bool IsRegistered { get; set; }
    }
}
