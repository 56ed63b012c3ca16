using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Offload;

/// <summary>
/// A transport checksum that was begun: its field holds the sum of the pseudo-header, and the rest is left to a device
/// (<c>VIRTIO_NET_HDR_F_NEEDS_CSUM</c>).
/// </summary>
public static class PartialChecksum
{
    private const int FieldSize = 2;

    /// <summary>
    /// Computes and stores the checksum of a packet in place. False, and nothing is changed, when <paramref name="packet"/> is no IP packet
    /// of just this length, or what the checksum covers does not lie behind the IP header, or its field not inside the packet.
    /// </summary>
    /// <param name="packet">The packet, IP header first.</param>
    /// <param name="start">See <see cref="VnetHeader.ChecksumStart"/>.</param>
    /// <param name="offset">See <see cref="VnetHeader.ChecksumOffset"/>.</param>
    public static bool TryComplete(Span<byte> packet, int start, int offset)
    {
        if (!IpPacket.TryParse(packet, out IpPacket ip) || ip.Length != packet.Length || !Fits(ip, start, offset))
            return false;
        Complete(packet[start..], offset);
        return true;
    }

    /// <summary>Whether a checksum from <paramref name="start"/> on can be stored at <paramref name="offset"/> behind it.</summary>
    internal static bool Fits(IpPacket packet, int start, int offset) =>
        start >= packet.HeaderLength && offset >= 0 && offset <= packet.Length - start - FieldSize;

    /// <summary>Computes and stores the checksum of <paramref name="covered"/>.</summary>
    internal static void Complete(Span<byte> covered, int offset)
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
    internal static ushort PseudoHeaderSum(ReadOnlySpan<byte> packet, byte protocol, int length)
    {
        ReadOnlySpan<byte> addresses = packet[0] >> 4 == 4
            ? packet[IPv4Header.Addresses..IPv4Header.Size]
            : packet[IPv6Header.Addresses..IPv6Header.Size];
        return InternetChecksum.Sum(addresses, (uint)(protocol + length));
    }
}
