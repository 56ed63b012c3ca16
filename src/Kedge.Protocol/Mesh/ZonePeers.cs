using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Protocol.Mesh;

/// <summary>
/// From what a map says and what a device shows to what the device should have: who is admitted, where each is tried, and what must be
/// changed. One thread at a time.
/// </summary>
/// <param name="admission">Who may be a peer.</param>
/// <param name="sessionLifetime">REJECT_AFTER_TIME of the device.</param>
public sealed class ZonePeers(Admission admission, TimeSpan sessionLifetime)
{
    /// <summary>Seconds between keepalives behind a NAT: shorter than any NAT forgets (RFC 4787 section 4.3 allows two minutes, many take
    /// 30 s).</summary>
    public const ushort KeepaliveBehindNat = 25;

    private readonly Dictionary<Guid, PeerEndpoints> _endpoints = [];
    private Vantage _vantage = new();

    /// <summary>Who may be a peer.</summary>
    public Admission Admission => admission;

    /// <summary>Where this node stands.</summary>
    public Vantage Vantage => _vantage;

    /// <summary>Believes the authorities of another map, or of the same one after they changed.</summary>
    public void Believe(NetworkTrust trust, NetworkMap map, DateTimeOffset now)
    {
        admission.Believe(trust, now);
        Offer(map, admission.TakeChanges());
    }

    /// <summary>Takes what a map's last commit changed; of a map that was never taken, everything.</summary>
    public void Take(NetworkMap map, DateTimeOffset now)
    {
        admission.Update(map.Peers, map.Difference.Peers, now);
        Offer(map, admission.TakeChanges().Union(map.Difference.Endpoints));
    }

    /// <summary>Takes all of a map, as after a start.</summary>
    public void TakeAll(NetworkMap map, DateTimeOffset now)
    {
        admission.Update(map.Peers, map.Peers.Keys.Union(admission.Admitted.Keys).ToArray(), now);
        admission.TakeChanges();
        Offer(map, [.. admission.Admitted.Keys]);
    }

    /// <summary>Stands somewhere else than before: other endpoints of the peers may be better now.</summary>
    public void MoveTo(Vantage vantage, NetworkMap map)
    {
        _vantage = vantage;
        Offer(map, [.. admission.Admitted.Keys]);
    }

    /// <summary>Compares with what the device shows.</summary>
    /// <param name="present">The device's peers.</param>
    /// <param name="now">The present.</param>
    /// <param name="wallClock">The present by the clock of the device's handshakes.</param>
    /// <returns>What to change; null for nothing.</returns>
    public DeviceChange? Reconcile(IEnumerable<PeerStatus> present, Instant now, DateTimeOffset wallClock)
    {
        PeerStatus[] peers = [.. present];
        Dictionary<PublicKey, PeerStatus> byKey = peers.ToDictionary(peer => peer.PublicKey);
        ushort keepalive = _vantage.IsBehindNat ? KeepaliveBehindNat : (ushort)0;
        return DesiredPeers.Difference(peers, admission.Admitted.Values.Select(peer => new DesiredPeer(
            peer.Certificate.WireGuardKey,
            peer.Certificate.Prefixes,
            keepalive,
            Choose(peer.Id, byKey.GetValueOrDefault(peer.Certificate.WireGuardKey), now, wallClock))));
    }

    /// <summary>Where a peer may be reached, best first.</summary>
    public IReadOnlyList<Endpoint> CandidatesOf(Guid id) => _endpoints.TryGetValue(id, out PeerEndpoints? endpoints) ? endpoints.Candidates : [];

    /// <summary>Where any peer may be reached.</summary>
    public IEnumerable<Endpoint> Candidates => _endpoints.Values.SelectMany(endpoints => endpoints.Candidates);

    /// <summary>What an interface leads to besides the zone's own prefixes: the networks behind the peers.</summary>
    /// <param name="zone">The zone's prefixes.</param>
    public IReadOnlyList<IpPrefix> ChildPrefixes(IReadOnlyCollection<IpPrefix> zone) =>
    [
        .. from peer in admission.Admitted.Values
           from prefix in peer.Certificate.Prefixes
           where !zone.Any(outer => outer.Length <= prefix.Length && outer.Contains(prefix.Address))
           select prefix,
    ];

    private Endpoint? Choose(Guid id, PeerStatus? seen, Instant now, DateTimeOffset wallClock) =>
        EndpointsOf(id).Choose(
            seen is null
                ? default
                : new PeerObservation(seen.Endpoint, seen.LastHandshake is { } last ? wallClock - last : null, seen.SentBytes, seen.ReceivedBytes),
            now,
            sessionLifetime);

    private void Offer(NetworkMap map, IEnumerable<Guid> ids)
    {
        foreach (Guid id in ids)
        {
            if (!admission.Admitted.ContainsKey(id) || !map.Peers.TryGetValue(id, out MapPeer? peer))
            {
                _endpoints.Remove(id);
                continue;
            }
            IEnumerable<PeerEndpoint> told = map.EndpointsOf(id);
            if (!peer.FixedEndpoint.IsNone)
                told = told.Prepend(new PeerEndpoint(peer.FixedEndpoint, PeerEndpointKind.Fixed));
            EndpointsOf(id).Offer(_vantage.Order(told));
        }
    }

    private PeerEndpoints EndpointsOf(Guid id)
    {
        if (!_endpoints.TryGetValue(id, out PeerEndpoints? endpoints))
            _endpoints[id] = endpoints = new PeerEndpoints();
        return endpoints;
    }
}
