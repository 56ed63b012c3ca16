using Kedge.Node.Streams;
using Kedge.Protocol.Relays;

namespace Kedge.Tests.Streams;

public class FrameRingTests
{
    [Fact]
    public void Frames_come_out_as_they_went_in_also_around_the_end()
    {
        const int Seed = 7;
        TestContext.Current.TestOutputHelper?.WriteLine($"Seed {Seed}.");
        var random = new Random(Seed);
        var ring = new FrameRing();
        ring.Open();
        var expected = new Queue<byte>();

        for (int i = 0; i < 20_000; i++)
        {
            byte[] datagram = new byte[random.Next(1, StreamFrame.MaximumDatagram + 1)];
            random.NextBytes(datagram);
            if (ring.TryAdd((ulong)i, datagram, out bool wasEmpty))
            {
                Assert.Equal(expected.Count == 0, wasEmpty);
                byte[] header = new byte[StreamFrame.HeaderSize];
                StreamFrame.WriteHeader(header, (ulong)i, datagram.Length);
                foreach (byte one in (byte[])[.. header, .. datagram])
                    expected.Enqueue(one);
            }
            int count = Math.Min(random.Next(3000), ring.Peek().Length);
            foreach (byte one in ring.Peek()[..count])
                Assert.Equal(expected.Dequeue(), one);
            ring.Release(count);
        }
        Assert.InRange(expected.Count, 0, FrameRing.Capacity);
    }

    [Fact]
    public void What_does_not_fit_is_dropped_and_nothing_is_taken_while_it_is_closed()
    {
        var ring = new FrameRing();
        byte[] datagram = new byte[1400];
        Assert.False(ring.TryAdd(1, datagram, out _));

        ring.Open();
        int taken = Enumerable.Range(0, 10_000).Count(_ => ring.TryAdd(1, datagram, out bool _));

        Assert.Equal(FrameRing.Capacity / (datagram.Length + StreamFrame.HeaderSize), taken);
        ring.Close();
        Assert.True(ring.Peek().IsEmpty);
        Assert.False(ring.TryAdd(1, datagram, out _));
    }
}
