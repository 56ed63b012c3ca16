using System.Buffers.Binary;
using Kedge.Fuzz.Offload;
using Kedge.Protocol.Offload;

namespace Kedge.Tests.Offload;

/// <summary>Packets and what Linux cuts them into; the bytes are laid out by hand from RFC 791, 768, 8200 and 9293.</summary>
public class SuperPacketTests
{
    private static readonly VnetHeader TcpV4 =
        new() { GsoType = GsoType.TcpV4, GsoSize = 2, NeedsChecksum = true, ChecksumStart = 20, ChecksumOffset = 16 };

    private static readonly VnetHeader UdpV4 =
        new() { GsoType = GsoType.Udp, GsoSize = 2, NeedsChecksum = true, ChecksumStart = 20, ChecksumOffset = 6 };

    [Fact] // the sequence number and the identification wrap; the packet has CWR, ACK, PSH and FIN
    public void TCP_over_IPv4_is_cut()
    {
        string[] segments = Cut("4502002DFFFF4000400626C70A0000010A00000201BBC350FFFFFFFE0000000150990200142200004142434445", TcpV4);
        Assert.Equal(
            [
                "4502002AFFFF4000400626CA0A0000010A00000201BBC350FFFFFFFE0000000150900200930200004142",
                "4502002A00004000400626CA0A0000010A00000201BBC350000000000000000150100200917F00004344",
                "4502002900014000400626CA0A0000010A00000201BBC3500000000200000001501902008FB9000045",
            ],
            segments);
    }

    [Fact]
    public void TCP_over_IPv6_is_cut_and_its_options_are_in_every_segment()
    {
        string[] segments = Cut(
            Vectors.TcpV6,
            new VnetHeader { GsoType = GsoType.TcpV6, GsoSize = 2, NeedsChecksum = true, ChecksumStart = 40, ChecksumOffset = 16 });
        Assert.Equal(Vectors.TcpV6Segments, segments);
    }

    [Fact]
    public void UDP_is_cut() => Assert.Equal(Vectors.UdpV4Segments, Cut(Vectors.UdpV4, UdpV4));

    [Fact]
    public void UDP_over_IPv6_is_cut() => Assert.Equal(Vectors.UdpV6Segments, Cut(Vectors.UdpV6, UdpV4 with { ChecksumStart = 40 }));

    [Fact]
    public void A_packet_that_stands_for_itself_comes_out_as_it_is() =>
        Assert.Equal([Vectors.TcpV4Segments[0]], Cut(Vectors.TcpV4Segments[0], default));

    [Fact] // 0 would mean that there is no checksum (RFC 768)
    public void A_UDP_checksum_of_zero_becomes_all_ones()
    {
        byte[] packet = Convert.FromHexString("4500001E00074000401126C60A0000010A0000020035C350000A141E2852");
        const string Expected = "4500001E00074000401126C60A0000010A0000020035C350000AFFFF2852";
        Assert.Equal([Expected], Cut(Convert.ToHexString(packet), UdpV4 with { GsoType = GsoType.None, GsoSize = 0 }));
        Assert.Equal([Expected], Cut(Convert.ToHexString(packet), UdpV4));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Extension_headers_of_IPv6_are_in_every_segment(bool isUdp)
    {
        var inner = new InnerPacket { IsIPv6 = true, ExtensionHeaders = 3, IsUdp = isUdp, Payload = [1, 2, 3] };
        (byte[] packet, VnetHeader header) = Begun(inner, gsoSize: 2);
        string[] segments = Cut(Convert.ToHexString(packet), header);
        Assert.Equal(
            [Hexadecimal(inner with { Payload = [1, 2] }), Hexadecimal(inner with { Payload = [3], SequenceNumber = 2 })], segments);
    }

    [Fact]
    public void Options_of_IPv4_are_in_every_segment()
    {
        var inner = new InnerPacket { IPv4Options = [7, 7, 4, 10, 0, 0, 0, 0], Payload = [1, 2, 3] };
        (byte[] packet, VnetHeader header) = Begun(inner, gsoSize: 2);
        string[] segments = Cut(Convert.ToHexString(packet), header);
        Assert.Equal(
            [
                Hexadecimal(inner with { Payload = [1, 2] }),
                Hexadecimal(inner with { Payload = [3], SequenceNumber = 2, Identification = 1 }),
            ],
            segments);
    }

    [Fact]
    public void The_longest_packet_is_cut_byte_by_byte_where_the_header_says_so()
    {
        (byte[] packet, VnetHeader header) = Begun(new InnerPacket { IsUdp = true, Payload = new byte[65535 - 28] }, gsoSize: 1);
        Assert.True(SuperPacket.TryParse(packet, header, out SuperPacket superPacket));
        Assert.Equal(65535 - 28, superPacket.SegmentCount);
        Assert.Equal(29, superPacket.SegmentLength(0));
        Assert.Equal(29, superPacket.SegmentLength(65535 - 29));
    }

    [Fact]
    public void A_checksum_that_was_begun_wrongly_is_wrong_in_every_segment()
    {
        byte[] packet = Convert.FromHexString(Vectors.TcpV4);
        packet[36] ^= 0x10;
        foreach (string segment in Cut(Convert.ToHexString(packet), TcpV4))
            Assert.False(HasRightTransportChecksum(Convert.FromHexString(segment)));
        Assert.All(Vectors.TcpV4Segments, segment => Assert.True(HasRightTransportChecksum(Convert.FromHexString(segment))));
    }

    [Fact]
    public void An_IPv4_header_checksum_that_was_wrong_is_wrong_in_every_segment()
    {
        byte[] packet = Convert.FromHexString(Vectors.TcpV4);
        packet[11] ^= 0x10;
        string[] segments = Cut(Convert.ToHexString(packet), TcpV4);
        Assert.All(segments, segment => Assert.NotEqual(65535, SlowChecksum.Sum(Convert.FromHexString(segment)[..20])));
        Assert.Equal(3, segments.Length);
    }

    public static TheoryData<string, VnetHeader> Contradictions => new()
    {
        { "nothing is cut off at a time", TcpV4 with { GsoSize = 0 } },
        { "the checksum is not to be computed", TcpV4 with { NeedsChecksum = false } },
        { "TCP over IPv6", TcpV4 with { GsoType = GsoType.TcpV6 } },
        { "UDP", TcpV4 with { GsoType = GsoType.Udp } },
        { "UDP, with its checksum", TcpV4 with { GsoType = GsoType.Udp, ChecksumOffset = 6 } },
        { "a type that does not exist", TcpV4 with { GsoType = (GsoType)3 } },
        { "the ECN bit, which is to be taken off", TcpV4 with { GsoType = (GsoType)0x81 } },
        { "the checksum begins in the IP header", TcpV4 with { ChecksumStart = 16, ChecksumOffset = 20 } },
        { "the checksum begins behind the transport header", TcpV4 with { ChecksumStart = 24, ChecksumOffset = 12 } },
        { "the checksum is not where TCP has it", TcpV4 with { ChecksumOffset = 14 } },
        { "the checksum begins behind the end", TcpV4 with { ChecksumStart = 65535 } },
        { "the checksum is behind the end", TcpV4 with { GsoType = GsoType.None, ChecksumOffset = 24 } },
        { "a checksum alone begins in the IP header", TcpV4 with { GsoType = GsoType.None, ChecksumStart = 19 } },
        { "a checksum alone begins behind the end", TcpV4 with { GsoType = GsoType.None, ChecksumStart = 45, ChecksumOffset = 0 } },
    };

    [Theory]
    [MemberData(nameof(Contradictions))]
    public void A_header_that_contradicts_its_packet_is_refused(string what, VnetHeader header)
    {
        byte[] packet = Convert.FromHexString(Vectors.TcpV4);
        Assert.True(SuperPacket.TryParse(packet, TcpV4, out _));
        Assert.False(SuperPacket.TryParse(packet, header, out _), what);
    }

    [Fact]
    public void A_packet_that_contradicts_itself_is_refused()
    {
        byte[] tcp = Convert.FromHexString(Vectors.TcpV4), udp = Convert.FromHexString(Vectors.UdpV4);
        Assert.False(SuperPacket.TryParse([], TcpV4, out _));
        for (int length = 0; length < tcp.Length; length++)
            Assert.False(SuperPacket.TryParse(tcp.AsSpan(0, length), TcpV4, out _));
        Assert.False(SuperPacket.TryParse([.. tcp, 0], TcpV4, out _));
        AssertRefused(tcp, TcpV4, (6, 0x20)); // a first fragment
        AssertRefused(tcp, TcpV4, (7, 0x01)); // another fragment
        AssertRefused(tcp, TcpV4, (9, 17)); // UDP
        AssertRefused(tcp, TcpV4, (32, 0x40)); // a TCP header of 16 bytes
        AssertRefused(tcp, TcpV4, (32, 0x70)); // one that ends behind the packet
        AssertRefused(udp, UdpV4, (25, 0x0C)); // a UDP length that is not the packet's
    }

    [Fact]
    public void An_IPv6_header_that_is_unknown_or_cut_short_is_refused()
    {
        var inner = new InnerPacket { IsIPv6 = true, ExtensionHeaders = 2, Payload = [1, 2, 3] };
        (byte[] packet, VnetHeader header) = Begun(inner, gsoSize: 2);
        Assert.True(SuperPacket.TryParse(packet, header, out _));
        AssertRefused(packet, header, (6, 44)); // a fragment
        AssertRefused(packet, header, (40, 135)); // mobility
        AssertRefused(packet, header, (48, 50)); // what is encrypted
        AssertRefused(packet, header, (49, 1)); // a longer header: TCP would begin elsewhere
        AssertRefused(packet, header, (49, 255)); // one that ends behind the packet
        AssertRefused(packet, header, (48, 60)); // one more, where TCP begins
    }

    [Fact]
    public void A_packet_above_65535_bytes_is_refused()
    {
        (byte[] packet, VnetHeader header) = Begun(new InnerPacket { IsIPv6 = true, Payload = new byte[65535 - 60] }, gsoSize: 1400);
        Assert.True(SuperPacket.TryParse(packet, header, out _));
        byte[] longer = [.. packet, 0];
        BinaryPrimitives.WriteUInt16BigEndian(longer.AsSpan(4), 65535 - 39);
        Assert.False(SuperPacket.TryParse(longer, header, out _));
    }

    [Fact]
    public void What_is_no_segment_is_not_written()
    {
        byte[] packet = Convert.FromHexString(Vectors.TcpV4);
        Assert.Throws<ArgumentOutOfRangeException>(() => Write(3, 100));
        Assert.Throws<ArgumentOutOfRangeException>(() => Write(-1, 100));
        Assert.Throws<ArgumentException>(() => Write(0, 41));

        void Write(int index, int room)
        {
            Assert.True(SuperPacket.TryParse(packet, TcpV4, out SuperPacket superPacket));
            superPacket.WriteSegment(index, new byte[room]);
        }
    }

    private static void AssertRefused(byte[] packet, VnetHeader header, (int At, byte Value) change)
    {
        byte[] changed = [.. packet];
        changed[change.At] = change.Value;
        Assert.False(SuperPacket.TryParse(changed, header, out _), $"byte {change.At} is {change.Value}");
    }

    private static (byte[] Packet, VnetHeader Header) Begun(InnerPacket inner, ushort gsoSize)
    {
        byte[] packet = inner.ToBytes();
        SlowChecksum.Begin(packet, inner.TransportOffset, inner.IsUdp);
        return (packet, new VnetHeader
        {
            GsoType = inner.IsUdp ? GsoType.Udp : inner.IsIPv6 ? GsoType.TcpV6 : GsoType.TcpV4,
            GsoSize = gsoSize,
            NeedsChecksum = true,
            ChecksumStart = (ushort)inner.TransportOffset,
            ChecksumOffset = (ushort)(inner.IsUdp ? 6 : 16),
        });
    }

    private static string[] Cut(string packet, VnetHeader header)
    {
        Assert.True(SuperPacket.TryParse(Convert.FromHexString(packet), header, out SuperPacket superPacket));
        var segments = new string[superPacket.SegmentCount];
        for (int i = 0; i < segments.Length; i++)
        {
            var segment = new byte[superPacket.SegmentLength(i)];
            superPacket.WriteSegment(i, segment);
            segments[i] = Convert.ToHexString(segment);
        }
        return segments;
    }

    private static string Hexadecimal(InnerPacket inner) => Convert.ToHexString(inner.ToBytes());

    private static bool HasRightTransportChecksum(byte[] packet) =>
        SlowChecksum.Sum([.. SlowChecksum.PseudoHeader(packet, 20, packet[9] == 17), .. packet[20..]]) == 65535;
}
