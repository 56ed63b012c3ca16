using System.Buffers.Binary;

namespace Kedge.Protocol.Ip;

/// <summary>
/// The answer to a packet that cannot get to its destination. Where nothing can, ICMP "host unreachable" (RFC 792) or ICMPv6 "address
/// unreachable" (RFC 4443), as the kernel's WireGuard sends for a destination without a peer; where it is too long, ICMP "fragmentation
/// needed" (RFC 1191) or ICMPv6 "packet too big".
/// <para>
/// It comes from the destination itself: that is the one address known to be on this side of the interface which it is written into. An
/// address of this machine would be refused there as a forged one.
/// </para>
/// </summary>
public static class IcmpUnreachable
{
    /// <summary>Bytes of the longest answer: what every IPv6 host takes.</summary>
    public const int MaximumLength = 1280;

    private const int MaximumIPv4Length = 576; // RFC 1812, section 4.3.2.3
    private const int IPv4HeaderLength = 20;
    private const int IPv6HeaderLength = 40;
    private const int IcmpHeaderLength = 8;
    private const byte HopLimit = 64;
    private const byte Icmp = 1;
    private const byte IcmpV6 = 58;

    /// <summary>Writes the answer to a packet.</summary>
    /// <param name="packet">The packet; whole and with its checksums, as far as it is quoted.</param>
    /// <param name="destination">Where the answer goes, elsewhere than the packet: room for <see cref="MaximumLength"/> bytes.</param>
    /// <returns>
    /// Its length; 0 where there must not be any (RFC 1122, section 3.2.2; RFC 4443, section 2.4): to an ICMP error, a fragment other than
    /// the first, a packet to more than one host, or from no single one.
    /// </returns>
    /// <exception cref="ArgumentException">There is too little room.</exception>
    public static int Write(IpPacket packet, Span<byte> destination)
    {
        if (packet.Version == 4)
            return MayAnswerIPv4(packet) ? WriteIPv4(packet, code: 1, mtu: 0, destination) : 0;
        return MayAnswerIPv6(packet) ? WriteIPv6(packet, (1, 3), mtu: 0, destination) : 0;
    }

    /// <summary>Writes the answer to a packet that is too long.</summary>
    /// <inheritdoc cref="Write"/>
    /// <param name="packet">The packet; whole and with its checksums, as far as it is quoted.</param>
    /// <param name="mtu">Bytes of the longest packet that is not; below 65,536.</param>
    /// <param name="destination">Where the answer goes, elsewhere than the packet: room for <see cref="MaximumLength"/> bytes.</param>
    public static int WriteTooLong(IpPacket packet, int mtu, Span<byte> destination)
    {
        if (packet.Version == 4)
            return MayAnswerIPv4(packet) ? WriteIPv4(packet, code: 4, mtu, destination) : 0;
        return MayAnswerIPv6(packet) ? WriteIPv6(packet, (2, 0), mtu, destination) : 0;
    }

    private static int WriteIPv4(IpPacket packet, byte code, int mtu, Span<byte> destination)
    {
        int quoted = Math.Min(packet.Length, MaximumIPv4Length - IPv4HeaderLength - IcmpHeaderLength);
        int length = IPv4HeaderLength + IcmpHeaderLength + quoted;
        Span<byte> answer = destination[..length];
        answer[..(IPv4HeaderLength + IcmpHeaderLength)].Clear();
        answer[0] = 0x45;
        answer[1] = 0xC0; // internetwork control, as RFC 1812 has it in section 4.3.2.5
        BinaryPrimitives.WriteUInt16BigEndian(answer[2..], (ushort)length);
        BinaryPrimitives.WriteUInt16BigEndian(answer[6..], 0x4000); // don't fragment
        answer[8] = HopLimit;
        answer[9] = Icmp;
        packet.Destination.CopyTo(answer[12..]);
        packet.Source.CopyTo(answer[16..]);
        BinaryPrimitives.WriteUInt16BigEndian(answer[10..], InternetChecksum.Compute(answer[..IPv4HeaderLength]));

        Span<byte> icmp = answer[IPv4HeaderLength..];
        (icmp[0], icmp[1]) = (3, code);
        BinaryPrimitives.WriteUInt16BigEndian(icmp[6..], (ushort)mtu);
        packet.Bytes[..quoted].CopyTo(icmp[IcmpHeaderLength..]);
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], InternetChecksum.Compute(icmp));
        return length;
    }

    private static int WriteIPv6(IpPacket packet, (byte Type, byte Code) kind, int mtu, Span<byte> destination)
    {
        int quoted = Math.Min(packet.Length, MaximumLength - IPv6HeaderLength - IcmpHeaderLength);
        int length = IPv6HeaderLength + IcmpHeaderLength + quoted;
        Span<byte> answer = destination[..length];
        answer[..(IPv6HeaderLength + IcmpHeaderLength)].Clear();
        answer[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(answer[4..], (ushort)(length - IPv6HeaderLength));
        answer[6] = IcmpV6;
        answer[7] = HopLimit;
        packet.Destination.CopyTo(answer[8..]);
        packet.Source.CopyTo(answer[24..]);

        Span<byte> icmp = answer[IPv6HeaderLength..];
        (icmp[0], icmp[1]) = kind;
        BinaryPrimitives.WriteInt32BigEndian(icmp[4..], mtu);
        packet.Bytes[..quoted].CopyTo(icmp[IcmpHeaderLength..]);
        // The pseudo-header: both addresses, the length and the protocol.
        uint pseudoHeader = InternetChecksum.Sum(answer[8..IPv6HeaderLength], (uint)icmp.Length + IcmpV6);
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], (ushort)~InternetChecksum.Sum(icmp, pseudoHeader));
        return length;
    }

    private static bool MayAnswerIPv4(IpPacket packet)
    {
        ReadOnlySpan<byte> bytes = packet.Bytes;
        bool isLaterFragment = (BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]) & 0x1FFF) != 0;
        // 0.0.0.0/8 is nobody, 127.0.0.0/8 this host; from 224.0.0.0 on there are groups, reserved addresses, and everybody.
        bool isFromOne = bytes[12] is > 0 and < 224 and not 127;
        bool isToOne = bytes[16] is > 0 and < 224;
        return !isLaterFragment && isFromOne && isToOne && (bytes[9] != Icmp || IsIcmpQuery(bytes[packet.HeaderLength..]));
    }

    // Destination unreachable, source quench, redirect, time exceeded and parameter problem are errors.
    private static bool IsIcmpQuery(ReadOnlySpan<byte> icmp) => !icmp.IsEmpty && icmp[0] is not (3 or 4 or 5 or 11 or 12);

    private static bool MayAnswerIPv6(IpPacket packet)
    {
        ReadOnlySpan<byte> bytes = packet.Bytes;
        const byte Group = 0xFF;
        bool isFromOne = bytes[8] != Group && bytes.Slice(8, 16).ContainsAnyExcept((byte)0);
        return isFromOne && bytes[24] != Group && MayAnswerPayload(bytes[6], bytes[IPv6HeaderLength..]);
    }

    private static bool MayAnswerPayload(byte header, ReadOnlySpan<byte> payload)
    {
        const byte HopByHopOptions = 0, Routing = 43, Fragment = 44, DestinationOptions = 60;
        const int Unit = 8;
        while (header is HopByHopOptions or Routing or Fragment or DestinationOptions)
        {
            if (payload.Length < Unit)
                return false;
            if (header == Fragment && BinaryPrimitives.ReadUInt16BigEndian(payload[2..]) >> 3 != 0)
                return false;
            int length = header == Fragment ? Unit : (payload[1] + 1) * Unit;
            if (payload.Length < length)
                return false;
            header = payload[0];
            payload = payload[length..];
        }
        const byte FirstInformational = 128, Redirect = 137;
        return header != IcmpV6 || (!payload.IsEmpty && payload[0] is >= FirstInformational and not Redirect);
    }
}
