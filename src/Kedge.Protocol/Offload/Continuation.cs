using System.Buffers.Binary;

namespace Kedge.Protocol.Offload;

/// <summary>
/// Whether the headers of a packet are those that its place in a row demands: the first packet's own, but for what Linux changes from one
/// segment to the next. Lengths and checksums are not looked at.
/// </summary>
internal static class Continuation
{
    /// <summary>IPv4 without options, or IPv6 without extension headers; both packets have at least an IP header.</summary>
    /// <param name="first">The first packet of the row.</param>
    /// <param name="next">The packet in question.</param>
    /// <param name="packetsBefore">How many packets there are in the row so far.</param>
    public static bool OfIp(ReadOnlySpan<byte> first, ReadOnlySpan<byte> next, int packetsBefore)
    {
        if (first[0] >> 4 == 6)
        {
            return AreSame(first, next, 0, IPv6Header.PayloadLength)
                && AreSame(first, next, IPv6Header.NextHeader, IPv6Header.Size);
        }
        return AreSame(first, next, 0, IPv4Header.TotalLength)
            && Word(next, IPv4Header.Identification) == (ushort)(Word(first, IPv4Header.Identification) + packetsBefore)
            && AreSame(first, next, IPv4Header.FlagsAndFragmentOffset, IPv4Header.Checksum)
            && AreSame(first, next, IPv4Header.Addresses, IPv4Header.Size);
    }

    /// <summary>TCP with options: headers of one length.</summary>
    /// <param name="first">The first header of the row.</param>
    /// <param name="next">The header in question. Its flags may have PSH, others are checked elsewhere.</param>
    /// <param name="payloadBefore">Bytes of payload in the row so far.</param>
    public static bool OfTcp(ReadOnlySpan<byte> first, ReadOnlySpan<byte> next, int payloadBefore) =>
        AreSame(first, next, 0, TcpHeader.SequenceNumber)
        && SequenceNumber(next) == SequenceNumber(first) + (uint)payloadBefore
        && AreSame(first, next, TcpHeader.AcknowledgmentNumber, TcpHeader.Flags)
        && AreSame(first, next, TcpHeader.Window, TcpHeader.Checksum)
        && AreSame(first, next, TcpHeader.UrgentPointer, first.Length);

    /// <summary>UDP: the ports are all there is.</summary>
    public static bool OfUdp(ReadOnlySpan<byte> first, ReadOnlySpan<byte> next) => AreSame(first, next, 0, UdpHeader.Length);

    private static bool AreSame(ReadOnlySpan<byte> first, ReadOnlySpan<byte> next, int start, int end) =>
        first[start..end].SequenceEqual(next[start..end]);

    private static ushort Word(ReadOnlySpan<byte> header, int offset) => BinaryPrimitives.ReadUInt16BigEndian(header[offset..]);

    private static uint SequenceNumber(ReadOnlySpan<byte> header) =>
        BinaryPrimitives.ReadUInt32BigEndian(header[TcpHeader.SequenceNumber..]);
}
