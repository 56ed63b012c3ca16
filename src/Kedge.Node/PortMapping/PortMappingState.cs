using Kedge.Protocol.Ip;
using Kedge.Protocol.PortMapping;

namespace Kedge.Node.PortMapping;

/// <summary>What a gateway maps for this machine.</summary>
/// <param name="Gateway">The gateway; none where the machine has none, or nothing is to be mapped.</param>
/// <param name="External">From where the port is reached; none where it is not mapped.</param>
/// <param name="Error">Why it is not mapped; none also while that is not known yet.</param>
public sealed record PortMappingState(IpAddress Gateway, Endpoint External, PortMappingError Error)
{
    /// <summary>The state, in words.</summary>
    public string Summary => Error switch
    {
        _ when !External.IsNone => $"mapped to {External}",
        _ when Gateway.IsNone => "there is no IPv4 gateway",
        PortMappingError.None => "the gateway is being asked",
        PortMappingError.NoAnswer => "the gateway speaks neither PCP nor NAT-PMP",
        PortMappingError.NotAuthorized => "the gateway is set up not to",
        PortMappingError.NetworkFailure => "the gateway has no public address at present",
        PortMappingError.OutOfResources => "the gateway has no room for more mappings",
        PortMappingError.AnotherNatBetween => "there is another NAT between this machine and the gateway",
        PortMappingError.GatewayBehindNat => "the gateway is itself behind a NAT",
        PortMappingError.Unsupported or PortMappingError.UnsupportedVersion => "the gateway cannot map UDP ports",
        _ => "the gateway refuses",
    };
}
