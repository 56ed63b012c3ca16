using Kedge.Linux;
using Kedge.Node.PortMapping;
using Kedge.Node.Routing;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard.Uapi;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// A zone that this node is in: its map, who of it is installed, what is on disk, and what the node process and the kernel are given. It
/// reconciles: whatever they have, they get what is missing and lose what does not belong there. Nothing here needs the controller, and
/// nothing here ends for good: a failure is reported as a problem and tried again. Any thread; one at a time is inside.
/// </summary>
public sealed class LinkedZone : IDisposable
{
    /// <summary>How often routes are checked though the kernel has told of no change.</summary>
    private static readonly TimeSpan RoutingInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(60);
    private const int MaximumRefusals = 100;

    private readonly Lock _lock = new();
    private readonly NodeFolder _folder;
    private readonly MapSaver _saver;
    private readonly OwnNode _own;
    private readonly NodeProcess _process;
    private readonly PortMapper _portMapper;
    private readonly ZoneRouting _routing;
    private readonly ILogger _log;
    private readonly NetworkMap _map;
    private readonly ZoneTrust _trust;

    private IReadOnlyCollection<IpAddress> _underlay = [];
    private IReadOnlyCollection<ForeignPrefix> _foreign = [];
    private IReadOnlyCollection<Endpoint> _stunServers = [];
    private readonly ZonePeers _peers;
    private Dictionary<string, string> _loggedRefusals = [];
    private NatMapping _natMapping;

    private bool _isDirty;
    private bool _hasCommitted; // the controller has told this process what there is
    private Instant _routeAt, _retryAt;
    private volatile bool _isReady;
    private (ushort Port, IReadOnlyList<Endpoint> Endpoints) _below = (0, []);

    /// <summary>Starts from what is on disk.</summary>
    /// <param name="folder">The node's folder.</param>
    /// <param name="membership">What it has joined, active.</param>
    /// <param name="certificate">Its certificate.</param>
    /// <param name="keys">Its keys; stay the caller's.</param>
    /// <param name="process">Its node process.</param>
    /// <param name="certificates">What has been checked already.</param>
    /// <param name="portMapper">Has the node's port mapped; stays the caller's.</param>
    /// <param name="problems">Receives what does not work.</param>
    /// <param name="log">Receives what happens.</param>
    public LinkedZone(
        NodeFolder folder, Membership membership, CertificateFile certificate, NodeKeys keys, NodeProcess process,
        VerifiedCertificates certificates, PortMapper portMapper, Problems problems, ILogger log)
    {
        (_folder, _process, _portMapper, _log) = (folder, process, portMapper, log);
        _own = new OwnNode(folder, membership, certificate, keys, problems);
        Problems = problems;
        _routing = new ZoneRouting(problems, log);
        Sha256Digest network = Sha256Digest.Parse(membership.Network);
        _trust = ZoneTrust.Read(folder, network, certificates, PassOver); // before the map: that may leave out what was revoked
        var file = new MapFile(folder, network, membership.NodeId);
        _map = file.Read(PassOver) ?? new NetworkMap(membership.NodeId);
        _trust.Merge(new TrustResource(certificate.Authorities, []));
        _trust.Merge(_map.Trust ?? new TrustResource([], []));
        var admitted = new AdmittedFile(folder);
        _peers = new ZonePeers(
            new Admission(Context(), certificates), new ZoneEndpoints(), admitted.Read(PassOver));
        DateTimeOffset now = DateTimeOffset.UtcNow;
        _peers.SetTrust(_trust.Current, _map, now);
        _peers.ApplySnapshot(_map, now);
        _saver = new MapSaver(file, admitted, _trust, _map.Position, problems);
        if (!_trust.IsSaved)
            _saver.Plan(isRemoval: true);
        if (!_map.IsEmpty)
            Log.MapRestored(_log, _peers.AdmittedCount, _map.Position.Revision);
    }

    /// <summary>What does not work at present.</summary>
    public Problems Problems { get; }

    /// <summary>The interface.</summary>
    public string InterfaceName => _folder.InterfaceName;

    /// <summary>The node's certificate.</summary>
    public CertificateFile Certificate => _own.Certificate;

    /// <summary>What was joined.</summary>
    public Membership Membership => _own.Membership;

    /// <summary>What to ask the controller to go on from.</summary>
    public MapPosition Position
    {
        get
        {
            lock (_lock)
                return _map.Position;
        }
    }

    /// <summary>The STUN servers that the map names, as <c>HOST:PORT</c>.</summary>
    public IReadOnlyList<string> StunServerNames
    {
        get
        {
            lock (_lock)
                return Membership.Settings.InternalNetwork ? [] : _map.Settings?.StunServers ?? [];
        }
    }

    /// <summary>The time within which the controller wants nodes back, after <see cref="MapOutcome.Ending"/>.</summary>
    public TimeSpan ReconnectWithin
    {
        get
        {
            lock (_lock)
                return _map.ReconnectWithin;
        }
    }

    /// <summary>Why the controller ended the stream, after <see cref="MapOutcome.Ending"/>; none where it ends itself.</summary>
    public RefusalReason EndReason
    {
        get
        {
            lock (_lock)
                return _map.EndReason;
        }
    }

    /// <summary>The last question of the controller; empty for none.</summary>
    public Guid Question
    {
        get
        {
            lock (_lock)
                return _map.Question;
        }
    }

    /// <summary>Whether the node process and the kernel have had everything at least once.</summary>
    public bool IsReady => _isReady;

    /// <summary>Takes a line of the map stream.</summary>
    public MapOutcome Apply(ReadOnlySpan<byte> line)
    {
        lock (_lock)
        {
            MapOutcome outcome = _map.Apply(line);
            if (outcome == MapOutcome.Committed)
                TakeCommit();
            if (outcome == MapOutcome.Introduced && _map.Introduction is { } introduction)
                TakeIntroduction(introduction);
            Problems.Set("duplicates", ZoneReport.DuplicatesOf(_map, _folder));
            return outcome;
        }
    }

    /// <summary>Addresses by which the network below the overlay is reached: no peer may have them. And STUN servers, resolved.</summary>
    public void UseUnderlay(IReadOnlyCollection<IpAddress> controller, IReadOnlyCollection<Endpoint> stunServers)
    {
        lock (_lock)
        {
            _stunServers = stunServers;
            if (_underlay.ToHashSet().SetEquals(controller))
                return;
            _underlay = controller;
            ContextChanged();
        }
    }

    /// <summary>
    /// Brings the node process and the kernel to what they should be, writes what is due, and checks again what was refused. To be called
    /// every second or so, and after a change.
    /// </summary>
    public void Tick()
    {
        lock (_lock)
        {
            Instant now = BootClock.Now;
            if (now >= _retryAt)
            {
                _retryAt = now + RetryInterval;
                if (_peers.RetryRefused(_map, DateTimeOffset.UtcNow))
                    Changed(isRemoval: false);
            }
            Reconcile(now);
            if (_saver.IsDue(now))
                _saver.Save(_map, _peers.Admitted);
        }
    }

    /// <summary>The UDP port of this node's datagrams, and where peers are reached, as of the last look.</summary>
    public (ushort Port, IReadOnlyList<Endpoint> Endpoints) Below
    {
        get
        {
            lock (_lock)
                return _below;
        }
    }

    /// <summary>
    /// Puts back addresses, routes and rules that another program has taken away. To be called when the kernel tells of it.
    /// </summary>
    public void PutBackRoutes()
    {
        lock (_lock)
        {
            _routing.PutBack(Membership.Settings, BootClock.Now);
            if (!_foreign.ToHashSet().SetEquals(_routing.Foreign))
                _routeAt = default;
        }
    }

    /// <summary>The acknowledgement of what is applied and on the disk; null where that is not more than was acknowledged before.</summary>
    /// <param name="acknowledged">What was acknowledged last.</param>
    public MapAcknowledgement? AcknowledgementAfter(MapAcknowledgement? acknowledged)
    {
        lock (_lock)
        {
            RefusedResource[] refused = [.. ZoneReport.Refusals(_map, _peers).Take(MaximumRefusals).Select(refusal => new RefusedResource(refusal.Resource, refusal.Reason))];
            bool isNew = acknowledged is null
                || acknowledged.Store != _saver.Saved.Store
                || acknowledged.Revision != _saver.Saved.Revision
                || !acknowledged.Refused.SequenceEqual(refused);
            return isNew && _saver.Saved.Revision > 0 ? new MapAcknowledgement(_saver.Saved.Store, _saver.Saved.Revision, refused) : null;
        }
    }

    /// <summary>Where the others are told to reach this node.</summary>
    public EndpointReport Report()
    {
        lock (_lock)
            return new EndpointReport([.. _peers.Endpoints.Own.Take(EndpointReport.MaximumEndpoints).Select(OwnEndpoints.ToText)]);
    }

    /// <summary>What happens in the node process, until that ends or the caller does.</summary>
    /// <inheritdoc cref="NodeProcess.WatchAsync"/>
    public IAsyncEnumerable<DeviceEvent> WatchDeviceAsync(CancellationToken cancellation) => _process.WatchAsync(cancellation);

    /// <summary>The introduction that the node process wishes for; null if the peer is none any more.</summary>
    public Introduction? IntroductionFor(DeviceEvent wish)
    {
        lock (_lock)
        {
            return wish.Peer is { } key && _peers.IdOf(key) is var id && id != Guid.Empty
                ? new Introduction(id, Report().Endpoints, wish.IsAnswer)
                : null;
        }
    }

    /// <inheritdoc cref="OwnNode.NoteMembership"/>
    public void NoteMembership(string? end)
    {
        lock (_lock)
            _own.NoteMembership(end);
        Problems.Set("membership", end is null ? null : $"{end} {Membership.HowToJoinAgain(_folder.InterfaceName)}");
    }

    /// <inheritdoc cref="OwnNode.MakeRenewal"/>
    public CertificateRenewal MakeRenewal() => _own.MakeRenewal();

    /// <summary>Takes a certificate that the controller has issued anew, if it is this node's and good: its prefixes are the node's then.</summary>
    /// <returns>Whether it is used.</returns>
    public bool TryRenew(ReadOnlySpan<byte> der, IReadOnlyList<byte[]> authorities)
    {
        lock (_lock)
        {
            if (!NodeCertificate.TryParse(der, out NodeCertificate? certificate, out CertificateRefusal unreadable))
                return Refuse(unreadable);
            if (certificate.Fingerprint == Certificate.Node.Fingerprint)
                return true;
            var told = new TrustResource(authorities, []);
            CertificateRefusal? refusal = _own.CheckKeys(certificate)
                ?? _trust.With(told).Verify(certificate, Membership.ZoneId, DateTimeOffset.UtcNow);
            if (refusal is { } reason)
                return Refuse(reason);
            if (_trust.Merge(told))
            {
                _peers.SetTrust(_trust.Current, _map, DateTimeOffset.UtcNow);
                Changed(isRemoval: true);
            }
            if (_own.Use(new CertificateFile(certificate, authorities.Count == 0 ? Certificate.Authorities : authorities)))
                ContextChanged();
            Log.CertificateRenewed(_log, certificate.NotAfter);
            return true;
        }

        bool Refuse(CertificateRefusal reason)
        {
            Log.CertificateNotUsed(_log, reason.Sentence());
            return false;
        }
    }

    /// <summary>All that there is to tell about the zone.</summary>
    public LinkStatus Status(ControllerConnection controller, DateTimeOffset? renewsAt)
    {
        lock (_lock)
        {
            return ZoneReport.Status(_folder.InterfaceName, Membership, Certificate, _map, _peers) with
            {
                Controller = controller,
                CertificateRenewsAt = renewsAt,
                NatMapping = _natMapping.ToString(),
                PortMapping = Membership.Settings.MapsPort ? _portMapper.State.Summary : null,
                Problems = Problems.Current,
                Limits = Problems.Limits,
            };
        }
    }

    /// <summary>Writes what is not written yet.</summary>
    public void Dispose()
    {
        lock (_lock)
            if (_saver.HasMore)
                _saver.Save(_map, _peers.Admitted);
    }

    private void PassOver(string path, string reason) => Log.FileNotUsed(_log, path, reason);

    private AdmissionContext Context() => new()
    {
        Zone = Membership.ZoneId,
        WireGuardKey = _own.Keys.WireGuardPublicKey,
        Prefixes = Certificate.Node.Prefixes,
        Underlay = _underlay,
        Foreign = _foreign,
    };

    // What the node itself is has changed, so all records are evaluated again.
    private void ContextChanged()
    {
        _peers.SetContext(Context(), _map, DateTimeOffset.UtcNow);
        Changed(isRemoval: true);
    }

    private void TakeCommit()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        MapDifference difference = _map.Difference;
        int before = _peers.AdmittedCount;
        bool hasNewTrust = difference.Network && _map.Trust is { } trust && _trust.Merge(trust);
        // Records before trust: a node whose former certificate is revoked now is not out for a moment, in which another could take its place.
        _peers.ApplyDelta(_map, now);
        if (hasNewTrust)
            _peers.SetTrust(_trust.Current, _map, now);
        if (difference.Self && _map.Self is { } self)
            TryRenewFromMap(self);
        if (difference.Network && _map.Settings?.ServerPins is { } pins)
            _own.UsePins(pins);
        if (difference.Network && _map.Settings?.ControllerUrls is { } urls)
            _own.UseControllers(urls);
        _hasCommitted = true;
        bool isRemoval = hasNewTrust || difference.Peers.Any(id => !_map.Peers.ContainsKey(id)) || _peers.AdmittedCount < before;
        LogRefusals();
        if (difference.Peers.Count > 0 || difference.Network)
            Log.MapApplied(_log, _map.Position.Revision, _peers.AdmittedCount, _peers.RefusedCount);
        Changed(isRemoval);
        Reconcile(BootClock.Now);
        if (isRemoval)
            _saver.Save(_map, _peers.Admitted);
    }

    private void TakeIntroduction(PeerIntroduction introduction)
    {
        if (_peers.KeyOf(introduction.From) is { } key)
            _process.Introduce(key, introduction.Endpoints, introduction.Opened);
    }

    private void TryRenewFromMap(MapPeer self)
    {
        if (NodeCertificate.TryParse(self.Certificate.Span, out NodeCertificate? certificate, out _)
            && certificate.NotBefore >= Certificate.Node.NotBefore)
        {
            TryRenew(self.Certificate.Span, []);
        }
    }

    private void Changed(bool isRemoval)
    {
        _isDirty = true;
        _saver.Plan(isRemoval);
        _routeAt = default;
    }

    private void Reconcile(Instant now)
    {
        if (_process.TryGetStatus() is not { } status)
            return;
        using (status)
        {
            if (!_process.TryConfigure(status, _own.Keys, Membership.Settings.Mark))
                return;
            _process.UsePort(status, (ushort)Membership.Settings.ListenPort);
            _process.UseStunServers(status, _stunServers);
            _process.UseOverlay(status, ZonePrefixes(), Membership.Settings.InternalNetwork);
            Look(status);
            bool done = TryReconcilePeers(status);
            bool isReady = done;
            if (now >= _routeAt || _isDirty)
                done &= TryRoute(status, now);
            _isDirty &= !done;
            _isReady |= isReady && _routing.IsUp; // what the kernel refuses of the rest is a problem, told
            TakeForeign();
        }
    }

    // Without a map nothing is known, which is not the same as that there is nobody: the node process may have peers from its own state.
    private bool TryReconcilePeers(DeviceStatus status)
    {
        if (_map.IsEmpty)
            return true;
        using DeviceChange? change = _peers.Reconcile(status.Peers);
        // The map on disk may be a few seconds older than what the device was told; removals, though, were written at once.
        if (!_hasCommitted && change is not null)
            foreach (PeerChange removal in change.Peers.Where(peer => peer.Remove).ToArray())
                change.Peers.Remove(removal);
        if (change is null || change.Peers.Count == 0)
            return true;
        if (!_process.TryApply(change, "peers"))
            return false;
        _peers.Endpoints.Applied(change);
        return true;
    }

    /// <summary>Finds out where this node can be reached, which it tells the others.</summary>
    private void Look(DeviceStatus status)
    {
        if (status.ListenPort == 0 && status.PortProblem is null)
            return; // it has just started
        NodeSettings settings = Membership.Settings;
        _portMapper.Port = settings.MapsPort ? status.ListenPort : (ushort)0;
        IReadOnlyList<PeerEndpoint> own = OwnEndpoints.Find(status, settings, _portMapper.State.External, LocalAddresses.Find());
        _natMapping = status.NatMapping;
        if (own.SequenceEqual(_peers.Endpoints.Own))
            return;
        _peers.Endpoints.Own = own;
        Log.Reachable(_log, own.Count == 0 ? "no known address" : string.Join(", ", own.Select(OwnEndpoints.Describe)));
    }

    private bool TryRoute(DeviceStatus status, Instant now)
    {
        _below = (status.ListenPort, [.. status.Peers.Select(peer => peer.Endpoint).Concat(_peers.Endpoints.Candidates)]);
        _routeAt = now + RoutingInterval;
        IReadOnlyList<IpPrefix> zone = ZonePrefixes();
        return _routing.TryApply(
            Membership,
            new InterfaceRouting
            {
                Interface = _folder.InterfaceName,
                Mtu = Membership.Settings.Mtu,
                Mark = Membership.Settings.Mark,
                Addresses = Certificate.Node.Addresses,
                ZonePrefixes = zone,
                ChildPrefixes = _peers.ChildPrefixes(zone),
                ListenPort = _below.Port,
                Endpoints = _below.Endpoints,
            },
            now);
    }

    // A peer with a prefix of another overlay on this machine is none here, from whichever of the two was told first.
    private void TakeForeign()
    {
        if (_foreign.ToHashSet().SetEquals(_routing.Foreign))
            return;
        _foreign = _routing.Foreign;
        ContextChanged();
        LogRefusals();
    }

    private IReadOnlyList<IpPrefix> ZonePrefixes() =>
        ZoneRoutes.Usable(_map.Zone?.Prefixes ?? Membership.ZonePrefixes, Certificate.Node.Addresses, _underlay);

    private void LogRefusals()
    {
        Dictionary<string, string> refusals = ZoneReport.Refusals(_map, _peers).Take(MaximumRefusals).DistinctBy(refusal => refusal.Resource)
            .ToDictionary(refusal => refusal.Resource, refusal => refusal.Reason);
        foreach ((string resource, string reason) in refusals)
            if (_loggedRefusals.GetValueOrDefault(resource) != reason)
                Log.PeerRefused(_log, resource, reason);
        _loggedRefusals = refusals;
    }
}
