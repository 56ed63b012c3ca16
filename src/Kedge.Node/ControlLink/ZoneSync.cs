using Kedge.Node.Routing;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Brings the node process and the kernel to what they should be: key, port, STUN servers, peers, addresses, routes. It reconciles:
/// whatever they have, they get what is missing and lose what does not belong there. A failure is a problem, and tried again the next time.
/// One thread at a time.
/// </summary>
/// <param name="own">What this node is.</param>
/// <param name="map">The zone's map.</param>
/// <param name="peers">The nodes that are admitted from it.</param>
/// <param name="reachability">Looks where this node can be reached, each time.</param>
/// <param name="process">The node process.</param>
/// <param name="routing">The kernel's addresses, routes and rules.</param>
/// <param name="interfaceName">The interface.</param>
/// <param name="problems">Receives what does not work.</param>
internal sealed class ZoneSync(
    OwnNode own,
    NetworkMap map,
    ZonePeers peers,
    OwnReachability reachability,
    NodeProcess process,
    ZoneRouting routing,
    string interfaceName,
    Problems problems)
{
    private const string NotAllowedToRelay =
        "This node does not relay: its certificate has no tag 'relay'. An administrator gives it one with 'kedge node change NAME --tag relay'.";

    /// <summary>How often routes are checked though the kernel has told of no change.</summary>
    private static readonly TimeSpan RoutingInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan SettleTime = TimeSpan.FromMilliseconds(500);

    private Instant? _committedAt;
    private bool _isDirty;
    private Instant _routeAt;
    private volatile bool _isReady;
    private bool _hasNewTrust;

    /// <summary>Whether the node process and the kernel have had everything at least once. Any thread.</summary>
    public bool IsReady => _isReady;

    /// <summary>
    /// Takes note that the controller has told this process what there is. From shortly after the first time on, peers are removed from the node
    /// process too: a stream may begin with a map that is a little old, and the changes since follow it.
    /// </summary>
    public void Committed(Instant now) => _committedAt ??= now;

    /// <summary>The STUN servers that the node process is to ask; null while their names are not resolved.</summary>
    public IReadOnlyCollection<Endpoint>? StunServers { get; set; }

    /// <summary>Finds others, in a network without a controller.</summary>
    public ZoneDiscovery? Discovery { get; set; }

    /// <summary>Has the device read again whom it trusts.</summary>
    public void TrustChanged() => _hasNewTrust = true;

    /// <summary>Addresses by which the network below the overlay is reached: nothing is routed that has them.</summary>
    public IReadOnlyCollection<IpAddress> Underlay { get; set; } = [];

    /// <summary>What other overlays of this machine have, as of the last time that routes were applied.</summary>
    public IReadOnlyCollection<ForeignPrefix> Foreign => routing.Foreign;

    /// <summary>The UDP port of this node's datagrams, and where peers are reached, as of the last time that routes were applied.</summary>
    public (ushort Port, IReadOnlyList<Endpoint> Endpoints) Below { get; private set; } = (0, []);

    private NodeSettings Settings => own.Membership.Settings;

    private IReadOnlyList<IpPrefix> ZonePrefixes =>
        ZoneRoutes.Usable(map.Zone?.Prefixes ?? own.Membership.ZonePrefixes, own.Certificate.Node.Addresses, Underlay);

    /// <summary>Has the next <see cref="Reconcile"/> apply everything, because something has changed.</summary>
    public void Invalidate()
    {
        _isDirty = true;
        _routeAt = default;
    }

    /// <summary>Compares with what there is, and changes what differs.</summary>
    public void Reconcile(Instant now)
    {
        if (process.TryGetStatus() is not { } status)
            return;
        using (status)
        {
            if (!process.TryConfigure(status, own.Keys, Settings.Mark))
                return;
            process.UsePort(status, (ushort)Settings.ListenPort);
            if (StunServers is { } servers)
                process.UseStunServers(status, servers);
            process.UseOverlay(status, ZonePrefixes, Settings.InternalNetwork);
            problems.Set("relay", Settings.Relay && !own.IsRelay ? NotAllowedToRelay : null);
            process.UseRelay(status, own.IsRelay, Settings.RelayRate ?? NodeSettings.DefaultRelayRate);
            process.UseStream(status, own.StreamAccess);
            process.UseKnocks(status, !own.Membership.HasController, anew: !_isReady || _hasNewTrust);
            _hasNewTrust = false;
            reachability.Look(status, Settings, own.Certificate.Node);
            Discovery?.Look(now, status);
            bool done = TryReconcilePeers(status, now);
            bool isReady = done;
            if (now >= _routeAt || _isDirty)
                done &= TryRoute(status, now);
            _isDirty &= !done;
            _isReady |= isReady && routing.IsUp; // what the kernel refuses of the rest is a problem, told
        }
    }

    /// <summary>Puts back addresses, routes and rules that another program has taken away.</summary>
    public void PutBackRoutes(Instant now)
    {
        HashSet<ForeignPrefix> before = [.. Foreign];
        routing.PutBack(Settings, now);
        if (!before.SetEquals(Foreign))
            _routeAt = default;
    }

    // Without a map nothing is known, which is not the same as that there is nobody: the node process may have peers from its own state.
    private bool TryReconcilePeers(DeviceStatus status, Instant now)
    {
        if (map.IsEmpty)
            return true;
        using DeviceChange? change = peers.Reconcile(status.Peers);
        // The map on disk may be a few seconds older than what the device was told; removals, though, were written at once. A map of this node's own
        // making does not become newer by waiting.
        bool isSettled = !own.Membership.HasController || now - _committedAt >= SettleTime;
        if (!isSettled && change is not null)
            foreach (PeerChange removal in change.Peers.Where(peer => peer.Remove).ToArray())
                change.Peers.Remove(removal);
        if (change is null || change.Peers.Count == 0)
            return true;
        bool isApplied = process.TryApply(change, "peers");
        if (isApplied)
            peers.Endpoints.Applied(change);
        return isApplied;
    }

    private bool TryRoute(DeviceStatus status, Instant now)
    {
        IEnumerable<Endpoint> used = status.Peers.Select(peer => peer.Endpoint).Where(at => !StreamAddress.IsStream(at.Address));
        Below = (status.ListenPort, [.. used, .. peers.Endpoints.Candidates]);
        _routeAt = now + RoutingInterval;
        IReadOnlyList<IpPrefix> zone = ZonePrefixes;
        return routing.TryApply(
            own.Membership,
            new InterfaceRouting
            {
                Interface = interfaceName,
                Mtu = Settings.Mtu,
                Mark = Settings.Mark,
                Addresses = own.Certificate.Node.Addresses,
                ZonePrefixes = zone,
                ChildPrefixes = peers.ChildPrefixes(zone),
                ListenPort = Below.Port,
                Endpoints = Below.Endpoints,
            },
            now);
    }
}
