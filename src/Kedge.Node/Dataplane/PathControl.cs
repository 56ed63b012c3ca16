using Kedge.Linux;
using Kedge.Node.Routing;
using Kedge.Node.Streams;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Node.Dataplane;

/// <summary>
/// Keeps the paths informed of where the device stands (its machine's addresses, what STUN servers see), and tells those that watch the
/// device what it wants of them. Owned by the control thread.
/// </summary>
/// <param name="wireGuard">The device; of it only what any thread may read.</param>
/// <param name="paths">The paths.</param>
/// <param name="stun">Where STUN servers see the port.</param>
/// <param name="publish">Tells those that watch; must return at once.</param>
/// <param name="findRouters">
/// Finds the first routers on the way to a STUN server, on a thread of its own, and hands them to its second argument on the control thread.
/// </param>
/// <param name="streams">The streams to the controller, to relays and from nodes; null where there are none.</param>
public sealed class PathControl(
    WireGuardDevice wireGuard,
    PathProtocol paths,
    StunClient stun,
    Action<DeviceEvent> publish,
    Action<Endpoint, Action<IReadOnlyList<IpAddress>>> findRouters,
    StreamPort? streams)
{
    /// <summary>How often the machine's addresses are looked at while there is a path to be found or kept.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private const int MostKnocks = 4; // at one peer

    private readonly Dictionary<PublicKey, IReadOnlyList<PeerEndpoint>> _told = [];
    private readonly HashSet<PublicKey> _relays = [];
    private StreamAccess? _access;
    private Surroundings _surroundings = new();
    private Instant? _lookedAt;
    private Instant _checkAt;
    private Instant _relaysToldAt;
    private IpAddress _tracedFrom;
    private bool _isActive;
    private long _stunAnswers;
    private IReadOnlyList<Endpoint> _seen = [];

    /// <summary>Has the path to a peer found by probes, with these keys.</summary>
    public void Add(PeerTunnel peer, ProbeKeys keys)
    {
        Instant now = BootClock.Now;
        LookIfDue(now);
        paths.Add(now, peer, keys);
        paths.Offer(now, peer.PublicKey, _told.GetValueOrDefault(peer.PublicKey, []));
        paths.AllowRelay(peer.PublicKey, _relays.Contains(peer.PublicKey));
    }

    /// <summary>Forgets a peer.</summary>
    public void Remove(PublicKey peer)
    {
        paths.Remove(peer);
        streams?.Server.Remove(peer);
        _told.Remove(peer);
        _relays.Remove(peer);
    }

    /// <summary>Says where a peer tells that it can be reached.</summary>
    public void Offer(PublicKey peer, IReadOnlyList<PeerEndpoint> candidates)
    {
        _told[peer] = candidates;
        paths.Offer(BootClock.Now, peer, candidates);
    }

    /// <summary>Introduces a peer.</summary>
    public void Introduce(PublicKey peer, IReadOnlyList<PeerEndpoint> candidates, bool isAnswer)
    {
        Instant now = BootClock.Now;
        LookIfDue(now);
        paths.Introduced(now, peer, candidates, isAnswer);
    }

    /// <summary>Has peers in common introduce this device to another one.</summary>
    public void IntroduceByPeers(PublicKey peer, IReadOnlyList<PeerEndpoint> endpoints, bool isAnswer) =>
        paths.IntroduceByPeers(peer, endpoints, isAnswer);

    /// <summary>Where a peer may be that has perhaps forgotten this device: some of where its path is looked for.</summary>
    public IEnumerable<Endpoint> KnockTargets(PublicKey peer) =>
    [
        .. from candidate in paths.Find(peer)?.Status(BootClock.Now).Candidates.Take(MostKnocks) ?? []
           where candidate.Endpoint.Kind.IsDirect()
           select candidate.Endpoint.Address,
    ];

    /// <summary>Says what is known of the overlay, which no peer is behind.</summary>
    public void UseOverlay(IReadOnlyList<IpPrefix>? overlay, bool? isInternal)
    {
        _surroundings = _surroundings with { Overlay = overlay ?? _surroundings.Overlay, IsInternal = isInternal ?? _surroundings.IsInternal };
        paths.MoveTo(BootClock.Now, _surroundings, hasMoved: false);
    }

    /// <summary>Makes the device a relay, or none.</summary>
    /// <param name="isRelay">Whether it is one.</param>
    /// <param name="bitsPerSecond">What two peers may send each other; 0 for no limit.</param>
    public void UseRelay(bool isRelay, long bitsPerSecond) => paths.UseRelay(isRelay, bitsPerSecond);

    /// <summary>Says by what streams are opened and served.</summary>
    public void UseStream(StreamAccess access)
    {
        _access = access.Identity.Length > 0 ? access : null;
        streams?.Link.Use(_access);
    }

    // Where there are no STUN servers, peers say where they see the device.
    private IEnumerable<Endpoint> Reflexive => stun.Servers.Count == 0 ? _seen : stun.Reflexive;

    /// <summary>The folder with this node's certificate; null where none was named.</summary>
    public string? Identity => _access?.Identity;

    /// <summary>Says whether a peer may be a relay for this device.</summary>
    public void AllowRelay(PublicKey peer, bool isAllowed)
    {
        if (isAllowed)
            _relays.Add(peer);
        else
            _relays.Remove(peer);
        paths.AllowRelay(peer, isAllowed);
    }

    /// <summary>The device has another port, or has just been given one.</summary>
    public void Restart() => Look(BootClock.Now, hasMoved: true);

    /// <summary>Does what is due now.</summary>
    /// <returns>When there is something to do again.</returns>
    public Instant Poll()
    {
        Instant now = BootClock.Now;
        if (paths.TakeRefresh())
            stun.AskAgain(now);
        if (stun.Servers.Count == 0 && paths.TakeSeenChange())
            _seen = paths.FindSeen();
        if (!Reflexive.SequenceEqual(_surroundings.Reflexive))
            Look(now);
        if (paths.TakeHomeChange())
            publish(new DeviceChanged());
        while (paths.TryTakeWish(out IntroductionWish wish))
            publish(new IntroductionWanted(wish.Peer, wish.Opened));
        Instant reviewAt = ReviewStream(now);
        // Whether there is anything to look for is asked once a second too: it takes a walk over all peers.
        if (now >= _checkAt)
        {
            (_isActive, _checkAt) = (paths.IsActive(now), now + LookInterval);
            if (_isActive)
                Look(now);
        }
        return _isActive ? Instant.Earlier(_checkAt, reviewAt) : reviewAt;
    }

    /// <summary>Completes the state of the device by what belongs to the control thread.</summary>
    /// <param name="status">The state.</param>
    /// <param name="wallClock">The time of day.</param>
    public void Describe(DeviceStatus status, DateTimeOffset wallClock)
    {
        Instant now = BootClock.Now;
        foreach (StunResult result in stun.Results)
            status.StunResults.Add(result);
        foreach (Endpoint seen in stun.Servers.Count == 0 ? _seen : [])
            status.PeerReflexive.Add(seen);
        status.NatMapping = stun.Mapping;
        status.InternalNetwork = _surroundings.IsInternal;
        foreach (IpPrefix prefix in _surroundings.Overlay)
            status.Overlay.Add(prefix);
        (status.IsRelay, status.RelayRate) = (paths.Switch.IsOn, paths.Switch.BitsPerSecond);
        status.RelayHome = paths.Home?.PublicKey;
        (status.Stream, status.HasStream, status.StreamRelay) = (_access, _surroundings.HasStream, streams?.Link.Relay);
        foreach (PathState state in Enum.GetValues<PathState>())
            status.Gauges.Add(new NamedCount($"Peers{state}", paths.Count(state)));
        status.Gauges.Add(new NamedCount("PathChanges", paths.Changes));
        status.Gauges.Add(new NamedCount("PathPings", paths.Pings));
        status.Gauges.Add(new NamedCount("PathPongs", paths.Pongs));
        status.Gauges.Add(new NamedCount("IntroductionsSent", paths.IntroductionsSent));
        status.Gauges.Add(new NamedCount("IntroductionsReceived", paths.IntroductionsReceived));
        status.Gauges.Add(new NamedCount("IntroductionsRefused", paths.IntroductionsRefused));
        status.Gauges.Add(new NamedCount("PairsRelayed", paths.Switch.Pairs));
        foreach (PeerStatus peer in status.Peers)
        {
            if (paths.Find(peer.PublicKey) is not { } finder)
                continue;
            PathStatus path = finder.Status(now);
            (peer.PathState, peer.PathSince, peer.RoundTrip) = (path.State, wallClock - (now - path.Since), path.RoundTrip);
            peer.PathMtu = path.Mtu;
            (peer.PathRelay, peer.MayRelay, peer.RelayedBytes) = (path.Relay, finder.IsRelay, (ulong)finder.RelayedBytes);
            foreach (CandidateStatus candidate in path.Candidates)
                peer.Candidates.Add(candidate);
        }
    }

    /// <summary>Has the stream opened where it is needed, and closed where it is not; and others served, where this device is a relay.</summary>
    /// <returns>When to look again.</returns>
    private Instant ReviewStream(Instant now)
    {
        if (stun.Answers != _stunAnswers)
        {
            _stunAnswers = stun.Answers;
            paths.HeardByUdp(now);
        }
        if (streams is null)
            return Instant.Never;
        bool serves = paths.Switch.IsOn && wireGuard.IsUp && wireGuard.ListenPort != 0;
        streams.Server.Use(
            serves && _access is { } access ? new StreamService(wireGuard.ListenPort, access.Identity, paths.Switch.BitsPerSecond / 8) : null);
        bool isWanted = paths.WantsStream(now, stun.UnansweredSince, out Instant reviewAt);
        if (isWanted && now >= _relaysToldAt + LookInterval)
        {
            _relaysToldAt = now;
            streams.Link.UseRelays([.. paths.StreamRelays.Select(relay => new StreamTarget(EndpointName.Parse(relay.At.ToString()), relay.Key))]);
        }
        streams.Link.Want(isWanted && wireGuard.IsUp);
        bool hasStream = streams.Link.IsOpen || streams.Server.IsOpen;
        if (hasStream != _surroundings.HasStream)
        {
            _surroundings = _surroundings with { HasStream = hasStream };
            paths.MoveTo(now, _surroundings, hasMoved: false);
            publish(new DeviceChanged());
        }
        return Instant.Earlier(reviewAt, streams.Server.RetryAt);
    }

    // How many NATs are on this side, is found out again when this device is seen from elsewhere.
    private void FindRouters()
    {
        StunResult seen = stun.Results.FirstOrDefault(result => !result.Reflexive.IsNone && result.Server.Address.IsIPv4);
        if (!_surroundings.IsBehindNat || seen.Reflexive.IsNone || seen.Reflexive.Address == _tracedFrom)
            return;
        _tracedFrom = seen.Reflexive.Address;
        findRouters(seen.Server, routers =>
        {
            _surroundings = _surroundings with { OpeningTimeToLive = Surroundings.OpeningTimeToLiveOf(routers) };
            paths.MoveTo(BootClock.Now, _surroundings, hasMoved: false);
        });
    }

    // Thousands of peers may come at once, as after a restart.
    private void LookIfDue(Instant now)
    {
        if (_lookedAt is not { } last || now - last >= LookInterval)
            Look(now);
    }

    private void Look(Instant now, bool hasMoved = false)
    {
        _lookedAt = now;
        Surroundings seen = SeeMachine();
        hasMoved |= _surroundings.Addresses.Count > 0 && !seen.Addresses.ToHashSet().SetEquals(_surroundings.Addresses);
        if (hasMoved)
        {
            stun.Restart(now);
            streams?.Link.Renew();
        }
        seen = seen with { Reflexive = [.. Reflexive], Port = wireGuard.ListenPort };
        bool isSame = !hasMoved
            && seen.Port == _surroundings.Port
            && seen.Addresses.SequenceEqual(_surroundings.Addresses)
            && seen.OnLink.SequenceEqual(_surroundings.OnLink)
            && seen.Reflexive.SequenceEqual(_surroundings.Reflexive);
        if (isSame)
            return;
        _surroundings = seen;
        FindRouters();
        paths.MoveTo(now, _surroundings, hasMoved);
        publish(new DeviceChanged());
    }

    private Surroundings SeeMachine()
    {
        try
        {
            IReadOnlyList<LocalAddress> own = LocalAddresses.FindWithNetworks();
            return _surroundings with { Addresses = [.. own.Select(one => one.Address)], OnLink = [.. own.Select(one => one.Network)] };
        }
        catch (LinuxException)
        {
            return _surroundings; // a sandbox without rtnetlink: everything that peers tell is tried
        }
    }
}
