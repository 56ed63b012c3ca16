using Kedge.Protocol.Ip;

namespace Kedge.Protocol.PortMapping;

/// <summary>What is to be mapped. The default value is nothing.</summary>
/// <param name="Gateway">The gateway's IPv4 address.</param>
/// <param name="Client">This machine's IPv4 address towards the gateway.</param>
/// <param name="Port">The UDP port of this machine.</param>
public readonly record struct PortMappingTarget(IpAddress Gateway, IpAddress Client, ushort Port)
{
    /// <summary>The UDP port of a gateway's server, for both protocols.</summary>
    public const ushort ServerPort = 5351;

    /// <summary>Whether this is nothing at all.</summary>
    public bool IsNone => Gateway.IsNone;

    /// <summary>Where requests go.</summary>
    public Endpoint Server => new(Gateway, ServerPort);
}
