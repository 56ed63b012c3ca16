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
    private static readonly TimeSpan[] Introductions = [.. ((int[])[0, 1600, 3200]).Select(ms => TimeSpan.FromMilliseconds(ms))];
    private static readonly TimeSpan[] Retries = [.. ((int[])[2, 5, 15, 30]).Select(s => TimeSpan.FromSeconds(s))];
    private static readonly TimeSpan[] Once = [TimeSpan.Zero];
    private static readonly Rate PongRate = new(Burst: 64, TimeSpan.FromMilliseconds(50));
    private static readonly Rate IntroductionRate = new(Burst: 6, TimeSpan.FromMilliseconds(500));

    private readonly PathProtocol _paths;
    private readonly PeerTunnel _peer;
    private readonly CandidateSet _candidates = new();
    private IReadOnlyList<PeerEndpoint> _told = [];
    private TokenBucket _pongs;
    private TokenBucket _introduced;
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
    private int _unanswered; // introductions that tell where this device is seen now
    private int _outdated; // those that do not, to which an answer may come
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

    /// <summary>The peer's key.</summary>
    public PublicKey PublicKey => _peer.PublicKey;

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
            if (State is PathState.Connecting or PathState.Waiting or PathState.Relayed || _suspectSince is not null)
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

    /// <summary>STUN servers see this device elsewhere: who has just been told where it was is told where it is.</summary>
    internal void ReflexiveChanged(Instant now)
    {
        (_outdated, _unanswered) = (_outdated + _unanswered, 0);
        if (_introducedAt is { } introduced && now - introduced < OpeningTime * 3)
        {
            _paths.Introduce(_peer.PublicKey, opened: true);
        }
        else if (State == PathState.Connecting || _suspectSince is not null)
        {
            _introduceAt = now;
            // Only now can the peer be told what to open its NATs for.
            if (now < _openingUntil)
                _openingUntil = now + OpeningTime;
        }
        else if (State == PathState.Direct && IsActive(now) && _candidates.Current is { } current && IsThroughNat(current))
        {
            // The NAT has other ports by now, and lets the peer's datagrams in no more; an end that only receives learns it in no other way.
            Suspect(now);
            (_needsPong, _introduceAt) = (true, now);
        }
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

    /// <summary>Takes an introduction: the peer has opened its NATs towards us, or answers that it has pinged us.</summary>
    /// <param name="now">The time.</param>
    /// <param name="endpoints">Where the peer can be reached just now.</param>
    /// <param name="opened">Whether it is the answer to ours.</param>
    /// <returns>False for one too many, which changes nothing.</returns>
    internal bool TryIntroduce(Instant now, IReadOnlyList<PeerEndpoint> endpoints, bool opened)
    {
        if (!TokenBucket.TryTake(ref _introduced, now, IntroductionRate))
            return false;
        foreach (PeerEndpoint at in _paths.Surroundings.Select(endpoints.Where(IsOwn)))
            _candidates.FindOrAdd(now, at.Address, at.Kind);
        if (!opened || IsOpenForUs())
            _openingUntil = now;
        _candidates.Begin(now, Candidate.Opening);
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

    private void Look(Instant now)
    {
        if (HasFallenSilent(now))
            _paths.RefreshReflexive(now);
        if (_peer.UnansweredSince is { } since && _peer.LastDataSent is { } sent)
        {
            Instant quiet = _confirmed is { } confirmed && confirmed > since ? confirmed : since;
            if (_suspectSince is null && now - sent < ActiveTime && now - quiet >= Patience)
                Suspect(now);
        }
        else if (_suspectSince is not null && !_needsPong)
        {
            EndSuspicion();
        }
        if (_suspectSince is { } suspect)
            LookForOther(now, suspect);
        else
            KeepOpen(now);
    }

    // Who only receives is not answered by anybody: that data has stopped may mean that a NAT has forgotten its ports.
    private bool HasFallenSilent(Instant now) =>
        _peer.LastTraffic is { } last
        && !(_peer.LastDataSent >= last)
        && now - last >= Patience
        && now - last < ActiveTime
        && _candidates.Current is { } current
        && IsThroughNat(current);

    // The path is silent under traffic. What else is known is tried, and the peer is told, whose NAT may have another port by now.
    private void Suspect(Instant now)
    {
        (_suspectSince, _wantedAt) = (now, now);
        _candidates.Begin(now, Candidate.Checking);
        _introduceAt = now + CheckTime / 2;
        _introductions = Introductions.Length;
        _paths.RefreshReflexive(now);
        BeginOpening(now);
        if (_peer.Path?.Relay is { } leg)
            _paths.Find(leg.Via.PublicKey)?.KeepRelay(now);
    }

    private void EndSuspicion() => (_suspectSince, _needsPong, _introduceAt, _openAt) = (null, false, Instant.Never, Instant.Never);

    private void LookForOther(Instant now, Instant suspect)
    {
        if (_confirmed > suspect)
        {
            EndSuspicion();
            _mtu.MeetSilence(now); // pings are answered, and what was sent is not
            return;
        }
        if (now - suspect >= AlternativeTime && BestSince(suspect) is { } other)
            Use(now, other, new PeerPath(other.At.Address, other.Local));
        else if (now - suspect >= AlternativeTime && State == PathState.Direct && LegOffered is { } leg)
            UseRelay(now, leg);
        else if (now - suspect >= CheckTime)
            Connect(now);
    }

    // Only where a NAT is between that may forget, and only for a while after the last traffic.
    private void KeepOpen(Instant now)
    {
        if (_candidates.Current is not { } current || !IsThroughNat(current) || _paths.IsKept(this))
            return;
        Instant used = LastUse;
        if (now - used > IdleTime)
        {
            if (now - used > IdleTime + KeepaliveInterval)
                Lose(now, PathState.Idle);
            return;
        }
        Instant last = Instant.Later(Instant.Later(used, current.LastPing ?? default), _confirmed ?? default);
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
        if (_candidates.Current is { } current && (current.IsStream || IsThroughNat(current)))
            deadline = Instant.Earlier(deadline, now + KeepaliveInterval / 5);
        return deadline;
    }

    private Instant NextCheck(Instant now)
    {
        if (_peer.UnansweredSince is not { } since)
            return now + LookInterval;
        Instant check = Instant.Later(since, _confirmed ?? default) + Patience;
        return check > now ? check : now + LookInterval;
    }

    private bool IsActive(Instant now) => _peer.LastTraffic is { } last && now - last < ActiveTime;

    // Who has its home here sends nothing but keepalives, perhaps for days.
    private Instant LastUse => Instant.Later(_paths.Switch.IsOn ? _peer.LastTraversal : _peer.LastTraffic ?? default, Since);

    // Where this machine is behind no NAT, the peer may be: at an endpoint that is not configured and not on the link.
    private bool IsThroughNat(Candidate candidate) =>
        candidate.At.Kind != PeerEndpointKind.Fixed
        && !candidate.IsStream
        && !_paths.Surroundings.IsOnLink(candidate.At.Address.Address)
        && (_paths.Surroundings.IsBehindNat || !_told.Any(at => at.Kind == PeerEndpointKind.Local && at.Address == candidate.At.Address));

    private void Connect(Instant now)
    {
        if (_peer.Path is not null)
            _peer.Path = null;
        (_candidates.Current, _suspectSince) = (null, null);
        Enter(now, PathState.Connecting);
        BeginRound(now);
        _openingUntil = now + OpeningTime;
        (_introductions, _introduceAt) = (0, now);
        (_unanswered, _outdated) = (0, 0);
        _candidates.Begin(now, Candidate.Opening);
        BeginOpening(now);
        _paths.PathLost(now, this);
    }

    private void BeginRound(Instant now)
    {
        _roundStart = now;
        _roundEnd = now + Candidate.Opening[^1] * 2;
    }

    // Whether the introduction that the peer answers has told it where this device is: what it did not know of, it has not opened its NATs
    // for.
    private bool IsOpenForUs()
    {
        if (_outdated > 0)
        {
            _outdated--;
            return false;
        }
        _unanswered = Math.Max(_unanswered - 1, 0);
        return true;
    }

    private void Introduce(Instant now)
    {
        _paths.Introduce(_peer.PublicKey, opened: false);
        if (_paths.Surroundings.Reflexive.Count > 0)
            _unanswered++;
        else
            _outdated++;
        _introduceAt = ++_introductions < Introductions.Length
            ? Instant.Later(_roundStart + Introductions[_introductions], now + Patience)
            : Instant.Never;
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
        path = Measured(now, path);
        (_candidates.Current, _confirmed, _suspectSince, _heardAt) = (candidate, now, null, null);
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
        (_candidates.Current, _confirmed, _suspectSince, _heardAt) = (null, null, null, null);
        (_introduceAt, _openAt, _retries) = (Instant.Never, Instant.Never, 0);
        Enter(now, state);
        _paths.PathLost(now, this);
    }

    private void Enter(Instant now, PathState state)
    {
        _awaitsTraffic = false;
        if (state == PathState.Connecting)
            _streamAt = now + (Relays.Any() ? StreamPatience : StreamPatience / 2);
        (State, Since) = (state, now);
    }

    // The first path that answers is taken. After that, another one must be clearly better, or be where the peer itself sends from now while
    // the present one says nothing any more.
    private bool IsBetter(Candidate candidate)
    {
        if (candidate.IsStream && State == PathState.Relayed && _suspectSince is null && !IsRelayByStream)
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
        if (_suspectSince is not null || candidate.Pongs < Candidate.EnoughPongs || current.RoundTrip is not { } now || candidate.RoundTrip is not { } then)
            return false;
        if (now - then >= BetterBy && then <= now * BetterShare)
            return true;
        bool isTie = then - now < BetterBy || now >= then * BetterShare;
        return isTie && Preference(candidate) > Preference(current);
    }

    private int Preference(Candidate candidate) =>
        (_paths.Surroundings.IsOnLink(candidate.At.Address.Address) ? 2 : 0) + (candidate.At.Address.Address.IsIPv6 ? 1 : 0);

    // Without NAT it is the peer itself that a datagram is for, so no router on the way takes it for its own.
    private byte TimeToLive(Instant now, Candidate candidate)
    {
        IpAddress address = candidate.At.Address.Address;
        bool opens = now < _openingUntil
            && candidate.At.Kind == PeerEndpointKind.Reflexive
            && address.IsIPv4
            && !_paths.Surroundings.IsOnLink(address);
        return opens ? _paths.Surroundings.OpeningTimeToLive : (byte)0;
    }

    private Candidate? BestSince(Instant start) =>
        _candidates.All.Where(candidate => candidate.LastPong > start)
            .MinBy(candidate => (candidate.IsStream, candidate.RoundTrip ?? TimeSpan.MaxValue, -Preference(candidate)));
}
