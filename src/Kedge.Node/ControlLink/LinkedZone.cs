using Kedge.Linux;
using Kedge.Node.Keys;
using Kedge.Node.PortMapping;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using Kedge.Protocol.WireGuard.Uapi;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// A zone that this node is in. It joins, under one lock, what a zone consists of: its files and the map in them
/// (<see cref="ZoneFiles"/>), the trust anchors (<see cref="ZoneTrust"/>), the admitted peers (<see cref="ZonePeers"/>), and what the node
/// process and the kernel are given (<see cref="ZoneSync"/>). Nothing here needs the controller, and nothing here ends for good: a failure
/// is reported as a problem and tried again. Any thread; one at a time is inside.
/// </summary>
public sealed class LinkedZone : IDisposable
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(60);

    private readonly Lock _lock = new();
    private readonly NodeFolder _folder;
    private readonly ILogger _log;
    private readonly NodeProcess _process;
    private readonly OwnNode _own;
    private readonly ZoneFiles _files;
    private readonly NetworkMap _map;
    private readonly ZoneTrust _trust;
    private readonly ZonePeers _peers;
    private readonly OwnReachability _reachability;
    private readonly ZoneSync _sync;
    private readonly RefusedRecords _refused;

    private IReadOnlyCollection<ForeignPrefix> _foreign = [];
    private readonly ZoneDiscovery? _discovery;
    private readonly SemaphoreSlim _discoveryWanted = new(0);
    private Instant _retryAt;

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
        (_folder, _process, _log, Problems) = (folder, process, log, problems);
        _own = new OwnNode(folder, membership, certificate, keys, problems);
        _files = new ZoneFiles(folder, membership, certificates, problems, log);
        (_map, _trust) = (_files.Map, _files.Trust);
        _trust.Merge(new TrustResource(certificate.Authorities, []));
        _trust.Merge(_map.Trust ?? new TrustResource([], []));
        if (!_trust.IsSaved)
            _files.Plan(isRemoval: true);
        var endpoints = new ZoneEndpoints();
        _peers = new ZonePeers(new Admission(_own.ToContext([], []), certificates), endpoints, _files.Admitted);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        _peers.SetTrust(_trust.Current, _map, now);
        _peers.ApplySnapshot(_map, now);
        _reachability = new OwnReachability(endpoints, portMapper, log);
        _sync = new ZoneSync(_own, _map, _peers, _reachability, process, new ZoneRouting(problems, log), folder.InterfaceName, problems);
        _refused = new RefusedRecords(_map, _peers, log);
        if (_map.IsEmpty && !membership.HasController)
            foreach (byte[] frame in OwnMap.Begin(new ZoneResource(membership.ZoneId, membership.ZoneName, membership.ZonePrefixes), now))
                _map.Apply(frame);
        if (!membership.HasController)
        {
            var members = new MembersFile(folder.Members, log);
            _discovery = new ZoneDiscovery(_own, _trust.Current, _peers, _reachability, process, Put, UseTrust, members, problems, log);
            _sync.Discovery = _discovery;
        }
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
    public MapPosition Position => Locked(() => _map.Position);

    /// <summary>The STUN servers that the map names, as <c>HOST:PORT</c>.</summary>
    public IReadOnlyList<string> StunServerNames =>
        Locked(() => Membership.Settings.InternalNetwork ? [] : _map.Settings?.StunServers ?? []);

    /// <summary>The time within which the controller wants nodes back, after <see cref="MapOutcome.Ending"/>.</summary>
    public TimeSpan ReconnectWithin => Locked(() => _map.ReconnectWithin);

    /// <summary>Why the controller ended the stream, after <see cref="MapOutcome.Ending"/>; none where it ends itself.</summary>
    public RefusalReason EndReason => Locked(() => _map.EndReason);

    /// <summary>The last question of the controller; empty for none.</summary>
    public Guid Question => Locked(() => _map.Question);

    /// <summary>Whether the node process and the kernel have had everything at least once.</summary>
    public bool IsReady => _sync.IsReady;

    /// <summary>Takes a line of the map stream.</summary>
    public MapOutcome Apply(ReadOnlySpan<byte> line)
    {
        lock (_lock)
        {
            MapOutcome outcome = _map.Apply(line);
            if (outcome == MapOutcome.Committed)
                TakeCommit();
            if (outcome == MapOutcome.Introduced && _map.Introduction is { } introduction && _peers.KeyOf(introduction.From) is { } peer)
                _process.Introduce(peer, introduction.Endpoints, introduction.Opened);
            Problems.Set("duplicates", ZoneReport.DuplicatesOf(_map, _folder));
            return outcome;
        }
    }

    /// <summary>Takes what has happened in the device.</summary>
    public void Take(DeviceEvent happened)
    {
        lock (_lock)
        {
            if (happened is KnockEnd end)
                TakeKnock(end);
            if (_discovery is null)
                return;
            _discovery.Take(BootClock.Now, happened);
            if (happened is LookupWanted)
                Reconcile(BootClock.Now); // it may be for a peer that was idle
        }
        if (_discoveryWanted.CurrentCount == 0)
            _discoveryWanted.Release();
    }

    /// <summary>Finds others and is found, in a network without a controller.</summary>
    public async Task DiscoverAsync(CancellationToken ending)
    {
        while (true)
        {
            Instant now = BootClock.Now, next = Locked(() => _discovery?.Poll(BootClock.Now) ?? Instant.Never);
            TimeSpan wait = next <= now ? TimeSpan.Zero : next == Instant.Never ? Timeout.InfiniteTimeSpan : next - now;
            await _discoveryWanted.WaitAsync(wait, ending);
        }
    }

    // A node that is admitted is put into the map.
    private void TakeKnock(KnockEnd end)
    {
        if (end.Refusal is { } refusal)
        {
            Log.NotAcquainted(_log, end.Asked.IsNone ? end.Remote : end.Asked, refusal);
            return;
        }
        if (!NodeCertificate.TryParse(end.Certificate.Span, out NodeCertificate? certificate, out _))
            return;
        PeerEndpoint[] told = [.. _map.EndpointsOf(OwnMap.IdOf(certificate)).Where(at => at.Address != end.Remote)];
        Put(certificate, [new PeerEndpoint(end.Remote, PeerEndpointKind.Reflexive), .. told]);
        _discovery?.Use(certificate.WireGuardKey);
        Log.Acquainted(_log, certificate.Name, end.Remote);
    }

    private void Put(NodeCertificate certificate, IReadOnlyList<PeerEndpoint> endpoints)
    {
        bool isKnown = _map.Peers.TryGetValue(OwnMap.IdOf(certificate), out MapPeer? known) && known.Certificate.Span.SequenceEqual(certificate.Der.Span);
        if (isKnown && _map.EndpointsOf(OwnMap.IdOf(certificate)).SequenceEqual(endpoints))
        {
            Reconcile(BootClock.Now); // it may have left the device
            return;
        }
        foreach (byte[] frame in OwnMap.Put(_map, certificate, endpoints))
            Apply(frame);
    }

    // A list has come that refuses some who were believed.
    private void UseTrust(NetworkTrust trust)
    {
        var told = new TrustResource(
            [.. trust.KnownAuthorities.Select(authority => authority.Der.ToArray())], [.. trust.RevocationLists.Select(list => list.Der.ToArray())]);
        if (!_trust.Merge(told))
            return;
        _peers.SetTrust(_trust.Current, _map, DateTimeOffset.UtcNow);
        Changed(isRemoval: true);
        Reconcile(BootClock.Now);
        _files.Save(_peers.Admitted);
        _sync.TrustChanged();
    }

    /// <summary>Addresses by which the network below the overlay is reached: no peer may have them. And STUN servers, resolved.</summary>
    public void UseUnderlay(IReadOnlyCollection<IpAddress> controller, IReadOnlyCollection<Endpoint> stunServers)
    {
        lock (_lock)
        {
            _sync.StunServers = stunServers;
            if (_sync.Underlay.ToHashSet().SetEquals(controller))
                return;
            _sync.Underlay = controller;
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
            if (_files.IsDue(now))
                _files.Save(_peers.Admitted);
        }
    }

    /// <summary>The UDP port of this node's datagrams, and where peers are reached, as of the last look.</summary>
    public (ushort Port, IReadOnlyList<Endpoint> Endpoints) Below => Locked(() => _sync.Below);

    /// <summary>
    /// Puts back addresses, routes and rules that another program has taken away. To be called when the kernel tells of it.
    /// </summary>
    public void PutBackRoutes()
    {
        lock (_lock)
            _sync.PutBackRoutes(BootClock.Now);
    }

    /// <summary>The acknowledgement of what is applied and on the disk; null where that is not more than was acknowledged before.</summary>
    /// <param name="acknowledged">What was acknowledged last.</param>
    public MapAcknowledgement? AcknowledgementAfter(MapAcknowledgement? acknowledged) =>
        Locked(() => _refused.AcknowledgementAfter(_files.Saved, acknowledged));

    /// <summary>Where the others are told to reach this node.</summary>
    public EndpointReport Report() => Locked(() => _reachability.Report);

    /// <summary>This machine's addresses, as of the last look.</summary>
    public IReadOnlyCollection<IpAddress> MachineAddresses => Locked(() => _reachability.MachineAddresses);

    /// <summary>Where STUN servers see this node, as of the last look.</summary>
    public IReadOnlyCollection<Endpoint> Reflexive => Locked(() => _reachability.Reflexive);

    /// <summary>The introduction that the node process wishes for; null if the peer is none any more.</summary>
    public Introduction? IntroductionFor(IntroductionWanted wish) => Locked(() =>
        _peers.IdOf(wish.Peer) is var id && id != Guid.Empty
            ? new Introduction(id, _reachability.Report.Endpoints, wish.IsAnswer)
            : null);

    /// <summary>Has peers in common introduce this node to another one, because the controller cannot.</summary>
    public void IntroduceByPeers(IntroductionWanted wish)
    {
        lock (_lock)
            _process.IntroduceByPeers(wish.Peer, _reachability.Endpoints, wish.IsAnswer);
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

    /// <summary>Uses a renewed certificate, if it is this node's and good: its prefixes are the node's then.</summary>
    /// <returns>Whether it is used.</returns>
    public bool TryRenew(ReadOnlySpan<byte> der, IReadOnlyList<byte[]> authorities)
    {
        lock (_lock)
        {
            var told = new TrustResource(authorities, []);
            if (_own.Check(der, _trust.With(told), out NodeCertificate? certificate) is { } refusal)
            {
                Log.CertificateNotUsed(_log, refusal.Sentence());
                return false;
            }
            if (certificate!.Fingerprint == Certificate.Node.Fingerprint)
                return true;
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
    }

    /// <summary>All that there is to tell about the zone.</summary>
    public LinkStatus Status(ControllerConnection controller, DateTimeOffset? renewsAt) => Locked(() =>
        ZoneReport.Status(_folder.InterfaceName, Membership, Certificate, _map, _peers) with
        {
            Controller = controller,
            CertificateRenewsAt = renewsAt,
            NatMapping = _reachability.NatMapping.ToString(),
            PortMapping = Membership.Settings.MapsPort ? _reachability.PortMapping : null,
            Problems = Problems.Current,
            Limits = Problems.Limits,
        });

    /// <summary>Writes what is not written yet.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_files.HasMore)
                _files.Save(_peers.Admitted);
            _discovery?.Save(BootClock.Now);
        }
        _discoveryWanted.Dispose();
    }

    private T Locked<T>(Func<T> read)
    {
        lock (_lock)
            return read();
    }

    // What the node itself is has changed, so all records are evaluated again.
    private void ContextChanged()
    {
        _peers.SetContext(_own.ToContext(_sync.Underlay, _foreign), _map, DateTimeOffset.UtcNow);
        Changed(isRemoval: true);
    }

    private void TakeCommit()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        MapDifference difference = _map.Difference;
        int before = _peers.AdmittedCount;
        bool hasNewTrust = difference.Network && _map.Trust is { } trust && _trust.Merge(trust);
        // Records before trust: a node whose former certificate is revoked now is never out, so no other can take its place.
        _peers.ApplyDelta(_map, now);
        if (hasNewTrust)
            _peers.SetTrust(_trust.Current, _map, now);
        if (difference.Self && _map.Self is { } self && _own.IsNewer(self.Certificate.Span))
            TryRenew(self.Certificate.Span, []);
        if (difference.Network && _map.Settings?.ServerPins is { } pins)
            _own.UsePins(pins);
        if (difference.Network && _map.Settings?.ControllerUrls is { } urls)
            _own.UseControllers(urls);
        _sync.Committed(BootClock.Now);
        bool isRemoval = hasNewTrust || difference.Peers.Any(id => !_map.Peers.ContainsKey(id)) || _peers.AdmittedCount < before;
        _refused.LogNew();
        if (difference.Peers.Count > 0 || difference.Network)
            Log.MapApplied(_log, _map.Position.Revision, _peers.AdmittedCount, _peers.RefusedCount);
        Changed(isRemoval);
        Reconcile(BootClock.Now);
        if (isRemoval)
            _files.Save(_peers.Admitted);
    }

    private void Changed(bool isRemoval)
    {
        _files.Plan(isRemoval);
        _sync.Invalidate();
    }

    // A peer with a prefix of another overlay on this machine is not admitted, whichever of the two came first.
    private void Reconcile(Instant now)
    {
        _sync.Reconcile(now);
        if (_foreign.ToHashSet().SetEquals(_sync.Foreign))
            return;
        _foreign = _sync.Foreign;
        ContextChanged();
        _refused.LogNew();
    }
}
