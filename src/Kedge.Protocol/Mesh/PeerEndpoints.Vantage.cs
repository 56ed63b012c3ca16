using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Mesh;

/// <summary>How it is known where a node can be reached.</summary>
public enum EndpointKind
{
    /// <summary>Told by a person.</summary>
    Fixed,

    /// <summary>Seen from outside, by STUN.</summary>
    Reflexive,

    /// <summary>An address of the node's own machine.</summary>
    Local,
}

/// <summary>Where a node says that it can be reached.</summary>
/// <param name="Endpoint">Address and port.</param>
/// <param name="Kind">How it is known.</param>
public readonly record struct ReachableAt(Endpoint Endpoint, EndpointKind Kind)
{
    /// <summary>The word for a kind in <see cref="Api.NodeEndpoint"/>.</summary>
    public static string Word(EndpointKind kind) => kind switch
    {
        EndpointKind.Fixed => "fixed",
        EndpointKind.Reflexive => "reflexive",
        _ => "local",
    };

    /// <summary>Reads what a node has told; false for a kind that does not exist here, or what is no endpoint.</summary>
    public static bool TryParse(Api.NodeEndpoint told, out ReachableAt reachable)
    {
        reachable = default;
        EndpointKind? kind = told.Kind switch
        {
            "fixed" => EndpointKind.Fixed,
            "reflexive" => EndpointKind.Reflexive,
            "local" => EndpointKind.Local,
            _ => null,
        };
        if (kind is null || !Endpoint.TryParse(told.Address, out Endpoint endpoint))
            return false;
        reachable = new ReachableAt(endpoint, kind.Value);
        return true;
    }
}

/// <summary>Where this node itself stands: what of a peer's endpoints is worth trying, and in which order, depends on it.</summary>
public sealed record Vantage
{
    /// <summary>How many endpoints of one peer are ever tried: a hostile one may name thousands.</summary>
    public const int MaximumCandidates = 12;

    /// <summary>Where this node itself can be reached, as it tells the others.</summary>
    public IReadOnlyList<ReachableAt> Own { get; init; } = [];

    /// <summary>Whether all nodes are in one internal network (<c>--internal-network</c>): their local addresses come first.</summary>
    public bool InternalNetwork { get; init; }

    /// <summary>The prefixes of the overlay. An endpoint in them would be reached through itself.</summary>
    public IReadOnlyCollection<IpPrefix> Overlay { get; init; } = [];

    /// <summary>
    /// Whether this node is behind a NAT: it is seen from outside under an address that its machine does not have. A NAT forgets, so its
    /// tunnels are to be kept alive.
    /// </summary>
    public bool IsBehindNat =>
        Own.Any(own => own.Kind == EndpointKind.Reflexive && !Own.Any(other => other.Kind == EndpointKind.Local && Same(own, other)));

    /// <summary>
    /// The endpoints of a peer that are worth trying, best first: fixed ones; then local ones before reflexive ones where both nodes are
    /// seen under the same address (they are behind the same NAT, which may not lead back inside) or all are in one network, else after
    /// them. Within one kind the peer's order stays. Left out is what no peer can be behind: the overlay itself, loopback, multicast,
    /// link-local and this node's own endpoints; last is what is of a family that this node has no address of.
    /// </summary>
    public IReadOnlyList<Endpoint> Order(IEnumerable<ReachableAt> peer)
    {
        ReachableAt[] told = [.. peer.Take(4 * MaximumCandidates)];
        bool localFirst = InternalNetwork || IsSeenAs(told);
        return
        [
            .. told
                .Where(at => IsPossible(at.Endpoint))
                .OrderBy(at => HasFamily(at.Endpoint) ? 0 : 1)
                .ThenBy(at => at.Kind switch
                {
                    EndpointKind.Fixed => 0,
                    EndpointKind.Local => localFirst ? 1 : 3,
                    _ => 2,
                })
                .Select(at => at.Endpoint)
                .Distinct()
                .Take(MaximumCandidates),
        ];
    }

    private static bool Same(ReachableAt a, ReachableAt b) => a.Endpoint.Address == b.Endpoint.Address;

    private bool IsSeenAs(ReachableAt[] peer) => Own.Any(own =>
        own.Kind == EndpointKind.Reflexive && peer.Any(at => at.Kind == EndpointKind.Reflexive && Same(own, at)));

    // A node that knows nothing of itself yet tries whatever there is.
    private bool HasFamily(Endpoint endpoint) => Own.Count == 0 || Own.Any(own => own.Endpoint.Address.Size == endpoint.Address.Size);

    private bool IsPossible(Endpoint endpoint) =>
        endpoint.Port != 0
        && ReservedPrefixes.IsUsableUnderlay(endpoint.Address)
        && !Own.Any(own => own.Endpoint == endpoint)
        && !Overlay.Any(prefix => prefix.Contains(endpoint.Address));
}
