namespace Kedge.Protocol.Stun;

/// <summary>
/// On what of a destination a NAT's mapping, or on what of a source its filter, depends (RFC 4787, sections 4.1 and 5): the possibilities
/// that what was seen leaves. One bit means that it is known.
/// </summary>
[Flags]
public enum NatDependence
{
    /// <summary>No possibility.</summary>
    None = 0,

    /// <summary>On nothing.</summary>
    EndpointIndependent = 0x1,

    /// <summary>On the address.</summary>
    AddressDependent = 0x2,

    /// <summary>On address and port.</summary>
    AddressAndPortDependent = 0x4,

    /// <summary>All possibilities: nothing is known.</summary>
    Unknown = EndpointIndependent | AddressDependent | AddressAndPortDependent,
}
