namespace Kedge.Linux.Udp;

/// <summary>What the kernel does for a <see cref="UdpPort"/> with runs of datagrams.</summary>
[Flags]
public enum UdpOffloads
{
    /// <summary>Nothing: each datagram is a message of its own.</summary>
    None = 0,

    /// <summary>It cuts a run that is sent (<c>UDP_SEGMENT</c>, Linux 4.18).</summary>
    Segmentation = 1,

    /// <summary>It joins datagrams that are received to runs (<c>UDP_GRO</c>, Linux 5.0).</summary>
    Coalescing = 2,
}
