using Kedge.Fuzz.Offload;
using Kedge.Protocol.Offload;

namespace Kedge.Tests.Offload;

/// <summary>
/// What is joined, and what is not. Every batch is also held against <see cref="SlowCoalescer"/> and cut again, see
/// <see cref="CoalescedBatch"/>.
/// </summary>
public class CoalescerTests
{
    private static readonly InnerPacket Tcp = new() { Payload = [1, 2, 3, 4] };
    private static readonly InnerPacket Udp = new() { IsUdp = true, Payload = [1, 2, 3, 4] };

    [Fact]
    public void TCP_over_IPv4_is_joined() => AssertJoined(
        Vectors.TcpV4,
        Vectors.TcpV4Segments,
        new() { GsoType = GsoType.TcpV4, GsoSize = 2, HeaderLength = 40, NeedsChecksum = true, ChecksumStart = 20, ChecksumOffset = 16 });

    [Fact]
    public void TCP_over_IPv6_with_options_is_joined() => AssertJoined(
        Vectors.TcpV6,
        Vectors.TcpV6Segments,
        new() { GsoType = GsoType.TcpV6, GsoSize = 2, HeaderLength = 72, NeedsChecksum = true, ChecksumStart = 40, ChecksumOffset = 16 });

    [Fact]
    public void UDP_over_IPv4_is_joined() => AssertJoined(
        Vectors.UdpV4,
        Vectors.UdpV4Segments,
        new() { GsoType = GsoType.Udp, GsoSize = 2, HeaderLength = 28, NeedsChecksum = true, ChecksumStart = 20, ChecksumOffset = 6 });

    [Fact]
    public void UDP_over_IPv6_is_joined() => AssertJoined(
        Vectors.UdpV6,
        Vectors.UdpV6Segments,
        new() { GsoType = GsoType.Udp, GsoSize = 2, HeaderLength = 48, NeedsChecksum = true, ChecksumStart = 40, ChecksumOffset = 6 });

    [Fact]
    public void UDP_passes_as_it_is_where_the_kernel_does_not_cut_it()
    {
        byte[][] packets = [.. Vectors.UdpV4Segments.Select(Convert.FromHexString)];
        Assert.Equal(packets, CoalescedBatch.Of(packets, udp: false).Select(written => written.Packet));
    }

    [Fact]
    public void PSH_ends_a_packet() => AssertCounts([3, 2], Row(Tcp, Tcp, Tcp with { Flags = 0x18 }, Tcp, Tcp));

    [Fact]
    public void A_shorter_payload_ends_a_packet()
    {
        AssertCounts([3, 2], Row(Tcp, Tcp, Tcp with { Payload = [1] }, Tcp, Tcp));
        AssertCounts([3, 2], Row(Udp, Udp, Udp with { Payload = [1] }, Udp, Udp));
    }

    [Fact]
    public void A_longer_payload_begins_another_packet()
    {
        AssertCounts([2, 3], Row(Tcp, Tcp, Tcp with { Payload = new byte[5] }, Tcp with { Payload = new byte[5] }, Tcp));
        AssertCounts([1, 2], Row(Udp, Udp with { Payload = new byte[5] }, Udp with { Payload = new byte[5] }));
    }

    [Fact]
    public void Packets_without_payload_are_never_joined()
    {
        AssertCounts([2, 1, 2], Row(Tcp, Tcp, Tcp with { Payload = [] }, Tcp, Tcp));
        AssertCounts([1, 1, 1], Row(Enumerable.Repeat(Udp with { Payload = [] }, 3)));
        InnerPacket udp = Udp with { IsIPv6 = true }; // nothing but its place tells that it comes between
        AssertCounts([2, 1, 2], Row(udp, udp, udp with { Payload = [] }, udp, udp));
    }

    [Fact]
    public void No_packet_is_longer_than_65535_bytes()
    {
        InnerPacket tcp = Tcp with { Payload = new byte[(65535 - 40) / 5] }; // five fill it to the last byte
        AssertCounts([5, 5], Row(Enumerable.Repeat(tcp, 10)));
        InnerPacket udp = Udp with { IsIPv6 = true, Payload = new byte[1372] };
        AssertCounts([47, 3], Row(Enumerable.Repeat(udp, 50)));
    }

    [Fact]
    public void A_checksum_of_all_ones_is_joined_in_UDP_alone()
    {
        byte[][] udp = Row(Udp, Udp, Udp), tcp = Row(Tcp, Tcp, Tcp);
        MakeZero(udp[1], 28, 26, isUdp: true);
        MakeZero(tcp[1], 40, 36, isUdp: false);
        AssertCounts([3], udp);
        AssertCounts([3], tcp);
        SlowChecksum.Store(tcp[1], 36, 65535); // as right as before, but Linux would make 0 of it
        AssertCounts([1, 1, 1], tcp);

        static void MakeZero(byte[] packet, int payload, int field, bool isUdp)
        {
            SlowChecksum.Store(packet, payload, SlowChecksum.Sum(packet[payload..(payload + 2)], SlowChecksum.Load(packet, field)));
            SlowChecksum.Repair(packet, 20, isUdp);
            Assert.Equal(isUdp ? 65535 : 0, SlowChecksum.Load(packet, field));
        }
    }

    [Fact]
    public void UDP_without_a_checksum_is_not_joined()
    {
        byte[][] packets = Row(Udp, Udp, Udp, Udp, Udp);
        SlowChecksum.Store(packets[2], 26, 0);
        AssertCounts([2, 1, 2], packets);
    }

    [Fact]
    public void Flows_may_alternate()
    {
        InnerPacket[] flows =
            [.. Enumerable.Range(0, Coalescer.MaximumFlows).Select(i => (i % 2 == 0 ? Tcp : Udp) with { SourcePort = (ushort)i })];
        AssertCounts(Enumerable.Repeat(3, flows.Length), Row([.. flows, .. flows, .. flows]));
    }

    [Fact]
    public void One_flow_too_many_ends_the_packet_of_the_first()
    {
        InnerPacket[] flows = [.. Enumerable.Range(0, Coalescer.MaximumFlows + 1).Select(i => Tcp with { SourcePort = (ushort)i })];
        AssertCounts([1, .. Enumerable.Repeat(2, Coalescer.MaximumFlows - 1), 2, 1], Row([.. flows, .. flows[1..], flows[0]]));
    }

    [Theory]
    [InlineData(44)] // a fragment
    [InlineData(60)] // destination options
    [InlineData(50)] // encrypted
    [InlineData(253)] // who knows
    public void Nothing_overtakes_an_IPv6_packet_of_which_the_flow_is_unknown(byte nextHeader)
    {
        byte[][] packets = Row(Tcp, Udp, Tcp, Udp with { IsIPv6 = true, SourcePort = 1 }, Tcp, Udp, Tcp);
        packets[3][6] = nextHeader;
        AssertCounts([2, 1, 1, 2, 1], packets);
    }

    [Fact]
    public void Nothing_overtakes_a_fragment()
    {
        AssertCounts([2, 1, 1, 2, 1], Row(Tcp, Udp, Tcp, Udp with { Fragment = 0x2000 }, Tcp, Udp, Tcp));
        AssertCounts([2, 1, 1, 2, 1], Row(Tcp, Udp, Tcp, Udp with { Fragment = 0x0003 }, Tcp, Udp, Tcp));
    }

    [Theory]
    [InlineData(false, 1)] // ICMP
    [InlineData(false, 50)]
    [InlineData(true, 58)] // ICMPv6
    public void Packets_of_other_protocols_end_nothing(bool isIPv6, byte protocol)
    {
        byte[][] packets = Row(Tcp, Tcp with { IsIPv6 = isIPv6, SourcePort = 1 }, Tcp);
        packets[1][isIPv6 ? 6 : 9] = protocol;
        AssertCounts([2, 1], packets);
    }

    public static TheoryData<string, bool> Differences =>
        [.. Changes.Keys.Select(name => (name, name.StartsWith("IPv6", StringComparison.Ordinal)))];

    private static readonly Dictionary<string, Func<InnerPacket, InnerPacket>> Changes = new()
    {
        ["acknowledgment number"] = packet => packet with { AcknowledgmentNumber = packet.AcknowledgmentNumber + 1 },
        ["window"] = packet => packet with { Window = 513 },
        ["gap"] = packet => packet with { SequenceNumber = packet.SequenceNumber + 1 },
        ["retransmission"] = packet => packet with { SequenceNumber = packet.SequenceNumber - 4 },
        ["DSCP"] = packet => packet with { TrafficClass = 0x20 },
        ["ECN"] = packet => packet with { TrafficClass = 0x03 },
        ["TTL"] = packet => packet with { HopLimit = 63 },
        ["DF"] = packet => packet with { Fragment = 0 },
        ["reserved flag of IPv4"] = packet => packet with { Fragment = 0xC000 },
        ["identification with a gap"] = packet => packet with { Identification = (ushort)(packet.Identification + 1) },
        ["identification as before"] = packet => packet with { Identification = (ushort)(packet.Identification - 1) },
        ["IPv4 options"] = packet => packet with { IPv4Options = [1, 1, 1, 1] },
        ["TCP options"] = packet => packet with { TcpOptions = [1, 1, 1, 1] },
        ["urgent pointer"] = packet => packet with { UrgentPointer = 1 },
        ["FIN"] = packet => packet with { Flags = 0x11 },
        ["SYN"] = packet => packet with { Flags = 0x12 },
        ["RST"] = packet => packet with { Flags = 0x14 },
        ["URG"] = packet => packet with { Flags = 0x30 },
        ["ECE"] = packet => packet with { Flags = 0x50 },
        ["CWR"] = packet => packet with { Flags = 0x90 },
        ["no ACK"] = packet => packet with { Flags = 0 },
        ["AE"] = packet => packet with { Reserved = 1 },
        ["IPv6 traffic class"] = packet => packet with { TrafficClass = 0x03 },
        ["IPv6 flow label"] = packet => packet with { FlowLabel = 1 },
        ["IPv6 hop limit"] = packet => packet with { HopLimit = 63 },
        ["IPv6 extension header"] = packet => packet with { ExtensionHeaders = 1 },
    };

    [Theory]
    [MemberData(nameof(Differences))]
    public void A_packet_that_differs_is_not_joined_and_keeps_its_place(string change, bool isIPv6)
    {
        InnerPacket[] row = Continue(Enumerable.Repeat(Tcp with { IsIPv6 = isIPv6 }, 5));
        row[2] = Changes[change](row[2]);
        AssertCounts([2, 1, 2], [.. row.Select(packet => packet.ToBytes())]);
    }

    [Fact]
    public void Packets_that_are_alike_but_of_a_kind_that_is_not_joined_stay_alone()
    {
        foreach (byte flags in new byte[] { 0x00, 0x02, 0x11, 0x14, 0x30, 0x50, 0x90 })
            AssertCounts([1, 1, 1], Row(Enumerable.Repeat(Tcp with { Flags = flags }, 3)));
        AssertCounts([1, 1, 1], Row(Enumerable.Repeat(Tcp with { IPv4Options = [1, 1, 1, 1] }, 3)));
        AssertCounts([1, 1, 1], Row(Enumerable.Repeat(Tcp with { IsIPv6 = true, ExtensionHeaders = 1 }, 3)));
        AssertCounts([1, 1, 1], Row(Enumerable.Repeat(Tcp with { Fragment = 0xC000 }, 3)));
        AssertCounts([1, 1, 1], Row(Enumerable.Repeat(Tcp with { Flags = 0x18 }, 3)));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void No_flipped_bit_is_hidden(bool isIPv6, bool isUdp)
    {
        byte[][] row = Row(Enumerable.Repeat((isUdp ? Udp : Tcp) with { IsIPv6 = isIPv6 }, 3));
        // What no checksum covers, in IPv6, is compared with the first packet instead.
        for (int bit = 0; bit < 8 * row[1].Length; bit++)
        {
            byte[] flipped = [.. row[1]];
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            var written = CoalescedBatch.Of([row[0], flipped, row[2]]);
            Assert.Contains(written, packet => packet.Header == default && packet.Packet.AsSpan().SequenceEqual(flipped));
        }
    }

    [Fact]
    public void A_full_batch_takes_no_more_until_it_is_cleared()
    {
        var coalescer = new Coalescer(capacity: 2);
        byte[] packet = Tcp.ToBytes();
        for (int round = 0; round < 3; round++)
        {
            Assert.True(coalescer.TryAdd(packet, 0, packet.Length));
            Assert.True(coalescer.TryAdd(packet, 0, packet.Length));
            Assert.False(coalescer.TryAdd(packet, 0, packet.Length));
            Assert.Equal(2, coalescer.Count);
            coalescer.Clear();
            Assert.Equal(0, coalescer.Count);
        }
    }

    [Fact]
    public void A_batch_does_not_go_on_in_the_next_one()
    {
        var coalescer = new Coalescer();
        foreach (byte[] packet in Row(Tcp, Tcp, Tcp))
        {
            coalescer.Clear();
            coalescer.TryAdd(packet, 0, packet.Length);
            Assert.Equal(1, coalescer.Count);
            Assert.Same(packet, coalescer[0].Array);
        }
    }

    [Fact]
    public void What_is_not_there_is_not_written()
    {
        var coalescer = new Coalescer();
        byte[][] packets = Row(Tcp, Tcp);
        foreach (byte[] packet in packets)
            coalescer.TryAdd(packet, 0, packet.Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => coalescer[1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => coalescer.Write(1, new byte[100]));
        Assert.Throws<ArgumentOutOfRangeException>(() => coalescer.Write(-1, new byte[100]));
        Assert.ThrowsAny<ArgumentException>(() => coalescer.Write(0, new byte[47]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Coalescer(capacity: 0));
    }

    private static void AssertJoined(string expected, string[] packets, VnetHeader header)
    {
        (byte[] packet, VnetHeader actual) = Assert.Single(CoalescedBatch.Of([.. packets.Select(Convert.FromHexString)]));
        Assert.Equal(expected, Convert.ToHexString(packet));
        Assert.Equal(header, actual);
    }

    private static void AssertCounts(IEnumerable<int> expected, byte[][] packets)
    {
        var coalescer = new Coalescer();
        foreach (byte[] packet in packets)
            Assert.True(coalescer.TryAdd(packet, 0, packet.Length));
        Assert.Equal(expected, Enumerable.Range(0, coalescer.Count).Select(i => coalescer[i].PacketCount));
        CoalescedBatch.Of(packets);
    }

    private static byte[][] Row(params IEnumerable<InnerPacket> packets) => [.. Continue(packets).Select(packet => packet.ToBytes())];

    // Packets whose sequence numbers and identifications go on from one to the next of the same flow.
    private static InnerPacket[] Continue(IEnumerable<InnerPacket> packets)
    {
        Dictionary<(bool, bool, int), (uint Sequence, ushort Identification)> flows = [];
        List<InnerPacket> row = [];
        foreach (InnerPacket packet in packets)
        {
            var flow = (packet.IsIPv6, packet.IsUdp, packet.SourcePort);
            (uint sequence, ushort identification) = flows.GetValueOrDefault(flow, (uint.MaxValue - 5, (ushort)65534));
            row.Add(packet with { SequenceNumber = sequence, Identification = identification });
            flows[flow] = (sequence + (uint)packet.Payload.Length, (ushort)(identification + 1));
        }
        return [.. row];
    }
}
