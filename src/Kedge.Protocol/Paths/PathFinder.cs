using System.Collections.Concurrent;
using System.Threading;
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
public sealed class PathFinder : IPathFinder, IScheduled<PathFinder>, IDisposable
{
    /// <summary>How long pings of NATs go no further than they must, unless the peer is heard from before.</summary>
    public static readonly TimeSpan OpeningTime = TimeSpan.FromSeconds(1);

    /// <summary>How long an endpoint is remembered from which a ping or data came.</summary>
    public static readonly TimeSpan HeardTime = TimeSpan.FromSeconds(30);

    /// <summary>How long data may be sent without an answer before the path is checked.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>How long a path that is checked may stay silent before it is given up.</summary>
    public static readonly TimeSpan CheckTime = TimeSpan.FromSeconds(1);

    /// <summary>How long nothing may be sent through a NAT before it may forget.</summary>
    public static readonly TimeSpan KeepaliveInterval = TimeSpan.FromSeconds(25);

    /// <summary>How long after the last traffic a path through NATs is kept open.</summary>
    public static readonly TimeSpan IdleTime = TimeSpan.FromMinutes(3);

    private const int MaximumHeard = 4;
    private const int MaximumFrames = 8; // that wait
    private const int MaximumFrame = 512;

    // How much better another path has to be before it is taken.
    private static readonly TimeSpan BetterBy = TimeSpan.FromMilliseconds(5);
    private const double BetterShare = 0.9;

    private static readonly TimeSpan AlternativeTime = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan ActiveTime = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan StillWanted = TimeSpan.FromSeconds(35);
    private static readonly TimeSpan[] Introductions = [.. ((int[])[0, 1600, 3200]).Select(ms => TimeSpan.FromMilliseconds(ms))];
    private static readonly TimeSpan[] Retries = [.. ((int[])[2, 5, 15, 30]).Select(s => TimeSpan.FromSeconds(s))];
    private static readonly TimeSpan[] Once = [TimeSpan.Zero];
    private static readonly Rate PongRate = new(Burst: 64, TimeSpan.FromMilliseconds(50));
    private static readonly Rate FrameRate = new(Burst: 40, TimeSpan.FromMilliseconds(50));
    private static readonly Rate IntroductionRate = new(Burst: 6, TimeSpan.FromMilliseconds(500));

    private readonly PathProtocol _paths;
    private readonly PeerTunnel _peer;
    private readonly List<Candidate> _candidates = [];
    private IReadOnlyList<PeerEndpoint> _told = [];
    private TokenBucket _pongs;
    private TokenBucket _introduced;
    private TokenBucket _frameBudget;
    private Candidate? _current;
    private Instant? _confirmed;
    private Instant? _suspectSince;
    private Instant? _heardAt;
    private Instant? _introducedAt;
    private Instant _wantedAt;
    private Instant _openingUntil;
    private Instant _introduceAt = Instant.Never;
    private Instant _roundStart;
    private Instant _roundEnd = Instant.Never;
    private Instant _retryAt = Instant.Never;
    private int _introductions;
    private int _retries;
    private bool _awaitsTraffic;

    private int _isWanted;
    private int _trafficBegan;
    private PeerPath? _heardFrom;
    private readonly ConcurrentQueue<byte[]> _frames = new();

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

    /// <summary>The peer.</summary>
    internal PeerTunnel Peer => _peer;

    /// <summary>The keys for the peer.</summary>
    internal ProbeKeys Keys { get; }

    /// <inheritdoc/>
    public void Want()
    {
        if (Interlocked.Exchange(ref _isWanted, 1) == 0)
            _paths.Attend(this);
    }

    /// <inheritdoc/>
    public void TrafficBegan()
    {
        if (Interlocked.Exchange(ref _trafficBegan, 1) == 0)
            _paths.Attend(this);
    }

    /// <inheritdoc/>
    public void HeardFrom(PeerPath path)
    {
        if (Interlocked.Exchange(ref _heardFrom, path) is null)
            _paths.Attend(this);
    }

    /// <inheritdoc/>
    public void TakeFrame(ReadOnlySpan<byte> frame)
    {
        if (frame.Length > MaximumFrame || _frames.Count >= MaximumFrames)
            return;
        _frames.Enqueue(frame.ToArray());
        _paths.Attend(this);
    }

    /// <summary>How the peer is reached, or why not.</summary>
    public PathStatus Status(Instant now) => new(
        State,
        Since,
        _current?.RoundTrip,
        [.. _candidates.Select(candidate => new CandidateStatus(
            candidate.At, candidate.Result(now), candidate.Pings, candidate.Pongs, candidate.RoundTrip))]);

    /// <inheritdoc/>
    public Instant NextDeadline(Instant now)
    {
        if (!_frames.IsEmpty || Volatile.Read(ref _isWanted) != 0 || Volatile.Read(ref _trafficBegan) != 0 || Volatile.Read(ref _heardFrom) is not null)
            return now;
        Instant deadline = Instant.Earlier(_introduceAt, State switch
        {
            PathState.Connecting => _roundEnd,
            PathState.Waiting => _retryAt,
            PathState.Direct => NextLook(now),
            _ => Instant.Never,
        });
        foreach (Candidate candidate in _candidates)
            deadline = Instant.Earlier(deadline, candidate == _current ? candidate.Due : Instant.Earlier(candidate.Due, candidate.Expires));
        return deadline;
    }

    /// <inheritdoc/>
    public void Dispose() => Keys.Dispose();

    /// <summary>Says where the peer tells that it can be reached. The same again changes nothing.</summary>
    internal void Offer(Instant now, IReadOnlyList<PeerEndpoint> told)
    {
        if (told.SequenceEqual(_told))
            return;
        _told = [.. told];
        Reselect(now);
    }

    /// <summary>Looks again at what the peer tells: the surroundings are others.</summary>
    internal void Reselect(Instant now)
    {
        IReadOnlyList<PeerEndpoint> selected = _paths.Surroundings.Select(_told);
        foreach (Candidate candidate in _candidates)
            if (candidate.Expires == Instant.Never && !selected.Any(at => at.Address == candidate.At.Address))
                candidate.Expires = now + HeardTime;
        foreach (PeerEndpoint at in selected)
        {
            if (Find(at.Address) is { } known)
            {
                (known.At, known.Expires) = (at, Instant.Never);
                continue;
            }
            var candidate = new Candidate(at, Instant.Never);
            _candidates.Add(candidate);
            if (State is PathState.Connecting or PathState.Waiting || _suspectSince is not null)
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
        else if (State == PathState.Direct && IsActive(now))
            Suspect(now);
        else if (State == PathState.Direct)
            Lose(now, PathState.Idle);
    }

    /// <summary>STUN servers see this device elsewhere: who has just been told where it was is told where it is.</summary>
    internal void ReflexiveChanged(Instant now)
    {
        if (_introducedAt is { } introduced && now - introduced < OpeningTime * 3)
            _paths.Introduce(_peer.PublicKey, opened: true);
        else if (State == PathState.Connecting || _suspectSince is not null)
            _introduceAt = now;
    }

    /// <summary>Adopts what the peer's tunnel had before it had a finder.</summary>
    internal void Adopt(Instant now)
    {
        Since = now;
        if (_peer.Path is not { } path)
            return;
        Candidate candidate = FindOrAdd(now, path.Remote, PeerEndpointKind.Heard);
        if (_peer.HasSession(now))
            Use(now, candidate, path);
        else
            _peer.Path = null;
    }

    /// <summary>Takes an introduction: the peer has opened its NATs towards us, or answers that it has pinged us.</summary>
    /// <param name="now">The time.</param>
    /// <param name="endpoints">Where the peer can be reached just now.</param>
    /// <param name="opened">Whether it is the answer to ours.</param>
    /// <returns>False for one too many, which changes nothing.</returns>
    internal bool TryIntroduce(Instant now, IReadOnlyList<PeerEndpoint> endpoints, bool opened)
    {
        if (_introduced.WaitFor(now, IntroductionRate) > TimeSpan.Zero)
            return false;
        _introduced = _introduced.Take(now, IntroductionRate);
        foreach (PeerEndpoint at in _paths.Surroundings.Select(endpoints))
            FindOrAdd(now, at.Address, at.Kind);
        _openingUntil = now;
        foreach (Candidate candidate in _candidates)
            candidate.Begin(now, Candidate.Opening);
        if (State is PathState.Idle or PathState.Waiting)
            Enter(now, PathState.Connecting);
        if (State == PathState.Connecting)
            BeginRound(now);
        if (opened)
            return true;
        // It may be because of this end that the path is dead: then its NAT has another port by now, which the peer is told next.
        _introducedAt = now;
        _paths.RefreshReflexive(now);
        _paths.Introduce(_peer.PublicKey, opened: true);
        return true;
    }

    /// <summary>Takes a ping of the peer.</summary>
    /// <returns>Whether it is answered.</returns>
    internal bool ReceivePing(Instant now, Endpoint remote)
    {
        if (_pongs.WaitFor(now, PongRate) > TimeSpan.Zero)
            return false;
        _pongs = _pongs.Take(now, PongRate);
        if (!_paths.Surroundings.IsUsable(remote))
            return true;
        _openingUntil = now;
        Candidate candidate = FindOrAdd(now, remote, PeerEndpointKind.Heard);
        bool isKnownGood = candidate.LastPong is { } pong && now - pong < HeardTime && State == PathState.Direct;
        if (!isKnownGood && !candidate.IsTrying(now))
            candidate.Begin(now, Candidate.Opening, wantedPongs: 1);
        else if (!isKnownGood && State != PathState.Direct)
            candidate.Begin(now, Candidate.Opening);
        _paths.Attend(this);
        return true;
    }

    /// <summary>Takes a pong of the peer.</summary>
    /// <returns>Whether it answers a ping of ours.</returns>
    internal bool ReceivePong(Instant now, Endpoint remote, Endpoint local, ulong id)
    {
        if (Find(remote) is not { } candidate || !candidate.TryTakePong(now, id, local))
            return false;
        if (candidate == _current)
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
        _candidates.RemoveAll(candidate => candidate.Expires <= now && candidate != _current);
        if (State == PathState.Direct)
            Look(now);
        if (State == PathState.Connecting && now >= _roundEnd)
            GiveUp(now);
        if (State == PathState.Waiting && now >= _retryAt)
            Retry(now);
        foreach (Candidate candidate in _candidates)
        {
            if (candidate.Due > now)
                continue;
            ControlOutcome ping = _paths.Ping(now, this, candidate, TimeToLive(now, candidate), datagram);
            if (ping.Sends)
                return ping;
        }
        // After the pings: by the time that the peer hears of it, the NATs on this side are open.
        if (now >= _introduceAt)
            Introduce(now);
        return ControlOutcome.Nothing;
    }

    private void TakeSignals(Instant now)
    {
        if (Interlocked.Exchange(ref _trafficBegan, 0) != 0)
            _awaitsTraffic = false;
        if (Interlocked.Exchange(ref _heardFrom, null) is { } path)
            TakeHeard(now, path);
        while (_frames.TryDequeue(out byte[]? frame))
            if (TrySpendFrame(now) && IntroductionFrame.TryRead(frame, out IntroductionFrame? introduction))
                _paths.TakeFrame(now, _peer.PublicKey, introduction);
        if (Interlocked.Exchange(ref _isWanted, 0) == 0)
            return;
        _wantedAt = now;
        if (State == PathState.Idle)
            Connect(now);
    }

    private bool TrySpendFrame(Instant now)
    {
        bool isAffordable = _frameBudget.WaitFor(now, FrameRate) == TimeSpan.Zero;
        if (isAffordable)
            _frameBudget = _frameBudget.Take(now, FrameRate);
        return isAffordable;
    }

    private void TakeHeard(Instant now, PeerPath path)
    {
        if (!_paths.Surroundings.IsUsable(path.Remote))
            return;
        Candidate candidate = FindOrAdd(now, path.Remote, PeerEndpointKind.Heard);
        if (_current is null || _peer.Path is null || _peer.Path.Remote == path.Remote)
        {
            Use(now, candidate, path);
            return;
        }
        _heardAt = now;
        candidate.Begin(now, Candidate.Checking);
        _current.Begin(now, Candidate.Checking, wantedPongs: 1);
    }

    private void Look(Instant now)
    {
        if (_peer.UnansweredSince is { } since && _peer.LastDataSent is { } sent)
        {
            Instant quiet = _confirmed is { } confirmed && confirmed > since ? confirmed : since;
            if (_suspectSince is null && now - sent < ActiveTime && now - quiet >= Patience)
                Suspect(now);
        }
        else if (_suspectSince is not null)
        {
            (_suspectSince, _introduceAt) = (null, Instant.Never);
        }
        if (_suspectSince is { } suspect)
            LookForOther(now, suspect);
        else
            KeepOpen(now);
    }

    // The path is silent under traffic. What else is known is tried, and the peer is told, whose NAT may have another port by now.
    private void Suspect(Instant now)
    {
        (_suspectSince, _wantedAt) = (now, now);
        foreach (Candidate candidate in _candidates)
            candidate.Begin(now, Candidate.Checking);
        _introduceAt = now + CheckTime / 2;
        _introductions = Introductions.Length;
        _paths.RefreshReflexive(now);
    }

    private void LookForOther(Instant now, Instant suspect)
    {
        if (_confirmed > suspect)
        {
            (_suspectSince, _introduceAt) = (null, Instant.Never);
            return;
        }
        if (now - suspect >= AlternativeTime && Best(candidate => candidate.LastPong > suspect) is { } other)
            Use(now, other, new PeerPath(other.At.Address, other.Local));
        else if (now - suspect >= CheckTime)
            Connect(now);
    }

    // Only where a NAT is between that may forget, and only for a while after the last traffic.
    private void KeepOpen(Instant now)
    {
        if (_current is not { } current || !IsThroughNat(current))
            return;
        Instant used = LastUse;
        if (now - used > IdleTime)
        {
            if (now - used > IdleTime + KeepaliveInterval)
                Lose(now, PathState.Idle);
            return;
        }
        Instant last = Later(Later(used, current.LastPing ?? default), _confirmed ?? default);
        if (now - last >= KeepaliveInterval)
            current.Begin(now, Once, wantedPongs: 1);
    }

    private Instant NextLook(Instant now)
    {
        Instant deadline = Instant.Never;
        if (_suspectSince is { } suspect)
            deadline = now - suspect < AlternativeTime ? suspect + AlternativeTime : Instant.Earlier(suspect + CheckTime, now + AlternativeTime / 3);
        else if (IsActive(now))
            return NextCheck(now);
        else if (!_awaitsTraffic)
        {
            _awaitsTraffic = true;
            _peer.AwaitTraffic();
            if (IsActive(now))
                return NextCheck(now);
        }
        if (_current is { } current && IsThroughNat(current))
            deadline = Instant.Earlier(deadline, now + KeepaliveInterval / 5);
        return deadline;
    }

    private Instant NextCheck(Instant now)
    {
        if (_peer.UnansweredSince is not { } since)
            return now + LookInterval;
        Instant check = Later(since, _confirmed ?? default) + Patience;
        return check > now ? check : now + LookInterval;
    }

    private bool IsActive(Instant now) => _peer.LastTraffic is { } last && now - last < ActiveTime;

    private Instant LastUse => Later(_peer.LastTraffic ?? default, Since);

    // Where this machine is behind no NAT, the peer may be: at an endpoint that is not configured and not on the link.
    private bool IsThroughNat(Candidate candidate) =>
        candidate.At.Kind != PeerEndpointKind.Fixed
        && !_paths.Surroundings.IsOnLink(candidate.At.Address.Address)
        && (_paths.Surroundings.IsBehindNat || !_told.Any(at => at.Kind == PeerEndpointKind.Local && at.Address == candidate.At.Address));

    private void Connect(Instant now)
    {
        if (_peer.Path is not null)
            _peer.Path = null;
        (_current, _suspectSince) = (null, null);
        Enter(now, PathState.Connecting);
        BeginRound(now);
        _openingUntil = now + OpeningTime;
        (_introductions, _introduceAt) = (0, now);
        foreach (Candidate candidate in _candidates)
            candidate.Begin(now, Candidate.Opening);
    }

    private void BeginRound(Instant now)
    {
        _roundStart = now;
        _roundEnd = now + Candidate.Opening[^1] * 2;
    }

    private void Introduce(Instant now)
    {
        _paths.Introduce(_peer.PublicKey, opened: false);
        _introduceAt = ++_introductions < Introductions.Length ? Later(_roundStart + Introductions[_introductions], now + PathFinder.Patience) : Instant.Never;
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
        if (_peer.Path is { } path && path.Remote == candidate.At.Address && path.Local != candidate.Local)
            _peer.Path = path with { Local = candidate.Local };
    }

    private void Use(Instant now, Candidate candidate, PeerPath path)
    {
        (_current, _confirmed, _suspectSince, _heardAt) = (candidate, now, null, null);
        (_introduceAt, _retries, _roundEnd, _retryAt) = (Instant.Never, 0, Instant.Never, Instant.Never);
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
        (_current, _confirmed, _suspectSince, _heardAt) = (null, null, null, null);
        (_introduceAt, _retries) = (Instant.Never, 0);
        Enter(now, state);
    }

    private void Enter(Instant now, PathState state)
    {
        _awaitsTraffic = false;
        (State, Since) = (state, now);
    }

    // The first path that answers is taken. After that, another one must be clearly better, or be where the peer itself sends from now while
    // the present one says nothing any more.
    private bool IsBetter(Candidate candidate)
    {
        if (_current is not { } current || _peer.Path is null)
            return true;
        if (_heardAt is { } heard)
            return candidate.LastPong > heard && !(_confirmed > heard);
        if (_suspectSince is not null || candidate.Pongs < Candidate.EnoughPongs || current.RoundTrip is not { } now || candidate.RoundTrip is not { } then)
            return false;
        if (now - then >= BetterBy && then <= now * BetterShare)
            return true;
        bool isTie = then - now < BetterBy || now >= then * BetterShare;
        return isTie && Preference(candidate) > Preference(current);
    }

    private int Preference(Candidate candidate) =>
        (_paths.Surroundings.IsOnLink(candidate.At.Address.Address) ? 2 : 0) + (candidate.At.Address.Address.IsIPv6 ? 1 : 0);

    private byte TimeToLive(Instant now, Candidate candidate) =>
        // Without NAT it is the peer itself that a datagram is for, so no router on the way takes it for its own.
        now < _openingUntil && candidate.At.Kind == PeerEndpointKind.Reflexive && candidate.At.Address.Address.IsIPv4 && !_paths.Surroundings.IsOnLink(candidate.At.Address.Address)
            ? _paths.Surroundings.OpeningTimeToLive
            : (byte)0;

    private Candidate? Find(Endpoint endpoint) => _candidates.Find(candidate => candidate.At.Address == endpoint);

    private Candidate? Best(Predicate<Candidate> isGood) =>
        _candidates.FindAll(isGood).MinBy(candidate => (candidate.RoundTrip ?? TimeSpan.MaxValue, -Preference(candidate)));

    private Candidate FindOrAdd(Instant now, Endpoint endpoint, PeerEndpointKind kind)
    {
        if (Find(endpoint) is { } known)
        {
            if (known.Expires != Instant.Never)
                known.Expires = now + HeardTime;
            return known;
        }
        Candidate[] heard = [.. _candidates.Where(candidate => candidate.Expires != Instant.Never && candidate != _current)];
        if (heard.Length >= MaximumHeard + (kind == PeerEndpointKind.Heard ? 0 : Surroundings.MaximumCandidates))
            _candidates.Remove(heard.MinBy(candidate => (candidate.LastPong is not null, candidate.Expires))!);
        var added = new Candidate(new PeerEndpoint(endpoint, kind), now + HeardTime);
        _candidates.Add(added);
        return added;
    }

    private static Instant Later(Instant a, Instant b) => a > b ? a : b;
}
