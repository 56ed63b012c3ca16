using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Mesh;

/// <summary>Where this node itself stands: what of a peer's endpoints is worth trying, and in which order, depends on it.</summary>
public sealed record Vantage
{
    /// <summary>How many endpoints of one peer are ever tried: a hostile one may name thousands.</summary>
    public const int MaximumCandidates = 12;

    /// <summary>Where this node itself can be reached, as it tells the others.</summary>
    public IReadOnlyList<PeerEndpoint> Own { get; init; } = [];

    /// <summary>Whether all nodes are in one internal network (<c>--internal-network</c>): their local addresses come first.</summary>
    public bool InternalNetwork { get; init; }

    /// <summary>
    /// The prefixes that the zone has its addresses from: an endpoint in them would be reached through itself. One in a network behind a node
    /// is possible: the device's own datagrams go past the routes of the overlay, and a machine inside such a network is reached in it.
    /// </summary>
    public IReadOnlyCollection<IpPrefix> Overlay { get; init; } = [];

    /// <summary>
    /// Whether this node is behind a NAT: it is seen from outside under an address that its machine does not have. A NAT forgets, so its
    /// tunnels are to be kept alive.
    /// </summary>
    public bool IsBehindNat =>
        Own.Any(own => own.Kind == PeerEndpointKind.Reflexive && !Own.Any(other => other.Kind == PeerEndpointKind.Local && Same(own, other)));

    /// <summary>
    /// The endpoints of a peer that are worth trying, best first: fixed ones; then local ones before reflexive ones where both nodes are
    /// seen under the same address (they are behind the same NAT, which may not lead back inside) or all are in one network, else after
    /// them. Within one kind the peer's order stays. Left out is what no peer can be behind: the overlay itself, loopback, multicast,
    /// link-local and this node's own endpoints; last is what is of a family that this node has no address of.
    /// </summary>
    public IReadOnlyList<Endpoint> Order(IEnumerable<PeerEndpoint> peer)
    {
        PeerEndpoint[] told = [.. peer.Take(4 * MaximumCandidates)];
        bool localFirst = InternalNetwork || IsSeenAs(told);
        return
        [
            .. told
                .Where(at => IsPossible(at.Address))
                .OrderBy(at => HasFamily(at.Address) ? 0 : 1)
                .ThenBy(at => at.Kind switch
                {
                    PeerEndpointKind.Fixed => 0,
                    PeerEndpointKind.Local => localFirst ? 1 : 3,
                    _ => 2,
                })
                .Select(at => at.Address)
                .Distinct()
                .Take(MaximumCandidates),
        ];
    }

    private static bool Same(PeerEndpoint a, PeerEndpoint b) => a.Address.Address == b.Address.Address;

    private bool IsSeenAs(PeerEndpoint[] peer) => Own.Any(own =>
        own.Kind == PeerEndpointKind.Reflexive && peer.Any(at => at.Kind == PeerEndpointKind.Reflexive && Same(own, at)));

    // A node that knows nothing of itself yet tries whatever there is.
    private bool HasFamily(Endpoint endpoint) => Own.Count == 0 || Own.Any(own => own.Address.Address.Size == endpoint.Address.Size);

    private bool IsPossible(Endpoint endpoint) =>
        endpoint.Port != 0
        && ReservedPrefixes.IsUsableUnderlay(endpoint.Address)
        && !Own.Any(own => own.Address == endpoint)
        && !Overlay.Any(prefix => prefix.Contains(endpoint.Address));
}
