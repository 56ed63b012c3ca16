namespace Kedge.Demo.Nat;

/// <summary>
/// How a NAT maps UDP ports and whom it lets in, in the words of RFC 4787 and, after them, in the older ones that most people use.
/// </summary>
public enum NatKind
{
    /// <summary>Endpoint-independent mapping and filtering: full cone. Whoever knows the mapped port gets in.</summary>
    FullCone,

    /// <summary>Endpoint-independent mapping, address-dependent filtering: restricted cone. An address that was sent to gets in.</summary>
    AddressRestricted,

    /// <summary>
    /// Endpoint-independent mapping, address- and port-dependent filtering: port-restricted cone. An endpoint that was sent to gets in. The
    /// mapped port is the local one where that is free. Most home routers are like this.
    /// </summary>
    PortRestricted,

    /// <summary>As <see cref="PortRestricted"/>, but the mapped port is another one than the local one.</summary>
    PortRestrictedRemapping,

    /// <summary>
    /// Address- and port-dependent mapping and filtering: symmetric. Each destination sees a port of its own, a random one.
    /// </summary>
    SymmetricRandom,

    /// <summary>As <see cref="SymmetricRandom"/>, but with one port after the other.</summary>
    SymmetricSequential,
}
