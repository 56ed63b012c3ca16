using Kedge.Demo.Nat;

namespace Kedge.SystemTests.Mesh;

/// <summary>What is between a node and the internet.</summary>
public enum NodePlace
{
    /// <summary>Nothing: public addresses of both families.</summary>
    Public,

    /// <summary>A NAT that lets in everybody.</summary>
    FullCone,

    /// <summary>A NAT that filters by address.</summary>
    AddressRestricted,

    /// <summary>A NAT that filters by address and port, and keeps ports.</summary>
    PortRestricted,

    /// <summary>As <see cref="PortRestricted"/>, with other ports outside than inside.</summary>
    PortRestrictedRemapping,

    /// <summary>As <see cref="PortRestricted"/>, with a router that takes what comes too early.</summary>
    AcceptsInInput,

    /// <summary>Two port-restricted NATs in a row.</summary>
    BehindCgn,

    /// <summary>A NAT that maps each destination to a random port.</summary>
    SymmetricRandom,

    /// <summary>A NAT that maps each destination to the next port.</summary>
    SymmetricSequential,

    /// <summary>As <see cref="SymmetricRandom"/>, and ports can be mapped by PCP.</summary>
    Mapped,

    /// <summary>A symmetric NAT for IPv4, and IPv6 behind a firewall.</summary>
    DualStack,

    /// <summary>IPv6 alone, behind a firewall.</summary>
    Ipv6Only,

    /// <summary>TCP to port 443 and nothing else.</summary>
    UdpBlocked,
}

/// <summary>What follows from where nodes are.</summary>
internal static class NodePlaces
{
    /// <summary>Why two nodes are not direct, but meet by the controller.</summary>
    public const string UdpIsBlocked = "UDP is blocked";

    /// <inheritdoc cref="UdpIsBlocked"/>
    /// <remarks>The STUN server of the tests has IPv4 alone, so a node without it hears nothing by UDP.</remarks>
    public const string FamiliesDoNotMeet = "one has no IPv4, the other no IPv6";

    /// <summary>The gateway of a node there.</summary>
    public static GatewaySettings ToSettings(this NodePlace place) => place switch
    {
        NodePlace.FullCone => new() { Kind = NatKind.FullCone },
        NodePlace.AddressRestricted => new() { Kind = NatKind.AddressRestricted },
        NodePlace.PortRestricted or NodePlace.BehindCgn => new(),
        NodePlace.PortRestrictedRemapping => new() { Kind = NatKind.PortRestrictedRemapping },
        NodePlace.AcceptsInInput => new() { AcceptsInInput = true },
        NodePlace.SymmetricRandom => new() { Kind = NatKind.SymmetricRandom },
        NodePlace.SymmetricSequential => new() { Kind = NatKind.SymmetricSequential },
        NodePlace.Mapped => new() { Kind = NatKind.SymmetricRandom, MapsPorts = true },
        NodePlace.DualStack => new() { Kind = NatKind.SymmetricRandom, HasIpv6 = true },
        NodePlace.Ipv6Only => new() { HasIpv4 = false, HasIpv6 = true },
        NodePlace.UdpBlocked => new() { BlocksUdp = true },
        _ => throw new ArgumentOutOfRangeException(nameof(place), place, "There is no gateway."),
    };

    /// <summary>
    /// Why two nodes, each behind its own gateway, cannot meet without help; null where they can. The reasons are those of RFC 5128 and of
    /// the firewalls, not of Kedge.
    /// </summary>
    public static string? WhyNotDirect(NodePlace a, NodePlace b)
    {
        if (a == NodePlace.UdpBlocked || b == NodePlace.UdpBlocked)
            return UdpIsBlocked;
        if (HasIpv6(a) && HasIpv6(b))
            return null; // no translation, and both open their firewalls
        if (a == NodePlace.Ipv6Only || b == NodePlace.Ipv6Only)
            return FamiliesDoNotMeet;
        return (IsSymmetric(a) && FiltersByPort(b)) || (IsSymmetric(b) && FiltersByPort(a))
            ? "nobody knows the port that a symmetric NAT will take, which the other NAT lets nothing else in from"
            : null;
    }

    private static bool HasIpv6(NodePlace place) => place is NodePlace.Public or NodePlace.DualStack or NodePlace.Ipv6Only;

    private static bool IsSymmetric(NodePlace place) =>
        place is NodePlace.SymmetricRandom or NodePlace.SymmetricSequential or NodePlace.DualStack;

    private static bool FiltersByPort(NodePlace place) =>
        IsSymmetric(place)
        || place is NodePlace.PortRestricted or NodePlace.PortRestrictedRemapping or NodePlace.AcceptsInInput or NodePlace.BehindCgn;
}
