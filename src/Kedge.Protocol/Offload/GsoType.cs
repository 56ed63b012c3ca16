namespace Kedge.Protocol.Offload;

/// <summary>
/// What a kernel may do, or has done, with a packet that stands for several (<c>VIRTIO_NET_HDR_GSO_*</c>).
/// </summary>
public enum GsoType : byte
{
    /// <summary>One packet that stands for itself.</summary>
    None = 0,

    /// <summary>TCP over IPv4, cut whenever a given number of bytes of payload is reached.</summary>
    TcpV4 = 1,

    /// <summary>TCP over IPv6, cut whenever a given number of bytes of payload is reached.</summary>
    TcpV6 = 4,

    /// <summary>UDP, cut whenever a given number of bytes of payload is reached.</summary>
    Udp = 5,
}
