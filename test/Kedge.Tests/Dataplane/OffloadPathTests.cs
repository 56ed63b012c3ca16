using Kedge.Fuzz.Offload;
using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Node.Dataplane;
using Kedge.Protocol.Offload;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Dataplane;

/// <summary>Packets that stand for several, through both packet paths, with and without offloads at the far end.</summary>
public sealed class OffloadPathTests : IDisposable
{
    private const TunOffloads All = TunOffloads.Tcp | TunOffloads.Udp;
    private const int Segment = 1000;

    private readonly PacketBuffer[] _scratch = PacketBuffer.Allocate(256);
    private readonly List<IDisposable> _ends = [];

    public static TheoryData<TunOffloads, bool, bool> FarEnds => new()
    {
        { TunOffloads.None, false, false },
        { TunOffloads.None, true, false },
        { All, false, false },
        { All, true, false },
        { TunOffloads.None, true, true },
        { TunOffloads.Tcp, true, true },
        { All, true, true },
    };

    [Theory]
    [MemberData(nameof(FarEnds))]
    public void A_packet_that_stands_for_several_arrives_as_one_or_as_all_of_them(TunOffloads offloads, bool runs, bool udp)
    {
        (PathEnd a, PathEnd b) = Connect(offloads, runs);
        (byte[] packet, VnetHeader header) = SuperPacket(udp, payload: 40 * Segment + 7);

        Inject(a, packet, header);
        PathEnd.Settle(a, b);

        int count = b.Queue.TakeWritten(_scratch);
        bool joins = offloads.HasFlag(udp ? TunOffloads.Udp : TunOffloads.Tcp);
        // Datagrams that arrive one by one are looked at by the batch.
        int batches = runs ? 1 : (41 + InboundPath.BatchSize - 1) / InboundPath.BatchSize;
        Assert.Equal(joins ? batches : 41, count);
        List<byte[]> arrived = [.. _scratch.Take(count).SelectMany(buffer => Cut(buffer.Packet.ToArray(), buffer.Vnet))];
        Assert.Equal(Cut(packet, header), arrived);
        Assert.Equal(0, a.Drops() + b.Drops());
    }

    [Fact]
    public void What_is_cut_goes_out_in_runs_of_equal_datagrams()
    {
        (PathEnd a, PathEnd b) = Connect(All, receivesRuns: true);
        (byte[] packet, VnetHeader header) = SuperPacket(udp: false, payload: 4 * Segment + 500);

        Inject(a, packet, header);
        Assert.Equal(1, a.Outbound.RunBatch());

        Assert.Equal(1, b.Socket.Receive(_scratch));
        int size = TransportData.PaddedLength(40 + Segment, mtu: 1420) + TransportData.Overhead;
        Assert.Equal(size, _scratch[0].GsoSize);
        Assert.Equal(4 * size + TransportData.PaddedLength(40 + 500, mtu: 1420) + TransportData.Overhead, _scratch[0].Length);
    }

    [Fact]
    public void Packets_of_one_size_that_are_read_together_go_out_together()
    {
        (PathEnd a, PathEnd b) = Connect(All, receivesRuns: true);
        for (int i = 0; i < 10; i++)
            a.Send(b, sequence: i);
        Assert.Equal(10, a.Outbound.RunBatch());
        Assert.Equal(1, b.Socket.Receive(_scratch));
        Assert.Equal(10 * _scratch[0].GsoSize, _scratch[0].Length);
    }

    [Fact]
    public void A_header_that_does_not_go_with_its_packet_drops_it()
    {
        (PathEnd a, PathEnd b) = Connect(All, receivesRuns: true);
        (byte[] packet, VnetHeader header) = SuperPacket(udp: false, payload: 5 * Segment);

        Inject(a, packet, header with { GsoType = GsoType.Udp });
        Inject(a, packet, header with { ChecksumStart = 21 });
        PathEnd.Settle(a, b);

        Assert.Equal(2, a.WireGuard.Drops[DropReason.MalformedPacket]);
        Assert.Equal(0, b.Queue.TakeWritten(_scratch));
    }

    [Fact]
    public void A_segment_for_each_byte_is_carried_too()
    {
        (PathEnd a, PathEnd b) = Connect(All, receivesRuns: true);
        (byte[] packet, VnetHeader header) = SuperPacket(udp: false, payload: 1000);
        header = header with { GsoSize = 1 };

        Inject(a, packet, header);
        PathEnd.Settle(a, b);

        int count = b.Queue.TakeWritten(_scratch);
        Assert.Equal(Cut(packet, header), _scratch.Take(count).SelectMany(buffer => Cut(buffer.Packet.ToArray(), buffer.Vnet)));
    }

    [Fact]
    public void Carrying_packets_that_stand_for_several_allocates_nothing()
    {
        (PathEnd a, PathEnd b) = Connect(All, receivesRuns: true);
        (byte[] packet, VnetHeader header) = SuperPacket(udp: false, payload: 40 * Segment);
        // Until the runtime has compiled everything for good, which it does in the background, a call may still allocate once.
        long allocated = 1;
        for (int attempt = 0; attempt < 10 && allocated > 0; attempt++)
        {
            allocated = 0;
            for (int i = 0; i < 100; i++)
                allocated += Carry();
        }
        Assert.Equal(0, allocated);
        Assert.Equal(0, a.Drops() + b.Drops());

        long Carry()
        {
            Inject(a, packet, header);
            long before = GC.GetAllocatedBytesForCurrentThread();
            int sent = a.Outbound.RunBatch();
            int received = b.Inbound.RunBatch();
            long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.Equal((1, 1, 1), (sent, received, b.Queue.TakeWritten(_scratch)));
            return bytes;
        }
    }

    public void Dispose() => _ends.ForEach(end => end.Dispose());

    /// <summary>Two ends with a session between them.</summary>
    private (PathEnd A, PathEnd B) Connect(TunOffloads offloads, bool receivesRuns)
    {
        PathEnd a = new("192.0.2.1:1", "10.0.0.1", All), b = new("192.0.2.2:2", "10.0.0.2", offloads, receivesRuns);
        _ends.AddRange([a, b]);
        PathEnd.Connect(a, b);
        a.Send(b, sequence: 0);
        PathEnd.Settle(a, b);
        Assert.Equal([0], b.TakeSequences(_scratch));
        return (a, b);
    }

    private static (byte[] Packet, VnetHeader Header) SuperPacket(bool udp, int payload)
    {
        var inner = new InnerPacket { IsUdp = udp, Payload = [.. Enumerable.Range(0, payload).Select(i => (byte)(i * 7))] };
        byte[] packet = inner.ToBytes();
        // From 10.0.0.1 to 10.0.0.2, whatever it was from and to.
        ((byte[])[10, 0, 0, 1, 10, 0, 0, 2]).CopyTo(packet, 12);
        SlowChecksum.Repair(packet, inner.TransportOffset, udp);
        SlowChecksum.Begin(packet, inner.TransportOffset, udp);
        return (packet, new VnetHeader
        {
            GsoType = udp ? GsoType.Udp : GsoType.TcpV4,
            GsoSize = Segment,
            HeaderLength = (ushort)inner.HeaderLength,
            NeedsChecksum = true,
            ChecksumStart = (ushort)inner.TransportOffset,
            ChecksumOffset = (ushort)(udp ? 6 : 16),
        });
    }

    private static void Inject(PathEnd end, byte[] packet, VnetHeader header)
    {
        var buffer = new PacketBuffer { Length = packet.Length, Vnet = header };
        packet.CopyTo(buffer.Packet);
        end.Queue.Inject(buffer);
    }

    /// <summary>The packets that one stands for, by the oracle of the fuzz targets.</summary>
    private static List<byte[]> Cut(byte[] packet, VnetHeader header) => SlowSegmenter.Cut(packet, header)!;
}
