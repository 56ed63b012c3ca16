using Kedge.Protocol.Ip;

namespace Kedge.Node.Routing;

/// <summary>What an overlay interface is to have: everything that <see cref="Router.Apply"/> sees to.</summary>
public sealed record InterfaceRouting
{
    /// <summary>The interface, which exists.</summary>
    public required string Interface { get; init; }

    /// <summary>Bytes of its longest packet.</summary>
    public required int Mtu { get; init; }

    /// <summary>This node's addresses, at most one a family that routes can prefer as their source: the first one.</summary>
    public required IReadOnlyList<IpAddress> Addresses { get; init; }

    /// <summary>What is reached by the interface: the zone's prefixes and the peers' child prefixes. In any order, repetitions allowed.</summary>
    public required IReadOnlyList<IpPrefix> Prefixes { get; init; }
}
