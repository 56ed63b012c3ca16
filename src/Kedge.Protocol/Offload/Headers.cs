namespace Kedge.Protocol.Offload;

/// <summary>Where the fields of an IPv4 header are (RFC 791 section 3.1).</summary>
internal static class IPv4Header
{
    /// <summary>Bytes of a header without options.</summary>
    public const int Size = 20;

    public const int TotalLength = 2;
    public const int Identification = 4;
    public const int FlagsAndFragmentOffset = 6;
    public const int Protocol = 9;
    public const int Checksum = 10;
    public const int Addresses = 12;

    /// <summary>The DF bit of <see cref="FlagsAndFragmentOffset"/>.</summary>
    public const ushort DontFragment = 0x4000;

    /// <summary>The MF bit and the offset of <see cref="FlagsAndFragmentOffset"/>: not zero in a fragment.</summary>
    public const ushort FragmentMask = 0x3FFF;
}

/// <summary>Where the fields of an IPv6 header are (RFC 8200 section 3).</summary>
internal static class IPv6Header
{
    /// <summary>Bytes of the header.</summary>
    public const int Size = 40;

    public const int PayloadLength = 4;
    public const int NextHeader = 6;
    public const int Addresses = 8;

    /// <summary>The number of the extension header that nodes along the path read (section 4.3).</summary>
    public const byte HopByHopOptions = 0;

    /// <summary>The number of the extension header that lists nodes to visit (section 4.4).</summary>
    public const byte Routing = 43;

    /// <summary>The number of the extension header that the destination reads (section 4.6).</summary>
    public const byte DestinationOptions = 60;
}

/// <summary>The numbers of protocols in IP headers (RFC 5237).</summary>
internal static class IpProtocol
{
    public const byte Tcp = 6;
    public const byte Udp = 17;
    public const byte IcmpV6 = 58;
}

/// <summary>Where the fields of a TCP header are (RFC 9293 section 3.1).</summary>
internal static class TcpHeader
{
    /// <summary>Bytes of a header without options.</summary>
    public const int Size = 20;

    public const int SequenceNumber = 4;
    public const int AcknowledgmentNumber = 8;
    public const int DataOffset = 12;
    public const int Flags = 13;
    public const int Window = 14;
    public const int Checksum = 16;
    public const int UrgentPointer = 18;

    public const byte Fin = 0x01;
    public const byte Syn = 0x02;
    public const byte Rst = 0x04;
    public const byte Psh = 0x08;
    public const byte Ack = 0x10;
    public const byte Cwr = 0x80;

    /// <summary>The bits beside the data offset: reserved, and the AE flag of accurate ECN.</summary>
    public const byte ReservedMask = 0x0F;

    /// <summary>Bytes of the header with its options, as it says; below <see cref="Size"/> it is wrong.</summary>
    public static int Length(ReadOnlySpan<byte> header) => (header[DataOffset] >> 4) * 4;
}

/// <summary>Where the fields of a UDP header are (RFC 768).</summary>
internal static class UdpHeader
{
    /// <summary>Bytes of the header.</summary>
    public const int Size = 8;

    public const int Length = 4;
    public const int Checksum = 6;
}
