namespace Kedge.Linux.Netlink;

/// <summary>UDP from one port to another.</summary>
/// <param name="SourcePort">Where from.</param>
/// <param name="DestinationPort">Where to.</param>
public readonly record struct UdpFlow(ushort SourcePort, ushort DestinationPort);
