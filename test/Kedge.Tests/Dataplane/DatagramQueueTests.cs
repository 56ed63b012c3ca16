using Kedge.Node.Dataplane;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.Dataplane;

/// <summary>The queue between receiving threads and the thread that deals with what they do not.</summary>
public class DatagramQueueTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

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
