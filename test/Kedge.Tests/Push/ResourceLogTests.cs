using System.Text;
using Kedge.Control.Push;

namespace Kedge.Tests.Push;

public class ResourceLogTests
{
    [Fact]
    public void Whoever_is_behind_is_told_each_resource_once_as_it_is_now()
    {
        var log = new ResourceLog();
        log.Put("a", 1, "a1"u8.ToArray());
        log.Put("b", 2, "b2"u8.ToArray());
        log.Put("a", 3, "a3"u8.ToArray());
        log.Remove("b", 4);
        log.Put("c", 5, "c5"u8.ToArray());

        Assert.Equal(["a3", "{\"type\":\"remove\",\"resource\":\"b\"}\n", "c5"], Told(log, 0));
        Assert.Equal(["{\"type\":\"remove\",\"resource\":\"b\"}\n", "c5"], Told(log, 3));
        Assert.Empty(Told(log, 5));
        Assert.True(log.HasSince(4));
        Assert.False(log.HasSince(5));
    }

    [Fact]
    public void What_is_the_same_as_before_is_no_change()
    {
        var log = new ResourceLog();
        log.Put("a", 1, "x"u8.ToArray());
        log.Put("a", 2, "x"u8.ToArray());
        log.Remove("b", 3);

        Assert.False(log.HasSince(1));
    }

    [Fact]
    public void A_history_that_is_longer_than_a_snapshot_is_cut_and_says_so()
    {
        var log = new ResourceLog(kept: 10);
        for (int i = 1; i <= 100; i++)
            log.Put("a", i, BitConverter.GetBytes(i));

        Assert.Null(log.Since(0));
        Assert.Single(log.Since(95)!);
        Assert.True(log.HasSince(0));
    }

    [Fact]
    public void A_number_is_never_cut_in_two()
    {
        var log = new ResourceLog(kept: 10);
        for (int i = 0; i < 100; i++)
            log.Put($"r{i}", 1 + i / 7, [1]);
        for (int i = 0; i < 300; i++)
            log.Put("r", 20 + i / 7, BitConverter.GetBytes(i));

        for (long from = 0; from < 70; from++)
        {
            if (log.Since(from) is { } frames)
                Assert.Equal(Enumerable.Range(0, 100).Count(i => 1 + i / 7 > from) + (from < 62 ? 1 : 0), frames.Count);
        }
    }

    private static string[] Told(ResourceLog log, long from) => log.Since(from)!.Select(Encoding.UTF8.GetString).ToArray();
}
