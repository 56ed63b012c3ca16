using FsCheck;
using FsCheck.Fluent;
using Kedge.Fuzz.Offload;
using Kedge.Protocol.Offload;
using Microsoft.FSharp.Core;

namespace Kedge.Tests.Offload;

/// <summary>Cutting undoes joining and joining undoes cutting, on generated flows. A failure prints the flows and what to replay it
/// with; of several flows, only those that it takes.</summary>
public class RoundTripTests
{
    private const ulong Seed = 20260101;

    [Fact]
    public void What_is_joined_is_cut_into_the_packets_that_came() => Check(
        Arb.From(Flows, Fewer),
        flows =>
        {
            byte[][] packets = Interleave(flows);
            List<byte[]> cut = [.. CoalescedBatch.Of(packets).SelectMany(written => Cut(written.Packet, written.Header))];
            foreach (Flow flow in flows)
                Assert.Equal(OfPort(packets, flow), OfPort(cut, flow));
            Assert.Equal(packets.Length, cut.Count);
        });

    [Fact]
    public void What_is_cut_is_joined_into_the_packet_that_was() => Check(
        FlowOf(port: 1).ToArbitrary(),
        flow =>
        {
            int size = Math.Max(1, flow.PayloadLengths[0]);
            InnerPacket inner = flow.Template with { Payload = Payload(3 * size + 1, 7), Flags = 0x18 };
            byte[] packet = inner.ToBytes();
            SlowChecksum.Begin(packet, inner.TransportOffset, inner.IsUdp);
            var header = new VnetHeader
            {
                GsoType = inner.IsUdp ? GsoType.Udp : inner.IsIPv6 ? GsoType.TcpV6 : GsoType.TcpV4,
                GsoSize = (ushort)size,
                HeaderLength = (ushort)inner.HeaderLength,
                NeedsChecksum = true,
                ChecksumStart = (ushort)inner.TransportOffset,
                ChecksumOffset = (ushort)(inner.IsUdp ? 6 : 16),
            };
            (byte[] joined, VnetHeader actual) = Assert.Single(CoalescedBatch.Of(Cut(packet, header)));
            Assert.Equal(packet, joined);
            Assert.Equal(header, actual);
        });

    [Fact]
    public void What_is_corrupted_stays_corrupted() => Check(
        (from flow in FlowOf(port: 1)
         from place in Gen.Choose(0, 1_000_000)
         select (flow, place)).ToArbitrary(),
        story =>
        {
            byte[][] packets = Interleave([story.flow]);
            byte[] victim = packets[story.place % packets.Length];
            int transport = story.flow.Template.TransportOffset;
            int bit = 8 * transport + story.place % (8 * (victim.Length - transport));
            victim[bit / 8] ^= (byte)(1 << (bit % 8));
            var written = CoalescedBatch.Of(packets);
            Assert.Contains(written, packet => packet.Header == default && packet.Packet.AsSpan().SequenceEqual(victim));
            byte[][] cut = [.. written.SelectMany(packet => Cut(packet.Packet, packet.Header))];
            if (bit >= 8 * (transport + 4))
                Assert.Equal(packets, cut);
            else // with other ports it is of another flow
                Assert.Equal(packets.Where(packet => packet != victim), cut.Where(packet => !packet.AsSpan().SequenceEqual(victim)));
        });

    private static Gen<Flow[]> Flows =>
        from count in Gen.Choose(1, 18)
        from flows in Gen.CollectToArray(Enumerable.Range(1, count), port => FlowOf((ushort)port))
        select flows;

    private static IEnumerable<Flow[]> Fewer(Flow[] flows) =>
        flows.Length == 1 ? [] : flows.Select(omitted => flows.Where(flow => flow != omitted).ToArray());

    private static Gen<Flow> FlowOf(ushort port) =>
        from isIPv6 in Gen.Elements(false, true)
        from isUdp in Gen.Elements(false, true)
        from trafficClass in Gen.Choose(0, 255)
        from start in Gen.Elements(0u, 1_000_000u, uint.MaxValue - 100)
        from options in Gen.Elements(0, 4, 12, 40)
        from size in Gen.Elements(1, 2, 7, 64, 200)
        from lengths in Gen.NonEmptyListOf(
            Gen.Frequency((8, Gen.Constant(size)), (1, Gen.Choose(0, size)), (1, Gen.Choose(size, size + 3))))
        from flags in Gen.ArrayOf(
            Gen.Frequency((8, Gen.Constant<byte>(0x10)), (1, Gen.Constant<byte>(0x18)), (1, Gen.Elements<byte>(0x11, 0x90))),
            lengths.Count)
        let template = new InnerPacket
        {
            IsIPv6 = isIPv6,
            IsUdp = isUdp,
            TrafficClass = (byte)trafficClass,
            SourcePort = port,
            SequenceNumber = start,
            Identification = (ushort)start,
            TcpOptions = Payload(options, 1),
        }
        select new Flow(template, [.. lengths], flags);

    // One packet of each flow in turn, as long as it has any.
    private static byte[][] Interleave(Flow[] flows) =>
    [
        .. Enumerable.Range(0, flows.Max(flow => flow.PayloadLengths.Length))
            .SelectMany(i => flows.Where(flow => i < flow.PayloadLengths.Length).Select(flow => flow.PacketAt(i).ToBytes())),
    ];

    private static byte[][] Cut(byte[] packet, VnetHeader header)
    {
        Assert.True(SuperPacket.TryParse(packet, header, out SuperPacket superPacket));
        var segments = new byte[superPacket.SegmentCount][];
        for (int i = 0; i < segments.Length; i++)
        {
            segments[i] = new byte[superPacket.SegmentLength(i)];
            superPacket.WriteSegment(i, segments[i]);
        }
        return segments;
    }

    private static IEnumerable<byte[]> OfPort(IEnumerable<byte[]> packets, Flow flow)
    {
        int transport = flow.Template.TransportOffset;
        return packets.Where(packet =>
            packet[0] >> 4 == (flow.Template.IsIPv6 ? 6 : 4) && SlowChecksum.Load(packet, transport) == flow.Template.SourcePort);
    }

    private static byte[] Payload(int length, int serial) => [.. Enumerable.Range(0, length).Select(i => (byte)(i * 31 + serial))];

    private static void Check<T>(Arbitrary<T> values, Action<T> property) => FsCheck.Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(50).WithEndSize(30).WithQuietOnSuccess(true)
            .WithReplay(FSharpOption<Replay>.Some(new Replay(new Rnd(Seed), FSharpOption<int>.None))),
        Prop.ForAll(values, property));

    /// <summary>A flow whose packets differ in what they carry.</summary>
    private sealed record Flow(InnerPacket Template, int[] PayloadLengths, byte[] Flags)
    {
        public InnerPacket PacketAt(int index) => Template with
        {
            SequenceNumber = Template.SequenceNumber + (uint)PayloadLengths.Take(index).Sum(),
            Identification = (ushort)(Template.Identification + index),
            Flags = Flags[index],
            Payload = Payload(PayloadLengths[index], index),
        };

        public override string ToString() =>
            $"{Template}, payloads of {string.Join(' ', PayloadLengths)}, flags {Convert.ToHexString(Flags)}";
    }
}
