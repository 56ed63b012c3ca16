using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Protocol.Mesh;

/// <summary>
/// Where the nodes of a zone tell that they can be reached, this one among them, and what of it the device has been told. Which endpoint of
/// a peer is used, the device finds out. One thread at a time.
/// </summary>
public sealed class ZoneEndpoints
{
    /// <summary>
    /// Seconds between keepalives to stock peers from behind a NAT: shorter than any NAT forgets (RFC 4787 section 4.3 allows two minutes, many
    /// take 30 s).
    /// </summary>
    public const ushort KeepaliveBehindNat = 25;

    /// <summary>How many endpoints of a peer are handed on at most.</summary>
    public const int MaximumCandidates = 32;

    private readonly Dictionary<PublicKey, IReadOnlyList<PeerEndpoint>> _told = [];
    private readonly Dictionary<PublicKey, IReadOnlyList<PeerEndpoint>> _applied = [];

    /// <summary>Where this node itself can be reached, as it tells the others.</summary>
    public IReadOnlyList<PeerEndpoint> Own { get; set; } = [];

    /// <summary>
    /// Whether this node is behind a NAT: it is seen from outside under an address that its machine does not have. A NAT forgets, so what goes
    /// through it is to be kept alive.
    /// </summary>
    public bool IsBehindNat => Own.Any(seen =>
        seen.Kind == PeerEndpointKind.Reflexive
        && !Own.Any(other => other.Kind == PeerEndpointKind.Local && other.Address.Address == seen.Address.Address));

    /// <summary>Where any peer may be reached.</summary>
    public IEnumerable<Endpoint> Candidates =>
        from told in _told.Values
        from candidate in told
        where candidate.Kind.IsDirect()
        select candidate.Address;

    /// <summary>Where a peer tells that it can be reached.</summary>
    public IReadOnlyList<PeerEndpoint> CandidatesOf(PublicKey peer) => _told.GetValueOrDefault(peer, []);

    /// <summary>Takes what a peer tells.</summary>
    public void Offer(PublicKey peer, IEnumerable<PeerEndpoint> told) => _told[peer] = [.. told.Take(MaximumCandidates)];

    /// <summary>Forgets a peer.</summary>
    public void Remove(PublicKey peer)
    {
        _told.Remove(peer);
        _applied.Remove(peer);
    }

    /// <summary>Takes note that the device has made a change.</summary>
    public void Applied(DeviceChange change)
    {
        foreach (PeerChange peer in change.Peers)
        {
            if (peer.Candidates is { } candidates)
                _applied[peer.PublicKey] = candidates;
        }
    }

    /// <summary>
    /// A peer as the device should have it. The path to a node of Kedge is found by probes. A stock peer is where an administrator says, until it
    /// is heard from.
    /// </summary>
    /// <param name="certificate">The peer's certificate.</param>
    /// <param name="seen">What the device has; null if it does not have the peer.</param>
    public DesiredPeer Desired(NodeCertificate certificate, PeerStatus? seen)
    {
        PublicKey key = certificate.WireGuardKey;
        IReadOnlyList<PeerEndpoint> told = CandidatesOf(key);
        if (certificate.IdentityKey is null)
        {
            Endpoint? endpoint = seen?.Endpoint.IsNone != false && told is [var first, ..] ? first.Address : null;
            return new DesiredPeer(key, certificate.Prefixes, IsBehindNat ? KeepaliveBehindNat : (ushort)0, endpoint);
        }
        bool isKnown = seen?.PathState is not null && _applied.TryGetValue(key, out IReadOnlyList<PeerEndpoint>? applied) && applied.SequenceEqual(told);
        return new DesiredPeer(key, certificate.Prefixes, PersistentKeepalive: 0)
        {
            Candidates = isKnown ? null : told,
            MayRelay = certificate.MayRelay,
        };
    }
}
