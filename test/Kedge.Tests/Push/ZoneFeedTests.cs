using System.Diagnostics.Metrics;
using Kedge.Control.Push;
using Kedge.Protocol.Api;
using Kedge.Protocol.Mesh;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.Tests.Push;

/// <summary>What a member can make a feed keep in memory, and read from the store, by asking to go on from here and there.</summary>
public sealed class ZoneFeedTests : IDisposable
{
    private readonly Meter _meter = new("test");
    private readonly MemoryMapSource _store = new();

    [Fact]
    public async Task A_member_that_goes_on_from_every_old_revision_leaves_little_behind()
    {
        for (int i = 0; i < 500; i++)
            _store.Put(i % 20, $"version {i}");
        ZoneFeed feed = await LoadAsync();

        for (long revision = 1; revision <= 500; revision++)
            Assert.NotNull(await feed.ResumeAsync(new MapPosition(_store.StoreId, revision, Guid.NewGuid(), 0), TestContext.Current.CancellationToken));

        Assert.InRange(feed.KeptSegments, 1, 2 * ZoneContent.MostSegments);
        feed.End();
    }

    [Fact]
    public async Task Those_who_go_on_from_the_same_revision_share_what_they_are_sent()
    {
        for (int i = 0; i < 100; i++)
            _store.Put(i % 20, $"version {i}");
        ZoneFeed feed = await LoadAsync();

        Segment? first = await feed.ResumeAsync(new MapPosition(_store.StoreId, 50, Guid.NewGuid(), 0), TestContext.Current.CancellationToken);

        Assert.NotNull(first);
        Assert.Same(first, await feed.ResumeAsync(new MapPosition(_store.StoreId, 50, Guid.NewGuid(), 0), TestContext.Current.CancellationToken));
        feed.End();
    }

    [Fact]
    public async Task Who_is_too_far_behind_is_sent_the_snapshot_and_costs_no_look_into_the_history()
    {
        for (int i = 0; i < ZoneFeed.MostResumedRevisions + 10; i++)
            _store.Put(i % 20, $"version {i}");
        ZoneFeed feed = await LoadAsync();
        int reads = _store.HistoryReads;

        Assert.Null(await feed.ResumeAsync(new MapPosition(_store.StoreId, 5, Guid.NewGuid(), 0), TestContext.Current.CancellationToken));

        Assert.Equal(reads, _store.HistoryReads);
        Assert.True(feed.Next(null)!.IsSnapshot);
        Assert.Same(feed.Next(null), feed.Next(null));
        feed.End();
    }

    [Fact]
    public async Task A_node_that_opens_stream_after_stream_keeps_two()
    {
        _store.Put(1, "one");
        await using var fixture = new PushFixture(_store);
        Reader[] readers = [.. await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => fixture.ConnectAsync(1)))];

        await fixture.UntilAsync(() => fixture.Push.OpenStreams == MapSubscription.MostOfOneNode, "the end of the others");

        Assert.Equal(MapSubscription.MostOfOneNode, readers.Count(reader => !reader.HasEnded));
    }

    [Fact]
    public void Segments_are_kept_up_to_a_number_and_up_to_a_number_of_bytes_the_last_used_first()
    {
        var cache = new SegmentCache(mostSegments: 3, mostBytes: 100);
        Segment first = cache.Add(1, Of(10));
        cache.Add(2, Of(10));
        cache.Add(3, Of(10));
        Assert.Same(first, cache.Find(1));

        cache.Add(4, Of(10));

        Assert.Null(cache.Find(2));
        Assert.Same(first, cache.Find(1));
        cache.Add(5, Of(85));
        Assert.Equal((2, 95), (cache.Count, cache.Bytes));
        Assert.Same(first, cache.Find(1));
        cache.Add(6, Of(101));
        Assert.Null(cache.Find(6));
        Assert.Equal(2, cache.Count);

        static Segment Of(int bytes) => new([new byte[bytes]], 1);
    }

    public void Dispose() => _meter.Dispose();

    private async Task<ZoneFeed> LoadAsync()
    {
        var clock = new ManualClock();
        var sources = new PushSources(
            _store, new EndpointBoard(clock), () => new TrustResource([[1]], []), () => new SettingsResource([]), new PushCounters(_meter), clock);
        ZoneFeed feed = ZoneFeed.Create(MemoryMapSource.ZoneId, sources, NullLogger.Instance);
        Assert.True(await feed.LoadAsync(TestContext.Current.CancellationToken));
        return feed;
    }
}
