namespace Kedge.Protocol.Offload;

/// <summary>
/// What a TUN device says before a packet about the work that is left to whoever takes it (<c>struct virtio_net_hdr</c>, virtio 1.2
/// section 5.1.6). As read from a device it comes from the kernel, or from whoever wrote to the kernel: <see cref="SuperPacket"/> checks
/// it. The default value is that of a packet with nothing left to do.
/// </summary>
public readonly record struct VnetHeader
{
    /// <summary>How the packet is to be cut.</summary>
    public GsoType GsoType { get; init; }

    /// <summary>Bytes of payload in each segment but the last; 0 where <see cref="GsoType"/> is <see cref="GsoType.None"/>.</summary>
    public ushort GsoSize { get; init; }

    /// <summary>Bytes of all headers, which each segment gets. A hint: read, it is not to be believed.</summary>
    public ushort HeaderLength { get; init; }

    /// <summary>Whether the checksum is to be computed; its field holds the sum of the pseudo-header, not complemented.</summary>
    public bool NeedsChecksum { get; init; }

    /// <summary>The first byte of the packet that the checksum covers; it covers all from there to the end.</summary>
    public ushort ChecksumStart { get; init; }

    /// <summary>Where the checksum is stored, in bytes behind <see cref="ChecksumStart"/>.</summary>
    public ushort ChecksumOffset { get; init; }
}
