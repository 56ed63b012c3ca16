using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Protocol.Mesh;

/// <summary>A node of the zone that is admitted as a peer.</summary>
/// <param name="Id">The node's identifier in the map.</param>
/// <param name="Certificate">Its certificate, verified: the key and exactly the prefixes to install.</param>
public sealed record ZonePeer(Guid Id, NodeCertificate Certificate);

/// <summary>
/// From what a map says to what a device should have: which nodes are admitted, where each tells that it can be reached, and what must be changed. The map
/// knows nodes by their identifiers, devices and <see cref="Admission"/> know peers by their keys: here one is translated into the other.
/// One thread at a time.
/// </summary>
/// <param name="admission">Decides which nodes may be peers; nobody else gives it claims.</param>
/// <param name="endpoints">Where nodes can be reached.</param>
/// <param name="restored">
/// What was admitted before this program started, by node, see <see cref="PeerClaim"/>. It counts for the nodes of the first map that is
/// applied.
/// </param>
public sealed class ZonePeers(Admission admission, ZoneEndpoints endpoints, IReadOnlyDictionary<Guid, NodeCertificate> restored)
{
    private readonly Dictionary<Guid, PeerClaim> _claims = [];
    private readonly Dictionary<PublicKey, Guid> _nodes = []; // of those that are admitted
    private IReadOnlyDictionary<Guid, NodeCertificate> _restored = restored;

    /// <summary>The nodes that are admitted.</summary>
    public IEnumerable<ZonePeer> Admitted => _nodes.Select(node => new ZonePeer(node.Value, admission.Admitted[node.Key]));

    /// <summary>How many nodes are admitted.</summary>
    public int AdmittedCount => admission.Admitted.Count;

    /// <summary>
    /// Records that are refused, and why, as a sentence. If an older certificate of the same node is admitted, the node is in
    /// <see cref="Admitted"/> as well.
    /// </summary>
    public IEnumerable<KeyValuePair<Guid, string>> Refused =>
        from claim in _claims where claim.Value.Refusal is not null select KeyValuePair.Create(claim.Key, claim.Value.Refusal!);

    /// <summary>How many records are refused.</summary>
    public int RefusedCount => admission.RefusedCount;

    /// <summary>Where nodes can be reached.</summary>
    public ZoneEndpoints Endpoints => endpoints;

    /// <summary>Admitted peers that the device need not have just now.</summary>
    public IReadOnlySet<PublicKey> Idle { get; set; } = new HashSet<PublicKey>();

    /// <summary>The certificate of an admitted peer; null if the key is nobody's.</summary>
    public NodeCertificate? CertificateOf(PublicKey key) => admission.Admitted.GetValueOrDefault(key);

    /// <summary>The certificate of the admitted peer that has an address, itself or in a network behind it; null if it is nobody's.</summary>
    public NodeCertificate? Find(IpAddress address) =>
        admission.Admitted.Values.Where(peer => peer.Prefixes.Any(prefix => prefix.Contains(address)))
            .MaxBy(peer => peer.Prefixes.Where(prefix => prefix.Contains(address)).Max(prefix => prefix.Length));

    /// <summary>Replaces the trust anchors and revocation lists, see <see cref="Admission.SetTrust"/>.</summary>
    public void SetTrust(NetworkTrust trust, NetworkMap map, DateTimeOffset now)
    {
        admission.SetTrust(trust, now);
        ApplyChanges(map, []);
    }

    /// <summary>Replaces what this node itself is, see <see cref="Admission.SetContext"/>.</summary>
    public void SetContext(AdmissionContext context, NetworkMap map, DateTimeOffset now)
    {
        admission.SetContext(context, now);
        ApplyChanges(map, []);
    }

    /// <summary>Applies what a map's last commit changed.</summary>
    public void ApplyDelta(NetworkMap map, DateTimeOffset now)
    {
        Update(map, map.Difference.Peers, now);
        ApplyChanges(map, map.Difference.Peers.Union(map.Difference.Endpoints)); // a fixed endpoint is in the record
    }

    /// <summary>Applies all of a map, as after a start.</summary>
    public void ApplySnapshot(NetworkMap map, DateTimeOffset now)
    {
        Update(map, map.Peers.Keys.Union(_claims.Keys).ToArray(), now);
        ApplyChanges(map, map.Peers.Keys);
    }

    /// <summary>Evaluates refused records again.</summary>
    /// <returns>Whether anything has changed.</returns>
    public bool RetryRefused(NetworkMap map, DateTimeOffset now)
    {
        admission.RetryRefused(now);
        return ApplyChanges(map, []);
    }

    /// <summary>Compares with what the device shows.</summary>
    /// <param name="present">The device's peers.</param>
    /// <returns>What to change; null for nothing. Once the device has made it, <see cref="ZoneEndpoints.Applied"/> is to be called.</returns>
    public DeviceChange? Reconcile(IEnumerable<PeerStatus> present)
    {
        PeerStatus[] peers = [.. present];
        Dictionary<PublicKey, PeerStatus> byKey = peers.ToDictionary(peer => peer.PublicKey);
        return DesiredPeers.Difference(
            peers,
            admission.Admitted.Values.Where(certificate => !Idle.Contains(certificate.WireGuardKey)).Select(
                certificate => endpoints.Desired(certificate, byKey.GetValueOrDefault(certificate.WireGuardKey))));
    }

    /// <summary>The identifier of an admitted peer; empty if the key is nobody's.</summary>
    public Guid IdOf(PublicKey key) => _nodes.GetValueOrDefault(key);

    /// <summary>The key of an admitted peer; null if the node is not admitted.</summary>
    public PublicKey? KeyOf(Guid id) => _claims.GetValueOrDefault(id)?.Admitted?.WireGuardKey;

    /// <summary>What an interface leads to besides the zone's own prefixes: the networks behind the peers.</summary>
    /// <param name="zone">The zone's prefixes.</param>
    public IReadOnlyList<IpPrefix> ChildPrefixes(IReadOnlyCollection<IpPrefix> zone) =>
    [
        .. from certificate in admission.Admitted.Values
           from prefix in certificate.Prefixes
           where !zone.Any(outer => outer.Length <= prefix.Length && outer.Contains(prefix.Address))
           select prefix,
    ];

    private void Update(NetworkMap map, IEnumerable<Guid> nodes, DateTimeOffset now)
    {
        List<(PeerClaim, ReadOnlyMemory<byte>)> offered = [];
        List<PeerClaim> withdrawn = [];
        foreach (Guid id in nodes)
        {
            if (map.Peers.TryGetValue(id, out MapPeer? record))
            {
                if (!_claims.TryGetValue(id, out PeerClaim? claim))
                    _claims[id] = claim = new PeerClaim(_restored.GetValueOrDefault(id));
                offered.Add((claim, record.Certificate));
            }
            else if (_claims.Remove(id, out PeerClaim? gone))
            {
                withdrawn.Add(gone);
            }
        }
        if (!map.IsEmpty)
            _restored = new Dictionary<Guid, NodeCertificate>();
        admission.Update(offered, withdrawn, now);
    }

    /// <summary>Follows admission.</summary>
    /// <param name="map">The map.</param>
    /// <param name="moved">Nodes whose endpoints may have changed.</param>
    /// <returns>Whether any node was admitted, changed or removed.</returns>
    private bool ApplyChanges(NetworkMap map, IEnumerable<Guid> moved)
    {
        IReadOnlySet<PublicKey> changes = admission.TakeChanges();
        if (changes.Count > 0)
        {
            _nodes.Clear();
            foreach ((Guid id, PeerClaim claim) in _claims)
                if (claim.Admitted is { } certificate)
                    _nodes[certificate.WireGuardKey] = id;
        }
        foreach (PublicKey gone in changes.Where(key => !_nodes.ContainsKey(key)))
            endpoints.Remove(gone);
        IEnumerable<Guid> admitted = changes.Where(_nodes.ContainsKey).Select(key => _nodes[key]);
        foreach (Guid id in admitted.Union(moved))
            Offer(map, id);
        return changes.Count > 0;
    }

    private void Offer(NetworkMap map, Guid id)
    {
        if (_claims.GetValueOrDefault(id)?.Admitted is not { } certificate || !map.Peers.TryGetValue(id, out MapPeer? peer))
            return;
        IEnumerable<PeerEndpoint> told = map.EndpointsOf(id);
        if (!peer.FixedEndpoint.IsNone)
            told = told.Prepend(new PeerEndpoint(peer.FixedEndpoint, PeerEndpointKind.Fixed));
        endpoints.Offer(certificate.WireGuardKey, told);
    }
}
