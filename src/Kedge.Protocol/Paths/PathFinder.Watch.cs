using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <content>Whether the path in use still carries anything, and what keeps it open.</content>
public sealed partial class PathFinder
{
    private Suspicion? _suspicion;

    private void Look(Instant now)
    {
        if (HasFallenSilent(now))
            _paths.RefreshReflexive(now);
        if (_peer.UnansweredSince is { } since && _peer.LastDataSent is { } sent)
        {
            Instant quiet = _confirmed is { } confirmed && confirmed > since ? confirmed : since;
            if (_suspicion is null && now - sent < ActiveTime && now - quiet >= Patience)
                Suspect(now);
        }
        else if (_suspicion is { NeedsPong: false })
        {
            EndSuspicion();
        }
        if (_suspicion is { } suspicion)
            LookForOther(now, suspicion);
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
    private void Suspect(Instant now, bool needsPong = false)
    {
        (_suspicion, _wantedAt) = (new Suspicion(now, needsPong), now);
        _candidates.Begin(now, Candidate.Checking);
        _introduceAt = now + CheckTime / 2;
        _introductions = Introductions.Length;
        _paths.RefreshReflexive(now);
        BeginAskingRelays(now);
        if (_peer.Path?.Relay is { } leg)
            _paths.Find(leg.Via.PublicKey)?.KeepRelay(now);
    }

    private void EndSuspicion() => (_suspicion, _introduceAt, _openAt, _spareLeg) = (null, Instant.Never, Instant.Never, null);

    private void LookForOther(Instant now, Suspicion suspicion)
    {
        if (_confirmed > suspicion.Since)
        {
            EndSuspicion();
            if (!suspicion.NeedsPong)
                _mtu.MeetSilence(now); // pings are answered, and what was sent is not
            return;
        }
        if (IsPeerSilent(now))
            (_mute, _muteUntil) = (_peer.Path?.Relay?.Via, now + MuteTime);
        TimeSpan silence = now - suspicion.Since;
        if (silence >= AlternativeTime && BestSince(suspicion.Since) is { } other)
            Use(now, other, new PeerPath(other.At.Address, other.Local));
        else if (silence >= AlternativeTime && (State == PathState.Direct ? LegOffered : _spareLeg) is { } leg)
            UseRelay(now, leg);
        else if (silence >= CheckTime)
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
        if (_suspicion is { Since: var since })
            deadline = now - since < AlternativeTime ? since + AlternativeTime : Instant.Earlier(since + CheckTime, now + AlternativeTime / 3);
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

    /// <summary>The path is silent, or may be.</summary>
    /// <param name="Since">Since when it is checked.</param>
    /// <param name="NeedsPong">Whether only a pong ends it, because what comes another way says nothing of this path.</param>
    private readonly record struct Suspicion(Instant Since, bool NeedsPong);
}
