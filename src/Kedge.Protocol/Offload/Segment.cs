using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Offload;

/// <summary>What a <see cref="Coalescer"/> knows about one packet.</summary>
internal readonly struct Segment
{
    private Segment(SegmentKind kind, ulong flow = 0) => (Kind, Flow) = (kind, flow);

    /// <summary>What the packet means for others.</summary>
    public SegmentKind Kind { get; private init; }

    /// <summary>A hash of protocol, addresses and ports, never 0; 0 where the packet has none, or they are not known.</summary>
    public ulong Flow { get; }

    /// <summary>How the packet could be cut again.</summary>
    public GsoType GsoType { get; private init; }

    /// <summary>Bytes of the IP header.</summary>
    public int IpHeaderLength { get; private init; }

    /// <summary>Bytes of both headers.</summary>
    public int HeaderLength { get; private init; }

    /// <summary>Bytes behind the headers.</summary>
    public int PayloadLength { get; private init; }

    /// <summary>Whether nothing may follow in one packet with it.</summary>
    public bool IsLast { get; private init; }

    /// <summary>Looks at a packet.</summary>
    /// <param name="packet">The packet, IP header first.</param>
    /// <param name="udp">Whether UDP is to be joined; if not, it is of no interest.</param>
    public static Segment Parse(ReadOnlySpan<byte> packet, bool udp)
    {
        if (!IpPacket.TryParse(packet, out IpPacket ip) || ip.Length != packet.Length)
            return new Segment(SegmentKind.Unclear);
        bool isIPv4 = ip.Version == 4;
        byte protocol = packet[isIPv4 ? IPv4Header.Protocol : IPv6Header.NextHeader];
        if (protocol != IpProtocol.Tcp && (protocol != IpProtocol.Udp || !udp))
        {
            // In IPv6 it may be an extension header, with a packet of any flow behind it.
            bool isOther = isIPv4 || protocol is IpProtocol.Udp or IpProtocol.IcmpV6;
            return new Segment(isOther ? SegmentKind.Other : SegmentKind.Unclear);
        }
        ReadOnlySpan<byte> transport = packet[ip.HeaderLength..];
        int minimum = protocol == IpProtocol.Tcp ? TcpHeader.Size : UdpHeader.Size;
        if (transport.Length < minimum || (isIPv4 && !IsPlain(packet)))
            return new Segment(SegmentKind.Unclear);

        int headerLength = protocol == IpProtocol.Tcp ? TcpHeader.Length(transport) : UdpHeader.Size;
        bool joins = headerLength >= minimum && headerLength < transport.Length
            && (protocol == IpProtocol.Tcp ? IsPlainTcp(transport) : IsPlainUdp(transport))
            && (!isIPv4 || IsRight(packet, IPv4Header.Checksum, InternetChecksum.Sum(packet[..IPv4Header.Size])))
            && IsRightTransport(packet, transport, protocol);
        return new Segment(joins ? SegmentKind.Joins : SegmentKind.StandsAlone, FlowOf(packet, transport, protocol))
        {
            GsoType = protocol == IpProtocol.Udp ? GsoType.Udp : isIPv4 ? GsoType.TcpV4 : GsoType.TcpV6,
            IpHeaderLength = ip.HeaderLength,
            HeaderLength = ip.HeaderLength + headerLength,
            PayloadLength = transport.Length - headerLength,
            IsLast = protocol == IpProtocol.Tcp && (transport[TcpHeader.Flags] & TcpHeader.Psh) != 0,
        };
    }

    /// <summary>No options, no fragment, and no flag but DF.</summary>
    private static bool IsPlain(ReadOnlySpan<byte> packet) =>
        (packet[0] & 0xF) * 4 == IPv4Header.Size
        && (BinaryPrimitives.ReadUInt16BigEndian(packet[IPv4Header.FlagsAndFragmentOffset..]) & ~IPv4Header.DontFragment) == 0;

    private static bool IsPlainTcp(ReadOnlySpan<byte> header) =>
        (header[TcpHeader.Flags] & ~TcpHeader.Psh) == TcpHeader.Ack && (header[TcpHeader.DataOffset] & TcpHeader.ReservedMask) == 0;

    // Without a checksum (0) nobody could tell whether the datagram is right, but everyone would take it for right afterwards.
    private static bool IsPlainUdp(ReadOnlySpan<byte> datagram) =>
        BinaryPrimitives.ReadUInt16BigEndian(datagram[UdpHeader.Length..]) == datagram.Length
        && BinaryPrimitives.ReadUInt16BigEndian(datagram[UdpHeader.Checksum..]) != 0;

    private static bool IsRightTransport(ReadOnlySpan<byte> packet, ReadOnlySpan<byte> transport, byte protocol)
    {
        ushort sum = InternetChecksum.Sum(transport, PartialChecksum.PseudoHeaderSum(packet, protocol, transport.Length));
        return protocol == IpProtocol.Udp ? sum == 0xFFFF : IsRight(transport, TcpHeader.Checksum, sum);
    }

    // 0xFFFF is right where 0 is, but nobody who computes a checksum gets it, except in UDP: it would come out of the joined packet as 0.
    private static bool IsRight(ReadOnlySpan<byte> header, int checksum, ushort sum) =>
        sum == 0xFFFF && BinaryPrimitives.ReadUInt16BigEndian(header[checksum..]) != 0xFFFF;

    private static ulong FlowOf(ReadOnlySpan<byte> packet, ReadOnlySpan<byte> transport, byte protocol)
    {
        ulong hash = ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(transport) << 8) | protocol;
        ReadOnlySpan<byte> addresses = packet[0] >> 4 == 4
            ? packet[IPv4Header.Addresses..IPv4Header.Size]
            : packet[IPv6Header.Addresses..IPv6Header.Size];
        for (; !addresses.IsEmpty; addresses = addresses[sizeof(ulong)..])
            hash = Mix(hash, BinaryPrimitives.ReadUInt64LittleEndian(addresses));
        return hash | 1;
    }

    // Every bit of the product's middle depends on every bit of the factors. The constants are odd and arbitrary: digits of pi.
    private static ulong Mix(ulong hash, ulong word)
    {
        ulong high = Math.BigMul(hash ^ 0x243F6A8885A308D3, word ^ 0x13198A2E03707345, out ulong low);
        return high ^ low;
    }
}
