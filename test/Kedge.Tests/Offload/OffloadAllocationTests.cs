using Kedge.Fuzz.Offload;
using Kedge.Protocol.Offload;

namespace Kedge.Tests.Offload;

/// <summary>What cutting and joining cost the garbage collector: nothing.</summary>
public class OffloadAllocationTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_packet_that_is_cut_and_joined_allocates_nothing(bool isUdp)
    {
        var inner = new InnerPacket { IsUdp = isUdp, Payload = new byte[30_000] };
        byte[] packet = inner.ToBytes(), segments = new byte[65_536], joined = new byte[65_536];
        SlowChecksum.Begin(packet, inner.TransportOffset, isUdp);
        var header = new VnetHeader
        {
            GsoType = isUdp ? GsoType.Udp : GsoType.TcpV4,
            GsoSize = 1380,
            NeedsChecksum = true,
            ChecksumStart = 20,
            ChecksumOffset = (ushort)(isUdp ? 6 : 16),
        };
        var coalescer = new Coalescer();
        for (int i = 0; i < 100; i++) // until everything is compiled
            Carry();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            Carry();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(packet, joined[..packet.Length]);

        void Carry()
        {
            Assert.True(SuperPacket.TryParse(packet, header, out SuperPacket superPacket));
            coalescer.Clear();
            for (int i = 0, at = 0; i < superPacket.SegmentCount; at += superPacket.SegmentLength(i++))
            {
                superPacket.WriteSegment(i, segments.AsSpan(at));
                coalescer.TryAdd(segments, at, superPacket.SegmentLength(i));
            }
            for (int i = 0; i < coalescer.Count; i++)
                coalescer.Write(i, joined.AsSpan(0, coalescer[i].Length));
        }
    }
}
