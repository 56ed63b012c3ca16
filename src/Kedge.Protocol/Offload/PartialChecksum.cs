using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Offload;

/// <summary>
/// A transport checksum that was begun: its field holds the sum of the pseudo-header, and the rest is left to a device
/// (<c>VIRTIO_NET_HDR_F_NEEDS_CSUM</c>).
/// </summary>
internal static class PartialChecksum
{
    private const int FieldSize = 2;

    /// <summary>
    /// Whether a checksum from <paramref name="start"/> on, behind the IP header, can be stored at <paramref name="offset"/> behind that.
    /// </summary>
    public static bool Fits(IpPacket packet, int start, int offset) =>
        start >= packet.HeaderLength && offset >= 0 && offset <= packet.Length - start - FieldSize;

    /// <summary>Computes and stores the checksum of <paramref name="covered"/>.</summary>
    public static void Complete(Span<byte> covered, int offset)
    {
        ushort checksum = InternetChecksum.Compute(covered);
        // In UDP, and nowhere else, 0 says that there is no checksum; the other form of zero is sent instead (RFC 768).
        if (checksum == 0 && offset == UdpHeader.Checksum)
            checksum = 0xFFFF;
        BinaryPrimitives.WriteUInt16BigEndian(covered[offset..], checksum);
    }

    /// <summary>The sum of the pseudo-header of a packet (RFC 9293 section 3.1, RFC 8200 section 8.1), in host order.</summary>
    /// <param name="packet">A packet without a routing header, whose last address is therefore the destination.</param>
    /// <param name="protocol">The number of the transport protocol.</param>
    /// <param name="length">Bytes of the transport header and its payload, at most 65,535.</param>
    public static ushort PseudoHeaderSum(ReadOnlySpan<byte> packet, byte protocol, int length)
    {
        ReadOnlySpan<byte> addresses = packet[0] >> 4 == 4
            ? packet[IPv4Header.Addresses..IPv4Header.Size]
            : packet[IPv6Header.Addresses..IPv6Header.Size];
        return InternetChecksum.Sum(addresses, (uint)(protocol + length));
    }
}
