using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Protocol.Offload;

namespace Kedge.Linux.Tun;

/// <summary>
/// What stands before each packet of a TUN with <c>IFF_VNET_HDR</c> and tells about checksum and segments: <c>struct virtio_net_hdr</c>
/// (Virtual I/O Device 1.2, section 5.1.6), in the machine's order, which is the kernel's as long as nobody has asked for another. In a
/// <see cref="PacketBuffer"/> it is the bytes right before the packet. Allocates nothing, and never throws for what a header holds.
/// </summary>
public static class VirtioHeader
{
    /// <summary>
    /// Bytes of the header: the shortest form, which every kernel has. The longer ones add a number of buffers (12), which a TUN leaves
    /// alone, and tunnels inside of tunnels.
    /// </summary>
    public const int Length = 10;

    private const byte NeedsChecksumFlag = 1; // VIRTIO_NET_HDR_F_NEEDS_CSUM
    private const byte EcnBit = 0x80; // VIRTIO_NET_HDR_GSO_ECN: the first segment alone has CWR (RFC 3168), as the packet itself shows
    private const int ChecksumLength = 2;
    private const int TcpDataOffset = 12; // The byte whose upper half is the header's length in words (RFC 9293 section 3.1).
    private const int UdpHeaderLength = 8;

    /// <summary>
    /// Reads the header before the packet into the buffer's <see cref="PacketBuffer.Vnet"/>. What it says about the length of the packet's
    /// own headers is a hint, and passed over. A packet with a <see cref="GsoType"/> may be no longer than one segment.
    /// </summary>
    /// <returns>
    /// Whether it makes sense: a known type with a size, and a checksum within the packet. Else what is read means nothing.
    /// </returns>
    public static bool TryRead(PacketBuffer buffer)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        Libc.VirtioNetHdr header = MemoryMarshal.Read<Libc.VirtioNetHdr>(Bytes(buffer));
        var type = (GsoType)(header.GsoType & ~EcnBit);
        bool needsChecksum = (header.Flags & NeedsChecksumFlag) != 0;
        buffer.Vnet = new VnetHeader
        {
            GsoType = type,
            GsoSize = type == GsoType.None ? (ushort)0 : header.GsoSize,
            NeedsChecksum = needsChecksum,
            ChecksumStart = needsChecksum ? header.ChecksumStart : (ushort)0,
            ChecksumOffset = needsChecksum ? header.ChecksumOffset : (ushort)0,
        };
        bool hasChecksumInside = !needsChecksum || header.ChecksumStart + header.ChecksumOffset + ChecksumLength <= buffer.Length;
        return type switch
        {
            GsoType.None => hasChecksumInside,
            GsoType.TcpV4 or GsoType.TcpV6 or GsoType.Udp => header.GsoSize != 0 && hasChecksumInside,
            _ => false,
        };
    }

    /// <summary>
    /// Writes the header of the buffer's <see cref="PacketBuffer.Vnet"/> before the packet: all zero for one that is complete.
    /// </summary>
    /// <exception cref="ArgumentException">There are fewer than <see cref="Length"/> bytes before the packet.</exception>
    public static void Write(PacketBuffer buffer)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        VnetHeader vnet = buffer.Vnet;
        Libc.VirtioNetHdr header = default;
        if (vnet.NeedsChecksum)
        {
            header.Flags = NeedsChecksumFlag;
            header.ChecksumStart = vnet.ChecksumStart;
            header.ChecksumOffset = vnet.ChecksumOffset;
        }
        if (vnet.GsoType != GsoType.None)
        {
            header.GsoType = (byte)vnet.GsoType;
            header.GsoSize = vnet.GsoSize;
            header.HeaderLength = HeadersLength(buffer.Packet, vnet);
        }
        MemoryMarshal.Write(Bytes(buffer), header);
    }

    private static Span<byte> Bytes(PacketBuffer buffer)
    {
        if (buffer.Offset < Length)
            throw new ArgumentException($"The packet starts at {buffer.Offset}, and its header takes {Length} bytes.", nameof(buffer));
        return buffer.Array.AsSpan(buffer.Offset - Length, Unsafe.SizeOf<Libc.VirtioNetHdr>());
    }

    /// <summary>
    /// Bytes of the IP and the transport header, which the kernel then has in one piece; 0 where the packet ends before, and the kernel is
    /// to judge.
    /// </summary>
    private static ushort HeadersLength(ReadOnlySpan<byte> packet, in VnetHeader vnet)
    {
        int dataOffset = vnet.ChecksumStart + TcpDataOffset;
        int length = vnet.ChecksumStart + UdpHeaderLength;
        if (vnet.GsoType != GsoType.Udp)
            length = dataOffset < packet.Length ? vnet.ChecksumStart + (packet[dataOffset] >> 4) * sizeof(uint) : int.MaxValue;
        return length <= packet.Length ? (ushort)length : (ushort)0;
    }
}
