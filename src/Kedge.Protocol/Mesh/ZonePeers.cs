using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Protocol.Mesh;

/// <summary>
/// From what a map says and what a device shows to what the device should have: who is admitted, where each tells that it can be reached, and
/// what must be changed. One thread at a time.
/// </summary>
/// <param name="admission">Who may be a peer.</param>
public sealed class ZonePeers(Admission admission)
{
    /// <summary>Seconds between keepalives to stock peers from behind a NAT: shorter than any NAT forgets (RFC 4787 section 4.3 allows two minutes, many take
    /// 30 s).</summary>
    public const ushort KeepaliveBehindNat = 25;

    /// <summary>How many endpoints of a peer are handed on at most.</summary>
    public const int MaximumCandidates = 32;

    private readonly Dictionary<Guid, IReadOnlyList<PeerEndpoint>> _told = [];
    private readonly Dictionary<PublicKey, IReadOnlyList<PeerEndpoint>> _applied = [];

    /// <summary>Who may be a peer.</summary>
    public Admission Admission => admission;

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

    /// <summary>Compares with what the device shows.</summary>
    /// <param name="present">The device's peers.</param>
    /// <param name="isBehindNat">Whether this node is behind a NAT, which forgets stock peers that are not kept alive.</param>
    /// <returns>What to change; null for nothing. <see cref="Applied"/> is to be called with it.</returns>
    public DeviceChange? Reconcile(IEnumerable<PeerStatus> present, bool isBehindNat)
    {
        PeerStatus[] peers = [.. present];
        Dictionary<PublicKey, PeerStatus> byKey = peers.ToDictionary(peer => peer.PublicKey);
        return DesiredPeers.Difference(peers, admission.Admitted.Values.Select(peer =>
            Desired(peer, byKey.GetValueOrDefault(peer.Certificate.WireGuardKey), isBehindNat)));
    }

    /// <summary>Takes note that the device has made a change.</summary>
    public void Applied(DeviceChange change)
    {
        foreach (PeerChange peer in change.Peers)
        {
            if (peer.Remove)
                _applied.Remove(peer.PublicKey);
            else if (peer.Candidates is { } candidates)
                _applied[peer.PublicKey] = candidates;
        }
    }

    /// <summary>Where a peer tells that it can be reached.</summary>
    public IReadOnlyList<PeerEndpoint> CandidatesOf(Guid id) => _told.GetValueOrDefault(id, []);

    /// <summary>The identifier of an admitted peer; empty if the key is nobody's.</summary>
    public Guid IdOf(PublicKey key) => admission.Admitted.Values.FirstOrDefault(peer => peer.Certificate.WireGuardKey == key)?.Id ?? Guid.Empty;

    /// <summary>Where any peer may be reached.</summary>
    public IEnumerable<Endpoint> Candidates => _told.Values.SelectMany(told => told).Select(candidate => candidate.Address);

    /// <summary>What an interface leads to besides the zone's own prefixes: the networks behind the peers.</summary>
    /// <param name="zone">The zone's prefixes.</param>
    public IReadOnlyList<IpPrefix> ChildPrefixes(IReadOnlyCollection<IpPrefix> zone) =>
    [
        .. from peer in admission.Admitted.Values
           from prefix in peer.Certificate.Prefixes
           where !zone.Any(outer => outer.Length <= prefix.Length && outer.Contains(prefix.Address))
           select prefix,
    ];

    // A node of Kedge has a path found by probes. A stock peer is where an administrator says, until it is heard from.
    private DesiredPeer Desired(AdmittedPeer peer, PeerStatus? seen, bool isBehindNat)
    {
        IReadOnlyList<PeerEndpoint> told = CandidatesOf(peer.Id);
        PublicKey key = peer.Certificate.WireGuardKey;
        if (peer.Certificate.IdentityKey is null)
        {
            Endpoint? first = seen?.Endpoint.IsNone != false && told is [var fixedEndpoint, ..] ? fixedEndpoint.Address : null;
            return new DesiredPeer(key, peer.Certificate.Prefixes, isBehindNat ? KeepaliveBehindNat : (ushort)0, first);
        }
        bool isKnown = seen?.PathState is not null && _applied.TryGetValue(key, out IReadOnlyList<PeerEndpoint>? applied) && applied.SequenceEqual(told);
        return new DesiredPeer(key, peer.Certificate.Prefixes, PersistentKeepalive: 0) { Candidates = isKnown ? null : told };
    }

    private void Offer(NetworkMap map, IEnumerable<Guid> ids)
    {
        foreach (Guid id in ids)
        {
            if (!admission.Admitted.ContainsKey(id) || !map.Peers.TryGetValue(id, out MapPeer? peer))
            {
                _told.Remove(id);
                continue;
            }
            IEnumerable<PeerEndpoint> told = map.EndpointsOf(id);
            if (!peer.FixedEndpoint.IsNone)
                told = told.Prepend(new PeerEndpoint(peer.FixedEndpoint, PeerEndpointKind.Fixed));
            _told[id] = [.. told.Take(MaximumCandidates)];
        }
    }
}
