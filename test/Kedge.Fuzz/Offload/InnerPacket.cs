namespace Kedge.Fuzz.Offload;

/// <summary>A TCP or UDP packet to be made, field by field; its checksums come out right.</summary>
public sealed record InnerPacket
{
    public bool IsIPv6 { get; init; }

    public bool IsUdp { get; init; }

    /// <summary>The last byte of the source address.</summary>
    public byte Host { get; init; } = 1;

    public byte TrafficClass { get; init; }

    /// <summary>IPv6 only, 20 bits.</summary>
    public int FlowLabel { get; init; } = 0xABCDE;

    public byte HopLimit { get; init; } = 64;

    /// <summary>IPv4 only.</summary>
    public ushort Identification { get; init; }

    /// <summary>IPv4 only: flags and fragment offset.</summary>
    public ushort Fragment { get; init; } = 0x4000;

    /// <summary>IPv4 only: a multiple of 4 bytes.</summary>
    public byte[] IPv4Options { get; init; } = [];

    /// <summary>IPv6 only: how many of hop-by-hop options, a routing header and destination options, of 8 bytes each.</summary>
    public int ExtensionHeaders { get; init; }

    public ushort SourcePort { get; init; } = 40000;

    public ushort DestinationPort { get; init; } = 443;

    public uint SequenceNumber { get; init; }

    public uint AcknowledgmentNumber { get; init; } = 0x01020304;

    /// <summary>The flags of TCP; ACK alone if not set.</summary>
    public byte Flags { get; init; } = 0x10;

    /// <summary>The bits beside the data offset of TCP.</summary>
    public byte Reserved { get; init; }

    public ushort Window { get; init; } = 512;

    public ushort UrgentPointer { get; init; }

    /// <summary>The options of TCP, a multiple of 4 bytes.</summary>
    public byte[] TcpOptions { get; init; } = [];

    public byte[] Payload { get; init; } = [];

    /// <summary>Bytes before the transport header.</summary>
    public int TransportOffset => IsIPv6 ? 40 + 8 * ExtensionHeaders : 20 + IPv4Options.Length;

    /// <summary>Bytes before the payload.</summary>
    public int HeaderLength => TransportOffset + (IsUdp ? 8 : 20 + TcpOptions.Length);

    /// <summary>The packet.</summary>
    public byte[] ToBytes()
    {
        byte[] transport = [.. IsUdp ? Udp() : Tcp(), .. Payload];
        byte[] packet = [.. IsIPv6 ? IPv6(transport.Length) : IPv4(transport.Length), .. transport];
        SlowChecksum.Repair(packet, TransportOffset, IsUdp);
        return packet;
    }

    private byte[] Udp() => [.. Big(SourcePort, 2), .. Big(DestinationPort, 2), .. Big(8 + Payload.Length, 2), 0, 0];

    private byte[] Tcp() =>
    [
        .. Big(SourcePort, 2), .. Big(DestinationPort, 2), .. Big(SequenceNumber, 4), .. Big(AcknowledgmentNumber, 4),
        (byte)(((20 + TcpOptions.Length) / 4 << 4) | Reserved), Flags, .. Big(Window, 2), 0, 0, .. Big(UrgentPointer, 2), .. TcpOptions,
    ];

    private byte[] IPv4(int transport) =>
    [
        (byte)(0x40 | ((20 + IPv4Options.Length) / 4)), TrafficClass, .. Big(TransportOffset + transport, 2),
        .. Big(Identification, 2), .. Big(Fragment, 2), HopLimit, Protocol, 0, 0,
        10, 0, 0, Host, 10, 0, 0, 200, .. IPv4Options,
    ];

    private byte[] IPv6(int transport)
    {
        List<byte> bytes =
        [
            .. Big(0x6000_0000L | ((long)TrafficClass << 20) | (long)FlowLabel, 4), .. Big(8 * ExtensionHeaders + transport, 2),
            ExtensionHeaders == 0 ? Protocol : (byte)0, HopLimit,
            0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, Host, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 200,
        ];
        for (int i = 1; i <= ExtensionHeaders; i++)
        {
            byte next = i == ExtensionHeaders ? Protocol : i == 1 ? (byte)43 : (byte)60;
            bytes.AddRange([next, 0, 1, 4, 0, 0, 0, 0]); // a padding option; to the routing header, no segments left
        }
        return [.. bytes];
    }

    private byte Protocol => IsUdp ? (byte)17 : (byte)6;

    private static byte[] Big(long value, int size) => [.. Enumerable.Range(1, size).Select(i => (byte)(value >> (8 * (size - i))))];
}
