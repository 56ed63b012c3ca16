using Kedge.Protocol.Offload;

namespace Kedge.Linux.Tun;

/// <summary>
/// What the kernel leaves to the reader of a <see cref="TunDevice"/>, and does for its writer: with each, transport checksums and the
/// cutting of packets that stand for several.
/// </summary>
[Flags]
public enum TunOffloads
{
    /// <summary>Nothing: every packet is complete and stands for itself.</summary>
    None = 0,

    /// <summary>Checksums, and <see cref="GsoType.TcpV4"/> and <see cref="GsoType.TcpV6"/> (TSO).</summary>
    Tcp = 1,

    /// <summary><see cref="GsoType.Udp"/> (USO, Linux 6.2); never without <see cref="Tcp"/>.</summary>
    Udp = 2,
}
