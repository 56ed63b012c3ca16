using System.Buffers.Binary;
using System.Collections.Concurrent;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;
using Kedge.Protocol.Strangers;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <summary>A wish to be introduced to a peer by somebody who reaches both, or the answer to such an introduction.</summary>
/// <param name="Peer">The peer's WireGuard key.</param>
/// <param name="Opened">False: our NATs are open towards the peer, which is to ping us. True: we have been told so, and have pinged.</param>
public readonly record struct IntroductionWish(PublicKey Peer, bool Opened);

/// <summary>
/// The paths to all peers of a device that are looked for by probes: hands each probe to the <see cref="PathFinder"/> of its peer, and polls
/// those that have something to do. What is sent on behalf of peers is bounded, in all and for each address: a peer must not make this
/// device flood somebody else.
/// </summary>
/// <param name="random">Bytes that nobody can predict.</param>
/// <param name="attention">Wakes the thread that polls. Called by any thread; must return at once.</param>
/// <param name="addresses">Which peer has which overlay address: relays are known by theirs.</param>
public sealed partial class PathProtocol(RandomBytes random, Action attention, AllowedIps<PeerTunnel> addresses) : IControlProtocol, IDisposable
{
    /// <summary>Pings and pongs a second to one address, an IPv6 /64 counted as one.</summary>
    public const int ProbesPerAddress = 50;

    /// <summary>Pings a second in all.</summary>
    public const int PingsPerSecond = 1000;

    /// <summary>How many endpoints <see cref="FindSeen"/> finds at most.</summary>
    public const int MostSeen = 4;

    private const int MaximumWishes = 256;
    private const int PeersInCommon = 3;
    private static readonly TimeSpan RefreshInterval = TimeSpan.FromSeconds(1);

    private readonly Dictionary<PublicKey, PathFinder> _finders = [];
    private readonly ConcurrentDictionary<ulong, PathFinder> _byLocator = new();
    private readonly Schedule<PathFinder> _schedule = new();
    private readonly Queue<IntroductionWish> _wishes = new();
    private readonly StrangerBudget _budget = new(new StrangerLimits(ProbesPerAddress, 2 * ProbesPerAddress)
    {
        TogetherPerSecond = PingsPerSecond,
        TogetherBurst = PingsPerSecond,
    });

    private readonly Queue<(PeerTunnel Peer, byte[] Frame)> _frames = new();
    private readonly byte[] _sealing = new byte[1280];
    private PathFinder? _polled;
    private Instant? _refreshed;
    private bool _wantsRefresh;
    private bool _isSeenElsewhere;

    /// <summary>Where this device stands.</summary>
    public Surroundings Surroundings { get; private set; } = new();

    /// <summary>Whether a peer is being tried or has traffic, so that it matters where this device stands.</summary>
    public bool IsActive(Instant now) => _finders.Values.Any(finder =>
        finder.State is PathState.Connecting or PathState.Waiting || (finder.Peer.LastTraffic is { } last && now - last < TimeSpan.FromSeconds(10)));

    /// <inheritdoc/>
    public Instant NextDeadline => _polled is null && _frames.Count == 0 ? Instant.Earlier(_schedule.Earliest, _homeAt) : default;

    /// <summary>Pings sent so far.</summary>
    public long Pings { get; private set; }

    /// <summary>Pongs received so far.</summary>
    public long Pongs { get; private set; }

    /// <summary>Introductions that were wished for, and answers to those of peers.</summary>
    public long IntroductionsSent { get; private set; }

    /// <summary>Introductions by peers, also those that were refused.</summary>
    public long IntroductionsReceived { get; private set; }

    /// <summary>Introductions by peers that changed nothing: of a peer that is not probed, or one too many.</summary>
    public long IntroductionsRefused { get; private set; }

    /// <summary>How often a peer got a path, or another one than before.</summary>
    public long Changes { get; private set; }

    /// <summary>How many peers are in a state.</summary>
    public int Count(PathState state) => _finders.Values.Count(finder => finder.State == state);

    /// <summary>Has the path to a peer found by probes from now on, or with other keys than before.</summary>
    /// <param name="now">The time.</param>
    /// <param name="peer">The peer.</param>
    /// <param name="keys">The keys for it, from now on owned by this object.</param>
    public void Add(Instant now, PeerTunnel peer, ProbeKeys keys)
    {
        Remove(peer.PublicKey);
        var finder = new PathFinder(this, peer, keys);
        _finders[peer.PublicKey] = finder;
        _byLocator[keys.ReceiveLocator] = finder;
        _schedule.Add(finder);
        finder.Adopt(now);
        peer.PathFinder = finder;
    }

    /// <summary>Forgets a peer, if it is known.</summary>
    public void Remove(PublicKey peer)
    {
        if (!_finders.Remove(peer, out PathFinder? finder))
            return;
        _byLocator.TryRemove(finder.Keys.ReceiveLocator, out _);
        _schedule.Remove(finder);
        if (_polled == finder)
            _polled = null;
        if (Home == finder)
            UseHome(null, default);
        Switch.Remove(finder.Peer);
        foreach (PathFinder other in _finders.Values)
            other.RelayLost(finder.Peer);
        finder.Peer.PathFinder = null;
        finder.ForgetMtu();
        finder.Dispose();
    }

    /// <summary>The finder of a peer; null for a peer that is not probed.</summary>
    public PathFinder? Find(PublicKey peer) => _finders.GetValueOrDefault(peer);

    /// <summary>Says where a peer tells that it can be reached.</summary>
    public void Offer(Instant now, PublicKey peer, IReadOnlyList<PeerEndpoint> told)
    {
        if (Find(peer) is not { } finder)
            return;
        finder.Offer(now, told);
        Attend(finder);
    }

    /// <summary>Takes an introduction by a peer.</summary>
    /// <param name="now">The time.</param>
    /// <param name="peer">Who is introduced.</param>
    /// <param name="endpoints">Where it can be reached just now.</param>
    /// <param name="opened">Whether it answers an introduction of ours.</param>
    public void Introduced(Instant now, PublicKey peer, IReadOnlyList<PeerEndpoint> endpoints, bool opened)
    {
        IntroductionsReceived++;
        if (Find(peer) is not { } finder || !finder.TryIntroduce(now, endpoints, opened))
        {
            IntroductionsRefused++;
            return;
        }
        Attend(finder);
    }

    /// <summary>
    /// Has peers that are connected introduce this device to another one: who has it as a peer too passes it on. For when nobody else can.
    /// </summary>
    /// <param name="peer">Whom to be introduced to.</param>
    /// <param name="endpoints">Where this device can be reached.</param>
    /// <param name="opened">Whether it answers an introduction.</param>
    public void IntroduceByPeers(PublicKey peer, IReadOnlyList<PeerEndpoint> endpoints, bool opened)
    {
        // The relay that the peer names in its record is connected to it for certain.
        PathFinder[] homes = [.. Find(peer)?.Relays ?? []];
        IEnumerable<PathFinder> common = _finders.Values
            .Where(finder => finder.State == PathState.Direct && finder.Peer.PublicKey != peer)
            .OrderByDescending(finder => (homes.Contains(finder), finder.Peer.LastTraffic ?? default))
            .Take(PeersInCommon);
        foreach (PathFinder finder in common)
            SendFrame(finder.Peer, new IntroductionFrame(peer, endpoints, opened, IsPassedOn: false).ToArray());
    }

    /// <summary>Says where this device stands now.</summary>
    /// <param name="now">The time.</param>
    /// <param name="surroundings">Where it stands.</param>
    /// <param name="hasMoved">Whether its addresses are others than before, so that no path is trusted.</param>
    public void MoveTo(Instant now, Surroundings surroundings, bool hasMoved)
    {
        bool hasNewStream = surroundings.HasStream && !Surroundings.HasStream;
        bool isSeenElsewhere = !surroundings.Reflexive.SequenceEqual(Surroundings.Reflexive);
        Surroundings = surroundings;
        foreach (PathFinder finder in _finders.Values)
        {
            if (hasMoved)
                finder.Recheck(now);
            else
                finder.Reselect(now);
            if (isSeenElsewhere)
                finder.ReflexiveChanged(now);
            if (hasNewStream)
                finder.StreamOpened(now);
            Attend(finder);
        }
    }

    /// <summary>Whether peers may see this device elsewhere than at the last call.</summary>
    public bool TakeSeenChange()
    {
        bool hasChanged = _isSeenElsewhere;
        _isSeenElsewhere = false;
        return hasChanged;
    }

    /// <summary>Where connected peers see this device, what most of them say first; at most <see cref="MostSeen"/>.</summary>
    public IReadOnlyList<Endpoint> FindSeen() =>
    [
        .. _finders.Values.Where(finder => finder.State == PathState.Direct && !finder.SeenAt.IsNone)
            .CountBy(finder => finder.SeenAt).OrderByDescending(seen => seen.Value).Take(MostSeen).Select(seen => seen.Key),
    ];

    /// <summary>Takes the oldest wish to be introduced to a peer.</summary>
    public bool TryTakeWish(out IntroductionWish wish) => _wishes.TryDequeue(out wish);

    /// <summary>Whether STUN servers should be asked again now. At most once a second.</summary>
    public bool TakeRefresh()
    {
        bool wanted = _wantsRefresh;
        _wantsRefresh = false;
        return wanted;
    }

    /// <inheritdoc/>
    public DropReason Check(ReadOnlySpan<byte> datagram, Endpoint remote) =>
        _byLocator.ContainsKey(Probe.LocatorOf(datagram)) ? DropReason.None : DropReason.UnexpectedProbe;

    /// <inheritdoc/>
    public ControlOutcome Receive(Instant now, Span<byte> datagram, Endpoint remote, Endpoint local, Span<byte> reply)
    {
        if (!_byLocator.TryGetValue(Probe.LocatorOf(datagram), out PathFinder? finder) || !Probe.TryRead(finder.Keys, datagram, out Probe probe))
            return ControlOutcome.Drop(DropReason.UnexpectedProbe);
        NoteHeard(now, remote.Address);
        if (probe.IsPong)
        {
            if (!finder.ReceivePong(now, remote, local, probe))
                return ControlOutcome.Drop(DropReason.UnexpectedProbe);
            Pongs++;
            return ControlOutcome.Nothing;
        }
        if (!finder.ReceivePing(now, remote) || !TrySpend(now, remote))
            return ControlOutcome.Drop(DropReason.ProbeRateLimited);
        new Probe(IsPong: true, probe.Id, (ushort)datagram.Length, remote with { ScopeId = 0 }).Write(finder.Keys, random, reply);
        return new ControlOutcome(Outcome.ToNetwork(Probe.Size), remote, local);
    }

    /// <inheritdoc/>
    public ControlOutcome Poll(Instant now, Span<byte> datagram)
    {
        while (_frames.TryDequeue(out (PeerTunnel Peer, byte[] Frame) next))
            if (SealFrame(now, next.Peer, next.Frame, datagram) is { Sends: true } frame)
                return frame;
        PollHome(now);
        if (_polled is null)
            _schedule.TakeAsking();
        while ((_polled ??= _schedule.TakeDue(now)) is { } finder)
        {
            ControlOutcome outcome = finder.Poll(now, datagram);
            if (outcome.Sends)
                return outcome;
            _polled = null;
            _schedule.Put(finder, now);
        }
        return ControlOutcome.Nothing;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PublicKey peer in _finders.Keys.ToArray())
            Remove(peer);
    }

    /// <summary>Has a finder polled soon. Any thread.</summary>
    internal void Attend(PathFinder finder)
    {
        _schedule.Ask(finder);
        attention();
    }

    /// <summary>Wishes for an introduction. The oldest wish gives way when there are too many.</summary>
    internal void Introduce(PublicKey peer, bool opened)
    {
        IntroductionsSent++;
        if (_wishes.Count == MaximumWishes)
            _wishes.Dequeue();
        _wishes.Enqueue(new IntroductionWish(peer, opened));
    }

    /// <summary>Notes that a peer sees this device elsewhere than before.</summary>
    internal void NoteSeen() => _isSeenElsewhere = true;

    /// <summary>Counts a path that a peer has got.</summary>
    internal void CountChange() => Changes++;

    /// <summary>Wishes to know where STUN servers see the port now.</summary>
    internal void RefreshReflexive(Instant now)
    {
        if (_refreshed is { } last && now - last < RefreshInterval)
            return;
        (_refreshed, _wantsRefresh) = (now, true);
    }

    /// <summary>Writes the ping of a candidate that is due, if the budget has one left.</summary>
    internal ControlOutcome Ping(Instant now, PathFinder finder, Candidate candidate, byte timeToLive, Span<byte> datagram)
    {
        if (!TryWritePing(now, finder, candidate.At.Address, Probe.Size, datagram, out ulong id))
        {
            candidate.Pinged(now, null);
            return ControlOutcome.Nothing;
        }
        candidate.Pinged(now, id);
        return new ControlOutcome(Outcome.ToNetwork(Probe.Size), candidate.At.Address, default, timeToLive);
    }

    /// <summary>Writes a ping of a path that is as long as said and must not be fragmented, if the budget has one left.</summary>
    /// <param name="now">The time.</param>
    /// <param name="finder">The peer's finder.</param>
    /// <param name="path">The path.</param>
    /// <param name="length">Bytes of the datagram.</param>
    /// <param name="datagram">Where it goes.</param>
    /// <param name="id">Its identifier; null if it is not sent.</param>
    internal ControlOutcome PingPadded(Instant now, PathFinder finder, PeerPath path, int length, Span<byte> datagram, out ulong? id)
    {
        id = null;
        if (length > datagram.Length || !TryWritePing(now, finder, path.Remote, length, datagram, out ulong written))
            return ControlOutcome.Nothing;
        id = written;
        datagram[Probe.Size..length].Clear();
        return new ControlOutcome(Outcome.ToNetwork(length), path.Remote, path.Local) { DontFragment = true };
    }

    private bool TryWritePing(Instant now, PathFinder finder, Endpoint to, int length, Span<byte> datagram, out ulong id)
    {
        id = 0;
        if (!TrySpend(now, to))
            return false;
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        random(bytes);
        id = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        Pings++;
        new Probe(IsPong: false, id, (ushort)length, default).Write(finder.Keys, random, datagram);
        return true;
    }

    private bool TrySpend(Instant now, Endpoint to) => _budget.TrySpend(now, StreamAddress.Charged(to.Address));
}
