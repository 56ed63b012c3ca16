using Kedge.Control.Push;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Mesh;
using static Kedge.Tests.Push.MemoryMapSource;

namespace Kedge.Tests.Push;

public class MapPushTests
{
    [Fact]
    public async Task A_node_gets_the_whole_map_once_and_then_what_changes()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        fixture.Store.Put(1, "one");
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.Peers == "one", "the map");
        Assert.Equal(["stun.example:3478"], reader.Map.Settings!.StunServers);
        Assert.Equal([[1]], reader.Map.Trust!.Authorities);
        Assert.Equal("default", reader.Map.Zone!.Name);

        fixture.Store.Put(2, "two");
        await fixture.UntilAsync(() => reader.Peers == "one two", "the new node");
        fixture.Store.Remove(1);
        await fixture.UntilAsync(() => reader.Peers == "two", "the removal");

        Assert.Equal(1, reader.Count("snapshot"));
        Assert.Equal(1, reader.Lines.Count(line => line.Contains(MapResource.Peer(NodeId(0)), StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_removal_is_told_without_waiting_for_others()
    {
        // They are there from the start: none of them is news, which a removal would wait behind.
        var store = new MemoryMapSource();
        store.Put(0, "zero");
        store.Put(1, "one");
        await using var fixture = new PushFixture(store);
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.Peers == "one", "the map");

        // The clock stands still from here on: what is gathered for a while would never come.
        fixture.Store.Remove(1);
        await PushFixture.AtOnceAsync(() => reader.Peers == "");
    }

    [Theory]
    [InlineData(0, 100)]
    [InlineData(500, 100)]
    [InlineData(1000, 200)] // five times a second, to each of 1,000
    [InlineData(2500, 500)]
    [InlineData(100_000, 500)]
    public void The_more_there_are_to_tell_the_more_rarely_they_are_told(int streams, int milliseconds) =>
        Assert.Equal(milliseconds, ZoneFeed.Pause(streams).TotalMilliseconds);

    [Fact]
    public async Task Changes_that_come_together_are_told_together()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.HasMap, "the map");
        int commits = reader.Count("commit"), reads = fixture.Store.Reads;

        for (int i = 1; i <= 20; i++)
            fixture.Store.Put(i, $"{i}");
        await fixture.UntilAsync(() => reader.Map.Peers.Count == 20, "the nodes");

        Assert.InRange(reader.Count("commit") - commits, 1, 2);
        Assert.InRange(fixture.Store.Reads - reads, 1, 2);
    }

    [Fact]
    public async Task Removals_that_follow_each_other_closely_are_told_together()
    {
        var store = new MemoryMapSource();
        for (int i = 0; i < 10; i++)
            store.Put(i, $"{i}");
        await using var fixture = new PushFixture(store);
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.Peers == "1 2 3 4 5 6 7 8 9", "the map");
        int commits = reader.Count("commit");

        fixture.Store.Remove(1);
        await PushFixture.AtOnceAsync(() => reader.Peers == "2 3 4 5 6 7 8 9");
        for (int i = 2; i < 9; i++)
            fixture.Store.Remove(i);
        fixture.Clock.Advance(ZoneFeed.ShortestPause / 2);
        await PushFixture.OthersAsync();
        Assert.Equal("2 3 4 5 6 7 8 9", reader.Peers);

        await fixture.UntilAsync(() => reader.Peers == "9", "the removals");
        Assert.Equal(commits + 2, reader.Count("commit"));
    }

    [Fact]
    public async Task What_a_node_has_said_of_its_map_is_forgotten_with_the_node()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        fixture.Store.Put(1, "one");
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.Peers == "one", "the map");
        fixture.Push.Acknowledgements.Take(NodeId(1), new MapAcknowledgement(Guid.NewGuid(), 1, []));
        Assert.NotNull(fixture.Push.Acknowledgements.Of(NodeId(1)));

        fixture.Store.Remove(1);
        await fixture.UntilAsync(() => fixture.Push.Acknowledgements.Of(NodeId(1)) is null, "its end");
    }

    [Fact]
    public async Task A_node_that_comes_back_is_told_what_it_missed()
    {
        await using var fixture = new PushFixture();
        for (int i = 0; i < 4; i++)
            fixture.Store.Put(i, $"{i}");
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.Peers == "1 2 3", "the map");
        await reader.DisposeAsync();

        fixture.Store.Remove(2);
        fixture.Store.Put(4, "4");
        Reader again = await fixture.ConnectAsync(0, reader);
        await fixture.UntilAsync(() => again.Peers == "1 3 4", "what it missed");

        Assert.Equal(0, again.Count("snapshot"));
        Assert.DoesNotContain(again.Lines, line => line.Contains(MapResource.Peer(NodeId(3)), StringComparison.Ordinal));
    }

    [Fact]
    public async Task After_a_restart_of_the_controller_a_node_is_told_what_it_missed()
    {
        var store = new MemoryMapSource();
        Reader before;
        await using (var fixture = new PushFixture(store))
        {
            for (int i = 0; i < 40; i++)
                store.Put(i, $"{i}");
            fixture.Push.Report(ZoneId, NodeId(3), [new NodeEndpoint("192.0.2.3:3", "local")]);
            before = await fixture.ConnectAsync(0);
            await fixture.UntilAsync(() => before.Map.Peers.Count == 39 && before.Map.EndpointsOf(NodeId(3)).Count == 1, "the map");
        }
        store.Remove(7);
        store.Put(41, "41");

        await using var restarted = new PushFixture(store);
        restarted.Endpoints.Restore([new KnownEndpoints(ZoneId, NodeId(5), [new NodeEndpoint("192.0.2.5:5", "local")])]);
        Reader reader = await restarted.ConnectAsync(0, before);
        await restarted.UntilAsync(() => reader.Map.Peers.ContainsKey(NodeId(41)), "what it missed");

        Assert.False(reader.Map.Peers.ContainsKey(NodeId(7)));
        Assert.Equal(0, reader.Count("snapshot"));
        Assert.Equal(2, reader.Lines.Count(line => line.Contains("\"peer/", StringComparison.Ordinal)));
        Assert.Single(reader.Map.EndpointsOf(NodeId(5)));
        Assert.Single(reader.Map.EndpointsOf(NodeId(3)));
    }

    [Fact]
    public async Task After_a_restart_with_nothing_missed_a_node_learns_at_once_that_it_is_up_to_date()
    {
        var store = new MemoryMapSource();
        Reader before;
        await using (var fixture = new PushFixture(store))
        {
            store.Put(0, "0");
            store.Put(1, "1");
            before = await fixture.ConnectAsync(0);
            await fixture.UntilAsync(() => before.Peers == "1", "the map");
        }
        await using var restarted = new PushFixture(store);
        Reader reader = await restarted.ConnectAsync(0, before);
        await PushFixture.AtOnceAsync(() => reader.HasMap);

        Assert.DoesNotContain(reader.Lines, line => line.Contains("\"peer/", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Where_the_log_was_trimmed_or_the_store_is_another_one_a_snapshot_follows(bool trimmed)
    {
        var store = new MemoryMapSource();
        Reader before;
        await using (var fixture = new PushFixture(store))
        {
            for (int i = 0; i < 4; i++)
                store.Put(i, $"{i}");
            before = await fixture.ConnectAsync(0);
            await fixture.UntilAsync(() => before.Peers == "1 2 3", "the map");
        }
        store.Remove(2);
        if (trimmed)
            store.TrimmedTo = store.Revision;
        else
            store.StoreId = Guid.NewGuid();
        await using var restarted = new PushFixture(store);
        Reader reader = await restarted.ConnectAsync(0, before);
        await restarted.UntilAsync(() => reader.Peers == "1 3", "the snapshot");

        Assert.Equal(1, reader.Count("snapshot"));
        Assert.Equal([NodeId(2)], reader.Map.Difference.Peers);
    }

    [Fact]
    public async Task A_slow_reader_costs_a_bounded_number_of_bytes_and_catches_up_in_one_step()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        Reader slow = await fixture.ConnectAsync(0, pauseAt: 32768);
        Reader quick = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => slow.HasMap && quick.HasMap, "the map");
        slow.StopReading();

        string large = new('x', 8000);
        for (int round = 1; round <= 30; round++)
        {
            fixture.Store.Put(1, $"{round}{large}");
            await fixture.UntilAsync(() => quick.Peers.StartsWith($"{round}x", StringComparison.Ordinal), "the change");
        }
        int commits = slow.Count("commit");
        slow.GoOnReading();
        await fixture.UntilAsync(() => slow.Peers == quick.Peers, "the slow one");

        Assert.Equal(MapOutcome.Committed, slow.Last);
        Assert.True(slow.Count("commit") - commits < 10, $"{slow.Count("commit") - commits} batches were kept for it");
    }

    [Fact]
    public async Task A_reader_that_is_stuck_is_cut_off()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        Reader stuck = await fixture.ConnectAsync(0, pauseAt: 4096);
        await fixture.UntilAsync(() => stuck.HasMap, "the map");
        stuck.StopReading();
        fixture.Store.Put(1, new string('x', 10000));

        await fixture.UntilAsync(() => stuck.HasEnded, "the end");
    }

    [Fact]
    public async Task A_bad_record_is_left_out_and_spoils_nothing()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        fixture.Store.Put(1, "");
        fixture.Store.Put(2, "two", endpoint: "nowhere");
        fixture.Store.Put(3, "three");
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.Peers == "three", "the map");
        fixture.Store.Put(3, "");
        fixture.Store.Put(4, "four");
        await fixture.UntilAsync(() => reader.Peers == "four", "the change");

        Assert.Empty(reader.Map.Refused);
        Assert.Equal(MapOutcome.Committed, reader.Last);
    }

    [Fact]
    public async Task A_read_error_that_passes_is_noticed_by_nobody()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.HasMap, "the map");

        fixture.Store.Fail(ZoneFeed.MostFailures - 1);
        fixture.Store.Put(1, "one");
        await fixture.UntilAsync(() => reader.Peers == "one", "the change");
        Assert.False(reader.HasEnded);
    }

    [Fact]
    public async Task A_read_error_that_lasts_ends_the_stream_and_is_never_an_empty_map()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        fixture.Store.Put(1, "one");
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.Peers == "one", "the map");

        fixture.Store.Fail(ZoneFeed.MostFailures);
        fixture.Store.Put(2, "two");
        await fixture.UntilAsync(() => reader.HasEnded, "the end");
        Assert.Equal("one", reader.Peers);

        fixture.Store.Fail(1);
        await Assert.ThrowsAsync<StoreException>(() => fixture.ConnectAsync(0, reader));
        Reader again = await fixture.ConnectAsync(0, reader);
        await fixture.UntilAsync(() => again.Peers == "one two", "what it missed");
        Assert.Equal(0, again.Count("snapshot"));
    }

    [Fact]
    public async Task The_stream_of_a_node_that_was_removed_ends_at_once()
    {
        var store = new MemoryMapSource();
        store.Put(0, "zero");
        store.Put(1, "one");
        await using var fixture = new PushFixture(store);
        Reader removed = await fixture.ConnectAsync(0);
        Reader other = await fixture.ConnectAsync(1);
        await fixture.UntilAsync(() => removed.HasMap && other.HasMap, "the map");

        fixture.Store.Remove(0);
        await PushFixture.AtOnceAsync(() => removed.HasEnded && other.Peers == "");
        Assert.False(other.HasEnded);
        await PushFixture.AtOnceAsync(() => removed.Lines[^1].Contains("\"reason\":\"node-removed\"", StringComparison.Ordinal));
        Assert.Equal("one", removed.Peers); // it has heard of nothing that came with its removal
    }

    [Fact]
    public async Task A_stream_ends_when_its_node_has_another_identity_key()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.HasMap, "the map");

        fixture.Store.Put(0, "zero elsewhere", identity: Identity(99));
        await fixture.UntilAsync(() => reader.HasEnded, "the end");
        await PushFixture.AtOnceAsync(() => reader.Lines[^1].Contains("\"reason\":\"node-unknown\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_node_that_was_removed_just_before_its_stream_opened_is_not_served()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        Reader first = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => first.HasMap, "the map");

        Reader stranger = await fixture.ConnectAsync(7);
        await fixture.UntilAsync(() => stranger.HasEnded, "the stranger's end");
    }

    [Fact]
    public async Task Of_too_many_streams_of_one_node_the_oldest_ends()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        Reader oldest = await fixture.ConnectAsync(0);
        Reader second = await fixture.ConnectAsync(0);
        Reader third = await fixture.ConnectAsync(0);

        await PushFixture.AtOnceAsync(() => oldest.HasEnded);
        Assert.False(second.HasEnded);
        Assert.False(third.HasEnded);
    }

    [Fact]
    public async Task Endpoints_reach_the_others_and_those_who_come_later()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        fixture.Store.Put(1, "one");
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.Peers == "one", "the map");
        long revision = reader.Map.Position.Revision;

        fixture.Push.Report(ZoneId, NodeId(1), [new NodeEndpoint("192.0.2.1:1", "reflexive")]);
        await fixture.UntilAsync(() => reader.Map.EndpointsOf(NodeId(1)).Count == 1, "the endpoint");
        Assert.Equal(revision, reader.Map.Position.Revision);

        Reader later = await fixture.ConnectAsync(1, null);
        await fixture.UntilAsync(() => later.HasMap, "the map");
        await fixture.UntilAsync(() => fixture.Saved.Count == 1, "the endpoint to be kept");
        Assert.Equal(NodeId(1), fixture.Saved[0].Node);
    }

    [Fact]
    public async Task In_a_quiet_zone_endpoints_are_told_within_a_moment()
    {
        var store = new MemoryMapSource();
        store.Put(0, "zero");
        store.Put(1, "one");
        await using var fixture = new PushFixture(store);
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.Peers == "one", "the map");

        int waiting = fixture.Clock.Waiting;
        fixture.Push.Report(ZoneId, NodeId(1), [new NodeEndpoint("192.0.2.1:1", "reflexive")]);
        await PushFixture.AtOnceAsync(() => fixture.Clock.Waiting > waiting);
        Assert.Empty(reader.Map.EndpointsOf(NodeId(1)));

        fixture.Clock.Advance(ZoneFeed.Gathering);
        await PushFixture.AtOnceAsync(() => reader.Map.EndpointsOf(NodeId(1)).Count == 1);
    }

    [Fact]
    public async Task Under_load_endpoints_are_gathered_as_long_as_before()
    {
        await using var fixture = new PushFixture();
        const int Nodes = 200;
        for (int i = 0; i <= Nodes; i++)
            fixture.Store.Put(i, $"{i}");
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.Map.Peers.Count == Nodes, "the map");
        await PassAsync(fixture, ZoneFeed.LongestPause);
        int commits = reader.Count("commit");

        long start = fixture.Clock.GetTimestamp();
        for (int i = 1; i <= Nodes; i++)
        {
            fixture.Push.Report(ZoneId, NodeId(i), [new NodeEndpoint($"192.0.2.1:{i}", "reflexive")]);
            await PassAsync(fixture, TimeSpan.FromMilliseconds(10));
        }
        await fixture.UntilAsync(() => reader.Map.EndpointsOf(NodeId(Nodes)).Count == 1, "the last one");

        double pauses = fixture.Clock.GetElapsedTime(start) / ZoneFeed.ShortestPause;
        Assert.InRange(reader.Count("commit") - commits, 2, (int)pauses + 2);
    }

    [Fact]
    public async Task Endpoints_that_change_all_the_time_are_told_now_and_then_and_the_last_ones_in_the_end()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        fixture.Store.Put(1, "one");
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.Peers == "one", "the map");
        int before = reader.Lines.Count;

        for (int port = 1; port <= 200; port++)
        {
            fixture.Push.Report(ZoneId, NodeId(1), [new NodeEndpoint($"192.0.2.1:{port}", "reflexive")]);
            fixture.Clock.Advance(TimeSpan.FromMilliseconds(100));
        }
        await fixture.UntilAsync(() => reader.Map.EndpointsOf(NodeId(1)) is [{ Address.Port: 200 }], "the last one");

        Assert.InRange(reader.Lines.Skip(before).Count(line => line.Contains("\"endpoints/", StringComparison.Ordinal)), 1, EndpointBoard.Burst + 4);
    }

    [Fact]
    public async Task Bookmarks_move_the_revision_on_while_nothing_happens_in_the_zone()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.HasMap, "the map");
        fixture.Store.ChangeElsewhere();

        await fixture.UntilAsync(() => reader.Last == MapOutcome.Alive && reader.Map.Position.Revision == fixture.Store.Revision, "the bookmark");
        Assert.Equal(fixture.Clock.GetUtcNow(), reader.Map.ControllerTime!.Value, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task The_end_of_the_controller_is_told_to_everybody()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        Reader reader = await fixture.ConnectAsync(0);
        await fixture.UntilAsync(() => reader.HasMap, "the map");

        Task ending = fixture.Push.DisposeAsync().AsTask();
        await fixture.UntilAsync(() => reader.HasEnded && ending.IsCompleted, "the end");
        await fixture.UntilAsync(() => reader.Last == MapOutcome.Ending, "the word");
        Assert.Equal(TimeSpan.FromSeconds(5), reader.Map.ReconnectWithin);
    }

    [Fact]
    public async Task Streams_that_go_the_same_way_share_their_bytes()
    {
        await using var fixture = new PushFixture();
        fixture.Store.Put(0, "zero");
        var feed = ZoneFeed.Create(
            ZoneId,
            new PushSources(fixture.Store, fixture.Endpoints, () => new TrustResource([], []), () => new SettingsResource([]), new PushCounters(new("test")), fixture.Clock),
            Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        Assert.True(await feed.LoadAsync(TestContext.Current.CancellationToken));
        Segment snapshot = feed.Next(null)!;
        Assert.Same(snapshot, feed.Next(null));

        fixture.Store.Put(1, "one");
        feed.Stage(fixture.Store.Revision, [new MapChange(fixture.Store.Revision, ZoneId, MapSubject.Node, NodeId(1), false)]);
        await fixture.UntilAsync(() => feed.Next(snapshot.To) is not null, "the change");

        Assert.Same(feed.Next(snapshot.To), feed.Next(snapshot.To));
        Assert.Same(snapshot, feed.Next(null)); // a little old: the change follows it
        feed.End();
    }

    private static async Task PassAsync(PushFixture fixture, TimeSpan time)
    {
        fixture.Clock.Advance(time);
        await PushFixture.OthersAsync();
    }
}
