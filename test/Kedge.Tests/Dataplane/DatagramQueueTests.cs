using Kedge.Node.Dataplane;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.Dataplane;

/// <summary>The queue between receiving threads and the thread that deals with what they do not.</summary>
public class DatagramQueueTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public void Of_what_is_too_long_the_beginning_is_kept_and_the_length_where_the_queue_is_made_so()
    {
        byte[] message = [.. Enumerable.Range(0, 20).Select(i => (byte)i)], taken = new byte[20];
        var strict = new DatagramQueue(capacity: 4, maximumLength: 8);
        var cutting = new DatagramQueue(capacity: 4, maximumLength: 8, cutsLonger: true);
        Assert.False(strict.TryAdd(message, default, default, out _));
        Assert.True(cutting.TryAdd(message, default, default, out _));
        Assert.True(cutting.TryAdd(message.AsSpan(5, 3), default, default, out _));

        Assert.True(cutting.TryTake(taken, out int length, out _, out _));
        Assert.Equal(20, length);
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7, 0, 0], taken[..10]);
        Assert.True(cutting.TryTake(taken, out length, out _, out _));
        Assert.Equal((3, (byte)5), (length, taken[0]));
    }

    [Fact]
    public void Several_writers_lose_nothing_and_always_wake_the_reader()
    {
        const int Writers = 4, Count = 50_000;
        var queue = new DatagramQueue(capacity: 4096, maximumLength: 148);
        using var wake = new AutoResetEvent(initialState: false);
        Thread[] writers = [.. Enumerable.Range(0, Writers).Select(writer => new Thread(() =>
        {
            var endpoint = new Endpoint(IpAddress.IPv4(0), (ushort)writer);
            for (int i = 0; i < Count; i++)
            {
                bool wasEmpty;
                while (!queue.TryAdd(BitConverter.GetBytes(i), endpoint, endpoint, out wasEmpty))
                    Thread.Yield();
                if (wasEmpty)
                    wake.Set();
            }
        }))];
        Array.ForEach(writers, writer => writer.Start());

        var expected = new int[Writers];
        var message = new byte[queue.MaximumLength];
        for (int taken = 0; taken < Writers * Count; taken++)
        {
            Endpoint remote;
            while (!queue.TryTake(message, out int length, out remote, out Endpoint local))
                Assert.True(wake.WaitOne(Patience), $"Nobody wakes the reader after {taken} messages, while {queue.Count} wait.");
            Assert.Equal(expected[remote.Port]++, BitConverter.ToInt32(message));
        }
        Assert.All(writers, writer => Assert.True(writer.Join(Patience)));
        Assert.Equal(0, queue.Count);
    }
}
