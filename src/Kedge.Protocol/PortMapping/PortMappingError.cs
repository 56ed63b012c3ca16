namespace Kedge.Protocol.PortMapping;

/// <summary>Why a gateway maps no port; one list for both protocols.</summary>
public enum PortMappingError
{
    /// <summary>It does.</summary>
    None,

    /// <summary>It has not answered: it knows neither protocol, or they are switched off.</summary>
    NoAnswer,

    /// <summary>It does not speak the version that it was asked in.</summary>
    UnsupportedVersion,

    /// <summary>It knows the protocol, but not mappings for UDP.</summary>
    Unsupported,

    /// <summary>It is set up not to.</summary>
    NotAuthorized,

    /// <summary>It has no external address at present.</summary>
    NetworkFailure,

    /// <summary>It has no room for more mappings, or this client has used up its share.</summary>
    OutOfResources,

    /// <summary>There is another NAT between this machine and the gateway.</summary>
    AnotherNatBetween,

    /// <summary>Its external address is a private one, so that it is itself behind a NAT: the mapping would lead nobody here.</summary>
    GatewayBehindNat,

    /// <summary>It says no, for another reason.</summary>
    Failed,
}
