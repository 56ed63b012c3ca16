using Kedge.Fuzz.Offload;
using Kedge.Protocol.Offload;

namespace Kedge.Tests.Offload;

/// <summary>TCP that is cut smaller than it was to be, held to the oracle of the fuzz targets and to checksums that are computed
/// anew.</summary>
public class LimitTests
{
    private const byte Fin = 0x01, Syn = 0x02, Rst = 0x04, Psh = 0x08, Ack = 0x10, Cwr = 0x80;

    public static TheoryData<bool, int, int, int, int> Packets()
    {
        var data = new TheoryData<bool, int, int, int, int>();
        foreach (bool isIPv6 in (bool[])[false, true])
        {
            data.Add(isIPv6, 0, 12, 1216, 65_000);
            data.Add(isIPv6, 0, 0, 1216, 1217);
            data.Add(isIPv6, 2, 40, 576, 5001);
            data.Add(isIPv6, 3, 12, 1200, 1368);
            data.Add(isIPv6, 0, 12, 1360, 1361);
            data.Add(isIPv6, 1, 4, 128, 3000);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Packets))]
    public void What_stands_for_several_is_cut_as_if_the_kernel_had_cut_it_so(
        bool isIPv6, int ipOptions, int tcpOptions, int longest, int length)
    {
        InnerPacket inner = Packet(isIPv6, ipOptions, tcpOptions, length);
        (byte[] packet, VnetHeader header) = Begun(inner, gsoSize: 1368);

        List<byte[]> segments = Limit(packet, header, longest);

        Assert.Equal(SlowSegmenter.Cut(packet, header with { GsoSize = (ushort)Math.Min(1368, longest - inner.HeaderLength) }), segments);
        AssertWhole(inner, segments, longest);
    }

    [Theory]
    [MemberData(nameof(Packets))]
    public void A_packet_of_its_own_is_cut_evenly_whether_its_checksum_is_there_or_left_to_the_device(
        bool isIPv6, int ipOptions, int tcpOptions, int longest, int length)
    {
        InnerPacket inner = Packet(isIPv6, ipOptions, tcpOptions, length);
        (byte[] begun, VnetHeader header) = Begun(inner, gsoSize: 0);
        int payload = inner.Payload.Length, most = longest - inner.HeaderLength, count = (payload + most - 1) / most;

        List<byte[]> segments = Limit(inner.ToBytes(), default, longest);

        Assert.Equal(SlowSegmenter.Cut(begun, Begun(inner, gsoSize: (payload + count - 1) / count).Header), segments);
        Assert.Equal(segments, Limit(begun, header, longest));
        AssertWhole(inner, segments, longest);
        Assert.InRange(segments[0].Length - segments[^1].Length, 0, count);
    }

    [Fact]
    public void PSH_and_FIN_are_on_the_last_segment_alone_and_CWR_on_the_first()
    {
        InnerPacket inner = Packet(isIPv6: false, 0, 12, 3000) with { Flags = Ack | Psh | Fin | Cwr };

        List<byte[]> segments = Limit(inner.ToBytes(), default, 1216);

        Assert.Equal([Ack | Cwr, Ack, Ack | Psh | Fin], segments.Select(segment => (int)segment[33]));
    }

    [Fact]
    public void UDP_is_never_cut()
    {
        foreach (bool isIPv6 in (bool[])[false, true])
        {
            var inner = new InnerPacket { IsUdp = true, IsIPv6 = isIPv6, Payload = new byte[5000] };
            (byte[] packet, VnetHeader header) = Begun(inner, gsoSize: 1300);
            Assert.False(TryLimit(packet, header, 1216));
            Assert.False(TryLimit(inner.ToBytes(), default, 1216));
        }
    }

    [Fact]
    public void What_begins_or_ends_a_connection_stays_whole()
    {
        foreach (byte flags in (byte[])[Syn, Syn | Ack, Rst, Rst | Ack])
        {
            InnerPacket inner = Packet(isIPv6: false, 0, 12, 1400) with { Flags = flags };
            Assert.False(TryLimit(inner.ToBytes(), default, 1216));
            (byte[] packet, VnetHeader header) = Begun(inner, gsoSize: 1300);
            Assert.False(TryLimit(packet, header, 1216));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_is_wrong_stays_whole_so_that_its_receiver_sees_that_it_is(bool isIPv6)
    {
        InnerPacket inner = Packet(isIPv6, 0, 12, 1400);
        byte[] packet = inner.ToBytes();
        Assert.True(TryLimit(packet, default, 1216));
        for (int i = inner.TransportOffset; i < packet.Length; i += 7)
        {
            byte[] changed = [.. packet];
            changed[i] ^= 0x40;
            Assert.False(TryLimit(changed, default, 1216), $"byte {i}");
        }
    }

    [Fact]
    public void A_fragment_and_what_leaves_no_room_for_payload_stay_whole()
    {
        InnerPacket inner = Packet(isIPv6: false, 0, 12, 1400);
        Assert.False(TryLimit((inner with { Fragment = 0x2000 }).ToBytes(), default, 1216));
        Assert.False(TryLimit((inner with { Fragment = 0x0010 }).ToBytes(), default, 1216));
        Assert.False(TryLimit(inner.ToBytes(), default, inner.HeaderLength));
        Assert.True(TryLimit(inner.ToBytes(), default, inner.HeaderLength + 1));
        Assert.False(TryLimit((inner with { Payload = [] }).ToBytes(), default, 30));
        // A checksum that is not TCP's is left to the device.
        byte[] packet = inner.ToBytes();
        Assert.False(TryLimit(packet, new VnetHeader { NeedsChecksum = true, ChecksumStart = 20, ChecksumOffset = 6 }, 1216));
    }

    [Fact]
    public void Random_packets_are_cut_as_the_oracle_cuts_them()
    {
        const int Seed = 20261201;
        TestContext.Current.TestOutputHelper?.WriteLine($"Seed {Seed}.");
        var random = new Random(Seed);
        for (int i = 0; i < 2000; i++)
        {
            InnerPacket inner = Packet(random.Next(2) == 0, random.Next(4), 4 * random.Next(11), 200 + random.Next(3000)) with
            {
                Flags = (byte)(random.Next(256) & ~(Syn | Rst) | Ack),
                SequenceNumber = (uint)random.NextInt64(1L << 32),
                Identification = (ushort)random.Next(65536),
            };
            int longest = 150 + random.Next(1300);
            if (random.Next(2) == 0)
            {
                (byte[] packet, VnetHeader header) = Begun(inner, gsoSize: 1 + random.Next(1400));
                int size = Math.Min(header.GsoSize, longest - inner.HeaderLength);
                Assert.Equal(SlowSegmenter.Cut(packet, header with { GsoSize = (ushort)size }), Limit(packet, header, longest));
                continue;
            }
            int payload = inner.Payload.Length, most = longest - inner.HeaderLength, count = (payload + most - 1) / most;
            (byte[] begun, VnetHeader cut) = Begun(inner, gsoSize: (payload + count - 1) / count);
            Assert.Equal(SlowSegmenter.Cut(begun, cut), Limit(inner.ToBytes(), default, longest));
        }
    }

    private static InnerPacket Packet(bool isIPv6, int ipOptions, int tcpOptions, int length)
    {
        var inner = new InnerPacket
        {
            IsIPv6 = isIPv6,
            ExtensionHeaders = isIPv6 ? ipOptions : 0,
            IPv4Options = isIPv6 ? [] : [.. Enumerable.Repeat((byte)1, 4 * ipOptions)],
            TcpOptions = [.. Enumerable.Repeat((byte)1, tcpOptions)],
            Flags = Ack | Psh,
            SequenceNumber = 0xFFFF_FF00,
            Identification = 0xFFFE,
        };
        int payload = Math.Max(length - inner.HeaderLength, 1);
        return inner with { Payload = [.. Enumerable.Range(0, payload).Select(i => (byte)(i * 31 + i / 256))] };
    }

    private static (byte[] Packet, VnetHeader Header) Begun(InnerPacket inner, int gsoSize)
    {
        byte[] packet = inner.ToBytes();
        SlowChecksum.Begin(packet, inner.TransportOffset, inner.IsUdp);
        return (packet, new VnetHeader
        {
            GsoType = gsoSize == 0 ? GsoType.None : inner.IsUdp ? GsoType.Udp : inner.IsIPv6 ? GsoType.TcpV6 : GsoType.TcpV4,
            GsoSize = (ushort)gsoSize,
            NeedsChecksum = true,
            ChecksumStart = (ushort)inner.TransportOffset,
            ChecksumOffset = (ushort)(inner.IsUdp ? 6 : 16),
        });
    }

    private static bool TryLimit(byte[] packet, VnetHeader header, int longest)
    {
        Assert.True(SuperPacket.TryParse(packet, header, out SuperPacket superPacket));
        return superPacket.TryLimit(longest, out _);
    }

    private static List<byte[]> Limit(byte[] packet, VnetHeader header, int longest)
    {
        Assert.True(SuperPacket.TryParse(packet, header, out SuperPacket whole));
        Assert.True(whole.TryLimit(longest, out SuperPacket superPacket));
        List<byte[]> segments = [];
        for (int i = 0; i < superPacket.SegmentCount; i++)
        {
            byte[] segment = new byte[superPacket.SegmentLength(i)];
            superPacket.WriteSegment(i, segment);
            segments.Add(segment);
        }
        return segments;
    }

    /// <summary>Every segment is right by itself, and together they have the packet's payload.</summary>
    private static void AssertWhole(InnerPacket inner, List<byte[]> segments, int longest)
    {
        foreach (byte[] segment in segments)
        {
            Assert.InRange(segment.Length, inner.HeaderLength + 1, longest);
            byte[] repaired = [.. segment];
            SlowChecksum.Repair(repaired, inner.TransportOffset, isUdp: false);
            Assert.Equal(repaired, segment);
        }
        Assert.Equal(inner.Payload, segments.SelectMany(segment => segment[inner.HeaderLength..]));
        Assert.True(segments.Count > 1 || inner.HeaderLength + inner.Payload.Length <= longest);
    }
}
