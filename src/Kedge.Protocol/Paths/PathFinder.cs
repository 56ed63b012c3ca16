using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <summary>
/// Finds the path to one peer, and another when it fails. An endpoint is only used once it has answered a ping; a ping moves nothing: its
/// source is pinged in turn.
/// <para>
/// The first ping towards a NAT that is not open yet is lost there, and some NATs then never let the peer's own datagrams out under the
/// port that we know. So opening is ordered: the first pings open the NATs on this side only and die on their way, the peer is told to ping
/// us, by somebody who reaches both, and once it has, or has had the time, pings go all the way.
/// </para>
/// <para>Owned by the thread that polls <see cref="PathProtocol"/>, but for <see cref="IPathFinder"/>'s members.</para>
/// </summary>
public sealed partial class PathFinder : IPathFinder, IScheduled<PathFinder>, IDisposable
{
    /// <summary>How long pings of NATs go no further than they must, unless the peer is heard from before.</summary>
    public static readonly TimeSpan OpeningTime = TimeSpan.FromSeconds(1);

    /// <summary>How long data may be sent without an answer before the path is checked.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>How long a path that is checked may stay silent before it is given up.</summary>
    public static readonly TimeSpan CheckTime = TimeSpan.FromSeconds(1);

    /// <summary>How long nothing may be sent through a NAT before it may forget.</summary>
    public static readonly TimeSpan KeepaliveInterval = TimeSpan.FromSeconds(25);

    /// <summary>How long after the last traffic a path through NATs is kept open.</summary>
    public static readonly TimeSpan IdleTime = TimeSpan.FromMinutes(3);

    // How much better another path has to be before it is taken.
    private static readonly TimeSpan BetterBy = TimeSpan.FromMilliseconds(5);
    private const double BetterShare = 0.9;

    private static readonly TimeSpan AlternativeTime = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan ActiveTime = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan StillWanted = TimeSpan.FromSeconds(35);
    private static readonly TimeSpan[] Retries = [.. ((int[])[2, 5, 15, 30]).Select(s => TimeSpan.FromSeconds(s))];
    private static readonly TimeSpan[] Once = [TimeSpan.Zero];
    private static readonly Rate PongRate = new(Burst: 64, TimeSpan.FromMilliseconds(50));

    private readonly PathProtocol _paths;
    private readonly PeerTunnel _peer;
    private readonly CandidateSet _candidates = new();
    private IReadOnlyList<PeerEndpoint> _told = [];
    private TokenBucket _pongs;
    private Instant? _confirmed;
    private Instant? _heardAt;
    private Instant _wantedAt;
    private Instant _roundStart;
    private Instant _roundEnd = Instant.Never;
    private Instant _retryAt = Instant.Never;
    private int _retries;
    private bool _awaitsTraffic;

    /// <summary>A finder that knows no endpoint yet.</summary>
    /// <param name="paths">Who polls it.</param>
    /// <param name="peer">The peer.</param>
    /// <param name="keys">The keys for the peer, from now on owned by this object.</param>
    internal PathFinder(PathProtocol paths, PeerTunnel peer, ProbeKeys keys)
    {
        (_paths, _peer, Keys) = (paths, peer, keys);
        Scheduled = new Schedule<PathFinder>.Entry(this);
    }

    /// <inheritdoc/>
    public Schedule<PathFinder>.Entry Scheduled { get; }

    /// <summary>How far it has got.</summary>
    public PathState State { get; private set; }

    /// <summary>Since when <see cref="State"/> is what it is, or the path.</summary>
    public Instant Since { get; private set; }

    /// <summary>Whether there is a way to the peer.</summary>
    public bool IsReached => State is PathState.Direct or PathState.Relayed;

    /// <summary>The peer's key.</summary>
    public PublicKey PublicKey => _peer.PublicKey;

    /// <summary>Where the peer has last seen this device; none if it has not.</summary>
    internal Endpoint SeenAt { get; private set; }

    /// <summary>The peer.</summary>
    internal PeerTunnel Peer => _peer;

    /// <summary>The keys for the peer.</summary>
    internal ProbeKeys Keys { get; }

    /// <summary>How the peer is reached, or why not.</summary>
    public PathStatus Status(Instant now) => new(
        State,
        Since,
        RoundTrip,
        Mtu,
        [.. _candidates.All.Select(candidate => new CandidateStatus(
            candidate.At, candidate.Result(now), candidate.Pings, candidate.Pongs, candidate.RoundTrip))])
    {
        Relay = RelayKey,
    };

    /// <inheritdoc/>
    public Instant NextDeadline(Instant now)
    {
        if (HasSignals)
            return now;
        Instant deadline = Instant.Earlier(_introduceAt, State switch
        {
            PathState.Connecting => Instant.Earlier(_roundEnd, NextStreamWish(now)),
            PathState.Waiting => _retryAt,
            PathState.Direct => Instant.Earlier(NextLook(now), IsByStream ? _upgradeAt : Instant.Never),
            PathState.Relayed => Instant.Earlier(NextLook(now), _upgradeAt),
            _ => Instant.Never,
        });
        deadline = Instant.Earlier(deadline, Instant.Earlier(_openAt, NextMeasuring(now)));
        return Instant.Earlier(deadline, _candidates.NextDeadline);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        DropLegs();
        Keys.Dispose();
    }

    /// <summary>Says where the peer tells that it can be reached. The same again changes nothing.</summary>
    internal void Offer(Instant now, IReadOnlyList<PeerEndpoint> told)
    {
        told = [.. told.Where(IsOwn)];
        if (told.SequenceEqual(_told))
            return;
        _told = told;
        Reselect(now);
    }

    /// <summary>Looks again at what the peer tells: the surroundings are others.</summary>
    internal void Reselect(Instant now)
    {
        IReadOnlyList<PeerEndpoint> selected = _paths.Surroundings.Select(_told);
        foreach (Candidate candidate in _candidates.Update(now, selected))
        {
            if (State is PathState.Connecting or PathState.Waiting or PathState.Relayed || _suspicion is not null)
                candidate.Begin(now, Candidate.Opening);
            else if (State == PathState.Direct && IsActive(now))
                candidate.Begin(now, Candidate.Checking);
        }
        if (State == PathState.Waiting && selected.Count > 0)
            Connect(now);
    }

    /// <summary>The network below has changed: what was known of the paths may be wrong.</summary>
    internal void Recheck(Instant now)
    {
        Reselect(now);
        if (State == PathState.Waiting)
            Connect(now);
        else if (State is PathState.Direct or PathState.Relayed && (IsActive(now) || _paths.IsKept(this)))
            Suspect(now);
        else if (State is PathState.Direct or PathState.Relayed)
            Lose(now, PathState.Idle);
    }

    /// <summary>Adopts what the peer's tunnel had before it had a finder.</summary>
    internal void Adopt(Instant now)
    {
        Since = now;
        if (_peer.Path is not { } path)
            return;
        Candidate candidate = _candidates.FindOrAdd(now, path.Remote, PeerEndpointKind.Heard);
        if (_peer.HasSession(now))
            Use(now, candidate, path);
        else
            _peer.Path = null;
    }

    /// <summary>Takes a ping of the peer.</summary>
    /// <returns>Whether it is answered.</returns>
    internal bool ReceivePing(Instant now, Endpoint remote)
    {
        if (!TokenBucket.TryTake(ref _pongs, now, PongRate))
            return false;
        if (!_paths.Surroundings.IsUsable(remote))
            return true;
        _openingUntil = now;
        Candidate candidate = _candidates.FindOrAdd(now, remote, PeerEndpointKind.Heard);
        bool isKnownGood = candidate.LastPong is { } pong && now - pong < CandidateSet.HeardTime && State == PathState.Direct;
        if (!isKnownGood && !candidate.IsTrying(now))
            candidate.Begin(now, Candidate.Opening, wantedPongs: 1);
        else if (!isKnownGood && State != PathState.Direct)
            candidate.Begin(now, Candidate.Opening);
        _paths.Attend(this);
        return true;
    }

    /// <summary>Takes a pong of the peer.</summary>
    /// <returns>Whether it answers a ping of ours.</returns>
    internal bool ReceivePong(Instant now, Endpoint remote, Endpoint local, in Probe pong)
    {
        if (TryTakeMtuPong(now, pong))
        {
            _paths.Attend(this);
            return true;
        }
        if (_candidates.Find(remote) is not { } candidate || !candidate.TryTakePong(now, pong.Id, local))
            return false;
        if (!candidate.IsStream && pong.Endpoint != SeenAt)
        {
            SeenAt = pong.Endpoint;
            _paths.NoteSeen();
        }
        if (candidate == _candidates.Current)
            Confirm(now, candidate);
        else if (IsBetter(candidate))
            Use(now, candidate, new PeerPath(remote, local));
        _paths.Attend(this);
        return true;
    }

    /// <summary>Does what is due by now.</summary>
    /// <returns>A ping, or nothing more.</returns>
    internal ControlOutcome Poll(Instant now, Span<byte> datagram)
    {
        TakeSignals(now);
        if (_isRelayLost)
        {
            _isRelayLost = false;
            if (State == PathState.Relayed)
                Connect(now);
        }
        _candidates.RemoveExpired(now);
        if (State is PathState.Direct or PathState.Relayed)
            Look(now);
        if ((State == PathState.Relayed || IsByStream) && now >= _upgradeAt)
            Upgrade(now);
        WishForStream(now);
        if (now >= _openAt)
            OpenRelays(now);
        if (State == PathState.Connecting && now >= _roundEnd)
            GiveUp(now);
        if (State == PathState.Waiting && now >= _retryAt)
            Retry(now);
        while (_candidates.FindDue(now) is { } candidate)
        {
            ControlOutcome ping = _paths.Ping(now, this, candidate, TimeToLive(now, candidate), datagram);
            if (ping.Sends)
                return ping;
        }
        // After the pings: by the time that the peer hears of it, the NATs on this side are open.
        if (now >= _introduceAt)
            Introduce(now);
        return PollMtu(now, datagram);
    }

    private void Connect(Instant now)
    {
        if (_peer.Path is not null)
            _peer.Path = null;
        (_candidates.Current, _suspicion) = (null, null);
        Enter(now, PathState.Connecting);
        BeginRound(now);
        BeginOpening(now);
        BeginAskingRelays(now);
        _paths.PathLost(now, this);
    }

    private void BeginRound(Instant now)
    {
        _roundStart = now;
        _roundEnd = now + Candidate.Opening[^1] * 2;
    }

    private void GiveUp(Instant now)
    {
        _peer.DropStaged();
        _introduceAt = Instant.Never;
        _retryAt = now + Retries[Math.Min(_retries++, Retries.Length - 1)];
        Enter(now, PathState.Waiting);
    }

    private void Retry(Instant now)
    {
        if (now - _wantedAt < StillWanted)
            Connect(now);
        else
            Lose(now, PathState.Idle);
    }

    private void Confirm(Instant now, Candidate candidate)
    {
        (_confirmed, _heardAt) = (now, null);
        if (_peer.Path is { } path && path.Remote == candidate.At.Address && path.Local != candidate.Local && path.Left != candidate.Local)
            _peer.Path = path with { Local = candidate.Local };
    }

    private void Use(Instant now, Candidate candidate, PeerPath path)
    {
        path = Measured(now, path);
        (_candidates.Current, _confirmed, _suspicion, _heardAt) = (candidate, now, null, null);
        (_introduceAt, _retries, _roundEnd, _retryAt) = (Instant.Never, 0, Instant.Never, Instant.Never);
        if (candidate.IsStream)
            (_upgrades, _upgradeAt) = (0, now + Upgrades[0]); // and what is under way for a relay goes on
        else
            _openAt = Instant.Never;
        Enter(now, PathState.Direct);
        if (_peer.Path?.Remote != path.Remote)
            _paths.CountChange();
        if (_peer.Path != path)
            _peer.Path = path;
    }

    private void Lose(Instant now, PathState state)
    {
        if (_peer.Path is not null)
            _peer.Path = null;
        (_candidates.Current, _confirmed, _suspicion, _heardAt) = (null, null, null, null);
        (_introduceAt, _openAt, _retries) = (Instant.Never, Instant.Never, 0);
        Enter(now, state);
        _paths.PathLost(now, this);
    }

    private void Enter(Instant now, PathState state)
    {
        _awaitsTraffic = false;
        if (state == PathState.Connecting)
            _streamAt = now + (Relays.Any() ? StreamPatience : StreamPatience / 2);
        bool wasReached = IsReached;
        (State, Since) = (state, now);
        if (IsReached != wasReached)
            _paths.NoteReach(this);
    }

    // The first path that answers is taken. After that, another one must be clearly better, or be where the peer itself sends from now while
    // the present one says nothing any more.
    private bool IsBetter(Candidate candidate)
    {
        if (candidate.IsStream && State == PathState.Relayed && _suspicion is null && !IsRelayByStream)
            return false;
        if (_candidates.Current is not { } current || _peer.Path is null)
            return true;
        if (current.IsStream && !candidate.IsStream)
            return true;
        bool isToStream = candidate.IsStream && !current.IsStream;
        if (_heardAt is { } heard)
            return candidate.LastPong > heard + (isToStream ? AlternativeTime : TimeSpan.Zero) && !(_confirmed > heard);
        if (isToStream)
            return false;
        if (_suspicion is not null || candidate.Pongs < Candidate.EnoughPongs || current.RoundTrip is not { } now || candidate.RoundTrip is not { } then)
            return false;
        if (now - then >= BetterBy && then <= now * BetterShare)
            return true;
        bool isTie = then - now < BetterBy || now >= then * BetterShare;
        return isTie && Preference(candidate) > Preference(current);
    }

    private int Preference(Candidate candidate) =>
        (_paths.Surroundings.IsOnLink(candidate.At.Address.Address) ? 2 : 0) + (candidate.At.Address.Address.IsIPv6 ? 1 : 0);

    private Candidate? BestSince(Instant start) =>
        _candidates.All.Where(candidate => candidate.LastPong > start)
            .MinBy(candidate => (candidate.IsStream, candidate.RoundTrip ?? TimeSpan.MaxValue, -Preference(candidate)));
}
