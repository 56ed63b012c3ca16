using System.Buffers.Binary;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Paths;

/// <content>The way by a relay: taken while there is no direct one, and left for it.</content>
public sealed partial class PathFinder
{
    private const int MaximumLegs = 2;

    // A peer answers data with a keepalive after ten seconds at the latest. After that the word of the relay between is not enough: it may
    // answer for itself, and pass nothing on.
    private static readonly TimeSpan SilenceOfPeer = Timing.Default.KeepaliveTimeout + TimeSpan.FromSeconds(2);
    private static readonly TimeSpan MuteTime = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestRoundTrip = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan[] Openings = [.. ((int[])[0, 100, 250, 500, 1000, 2000]).Select(ms => TimeSpan.FromMilliseconds(ms))];
    private static readonly TimeSpan[] Upgrades = [.. ((int[])[5, 15, 30, 60]).Select(s => TimeSpan.FromSeconds(s))];

    private readonly List<RelayLeg> _legs = [];
    private RelayLeg? _spareLeg; // agreed on with another relay while the one in use is silent
    private Instant _openAt = Instant.Never;
    private Instant _openStart;
    private Instant? _openSent;
    private TimeSpan? _relayRoundTrip;
    private PeerTunnel? _mute; // the relay that was left because the peer was silent; not gone back to for a while
    private Instant _muteUntil;
    private int _openings;
    private int _upgrades;
    private bool _isRelayLost;
    private Instant _upgradeAt = Instant.Never;

    /// <summary>Whether the peer may be a relay for this device.</summary>
    public bool IsRelay { get; internal set; }

    /// <summary>The relay by which the peer is reached; null while it is not reached by one.</summary>
    public PublicKey? RelayKey => _peer.Path?.Relay?.Via.PublicKey;

    /// <summary>Bytes that this device, as a relay, has passed on for the peer.</summary>
    public long RelayedBytes => _paths.Switch.BytesOf(_peer);

    /// <summary>The shortest of the path's last round trips; null if not known.</summary>
    internal TimeSpan? RoundTrip => State == PathState.Relayed ? _relayRoundTrip : _candidates.Current?.RoundTrip;

    /// <summary>An order of peers that is another one for each device, so that not all choose the same relay.</summary>
    internal ulong Rank => BinaryPrimitives.ReverseEndianness(Keys.ReceiveLocator);

    /// <summary>Whether a relay has been asked for the peer and may still answer.</summary>
    internal bool WantsRelay => _openSent is not null;

    // The last one that both have agreed on, if its relay is there.
    private RelayLeg? LegOffered => _legs.FindLast(leg => leg.Via.Path is { Relay: null });

    /// <summary>The relays by which the peer may be reached, its own first.</summary>
    internal IEnumerable<PathFinder> Relays => _paths.RelaysTo(this, _told);

    /// <summary>Receives by a relay from now on, and sends by it unless there is a direct path.</summary>
    /// <returns>False if that cannot be.</returns>
    internal bool TryTakeLeg(Instant now, RelayLeg leg)
    {
        if (leg.Out == 0 || leg.In == 0)
            return false;
        if (!_legs.Contains(leg))
        {
            if (!_paths.Legs.TryAdd(leg))
                return false;
            if (_legs.Count == MaximumLegs)
                DropLeg(_legs.First(old => old != _peer.Path?.Relay));
            _legs.Add(leg);
        }
        if (_openSent is { } sent && now - sent <= LongestRoundTrip) // else the peer has asked, and not answered
            _relayRoundTrip = now - sent;
        _openSent = null;
        _openAt = Instant.Never;
        if (State == PathState.Relayed && IsMute(now, leg.Via) && leg.Via != _peer.Path?.Relay?.Via)
            return true;
        if (State == PathState.Relayed && _suspicion is not null && leg.Via != _peer.Path?.Relay?.Via)
        {
            _spareLeg = leg;
            return true;
        }
        if (State == PathState.Relayed && !IsPeerSilent(now))
            _confirmed = now;
        bool isBetterThanStream = IsByStream && leg.Via.Path is { } via && !StreamAddress.IsStream(via.Remote.Address);
        if (State == PathState.Direct && _suspicion is null && !isBetterThanStream)
        {
            // The peer does not get what we send directly, or does not get it to us, or is only about to find out that it does.
            Check(now);
            return true;
        }
        if (leg != _peer.Path?.Relay)
            UseRelay(now, leg);
        return true;
    }

    /// <summary>A relay does not pass anything on to the peer.</summary>
    internal void RelayRefused(PeerTunnel relay)
    {
        foreach (RelayLeg leg in _legs.Where(leg => leg.Via == relay && leg != _peer.Path?.Relay).ToArray())
            DropLeg(leg);
    }

    /// <summary>Whether the peer is reached by a relay.</summary>
    internal bool IsReachedBy(PeerTunnel relay) => State == PathState.Relayed && _peer.Path?.Relay?.Via == relay;

    /// <summary>A relay cannot be reached any more: another way is looked for, if the peer was reached by it.</summary>
    internal void RelayLost(PeerTunnel relay)
    {
        _isRelayLost |= IsReachedBy(relay);
        foreach (RelayLeg leg in _legs.Where(leg => leg.Via == relay).ToArray())
            DropLeg(leg);
        if (_isRelayLost)
            _paths.Attend(this);
    }

    /// <summary>
    /// Keeps the NATs on the way to a relay open, and the session with it, by which it knows where this device is; finds out whether it is still
    /// there.
    /// </summary>
    internal void KeepRelay(Instant now)
    {
        _peer.RequestKeepalive();
        if (_suspicion is null)
            Check(now);
        _paths.Attend(this);
    }

    private void Check(Instant now)
    {
        _suspicion = new Suspicion(now, NeedsPong: true);
        _candidates.Current?.Begin(now, Candidate.Checking, wantedPongs: 1);
    }

    private void BeginAskingRelays(Instant now) => (_openStart, _openAt, _openings) = (now, now, 0);

    private void OpenRelays(Instant now)
    {
        bool isSilent = State == PathState.Relayed && _suspicion is not null;
        PathFinder[] relays = [.. isSilent ? Relays.Union(_paths.SpareRelays(this)) : Relays];
        if (relays.Any(relay => !IsMute(now, relay.Peer)))
            relays = [.. relays.Where(relay => !IsMute(now, relay.Peer))];
        foreach (PathFinder relay in relays)
        {
            _paths.OpenRelay(relay, _peer.PublicKey);
            _openSent = now;
        }
        _openAt = ++_openings < Openings.Length ? _openStart + Openings[_openings] : Instant.Never;
    }

    private bool IsPeerSilent(Instant now) =>
        State == PathState.Relayed && _peer.UnansweredSince is { } since && now - Instant.Later(since, Since) > SilenceOfPeer;

    private bool IsMute(Instant now, PeerTunnel relay) => relay == _mute && now < _muteUntil;

    private void UseRelay(Instant now, RelayLeg leg)
    {
        bool isFirst = _peer.Path is null;
        if (_peer.Path?.Relay is { } old && old.Via != leg.Via && now - _peer.UnansweredSince >= Patience)
            (_mute, _muteUntil) = (old.Via, now + MuteTime);
        (_candidates.Current, _confirmed, _suspicion, _heardAt, _spareLeg) = (null, now, null, null, null);
        (_retries, _roundEnd, _retryAt) = (0, Instant.Never, Instant.Never);
        (_upgrades, _upgradeAt) = (0, now + Upgrades[0]);
        Enter(now, PathState.Relayed);
        _paths.CountChange();
        _peer.Path = PeerPath.By(leg);
        // What has just begun goes on: a direct path may be found a moment later.
        if (!isFirst)
            _candidates.Begin(now, Candidate.Opening);
    }

    // A direct path is looked for again and again while there is traffic: NATs and networks change.
    private void Upgrade(Instant now)
    {
        if (now - LastUse > IdleTime && !_paths.IsKept(this))
        {
            Lose(now, PathState.Idle);
            return;
        }
        _upgradeAt = now + Upgrades[Math.Min(++_upgrades, Upgrades.Length - 1)];
        if (!(now - LastUse < StillWanted))
            return;
        _roundStart = now;
        BeginOpening(now);
        if (IsByStream)
            BeginAskingRelays(now);
    }

    private void DropLeg(RelayLeg leg)
    {
        _legs.Remove(leg);
        if (_spareLeg == leg)
            _spareLeg = null;
        _paths.Legs.Remove(leg);
    }

    private void DropLegs()
    {
        foreach (RelayLeg leg in _legs.ToArray())
            DropLeg(leg);
    }
}
