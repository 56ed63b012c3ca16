using Kedge.Protocol.Ip;

namespace Kedge.Node.Routing;

/// <summary>What an overlay interface is to have: everything that <see cref="Router.Apply"/> sees to.</summary>
public sealed record InterfaceRouting
{
    /// <summary>The interface, which exists.</summary>
    public required string Interface { get; init; }

    /// <summary>Bytes of its longest packet.</summary>
    public required int Mtu { get; init; }

    /// <summary>The mark of its own datagrams.</summary>
    public FirewallMark Mark { get; init; } = FirewallMark.Default;

    /// <summary>This node's addresses, at most one a family that routes can prefer as their source: the first one.</summary>
    public required IReadOnlyList<IpAddress> Addresses { get; init; }

    /// <summary>The zone's own prefixes. In any order, repetitions allowed.</summary>
    public required IReadOnlyList<IpPrefix> ZonePrefixes { get; init; }

    /// <summary>The networks behind the peers. In any order, repetitions allowed.</summary>
    public IReadOnlyList<IpPrefix> ChildPrefixes { get; init; } = [];

    /// <summary>The UDP port of its own datagrams; 0 where it is not known.</summary>
    public ushort ListenPort { get; init; }

    /// <summary>Where peers are reached below the overlay. In any order, repetitions allowed.</summary>
    public IReadOnlyList<Endpoint> Endpoints { get; init; } = [];

    /// <summary>Whether another one asks for the same, in the same order, but for endpoints, which come and go with peers.</summary>
    public bool IsSameAs(InterfaceRouting other) =>
        Interface == other.Interface
        && Mtu == other.Mtu
        && Mark == other.Mark
        && Addresses.SequenceEqual(other.Addresses)
        && ZonePrefixes.SequenceEqual(other.ZonePrefixes)
        && ChildPrefixes.SequenceEqual(other.ChildPrefixes);
}
