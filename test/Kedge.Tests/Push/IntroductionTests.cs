using Kedge.Control.Introductions;
using Kedge.Control.Push;
using Kedge.Protocol.Api;
using static Kedge.Tests.Push.MemoryMapSource;

namespace Kedge.Tests.Push;

/// <summary>Introductions in map streams. The clock stands still where they are to come at once.</summary>
public class IntroductionTests
{
    [Fact]
    public async Task An_introduction_reaches_the_peer_at_once_and_nobody_else()
    {
        await using PushFixture fixture = WithNodes(3);
        Reader[] readers = await ConnectAsync(fixture, 0, 1, 2);
        (long revision, long sequence) = (readers[1].Map.Position.Revision, readers[1].Map.Position.Sequence);

        Assert.Equal(IntroductionOutcome.PassedOn, await IntroduceAsync(fixture, 0, 1, opened: false));
        await PushFixture.AtOnceAsync(() => readers[1].Introductions.Count == 1);
        Assert.Equal(IntroductionOutcome.PassedOn, await IntroduceAsync(fixture, 1, 0, opened: true));
        await PushFixture.AtOnceAsync(() => readers[0].Introductions.Count == 1);

        Assert.Equal((NodeId(0), false), (readers[1].Introductions[0].From, readers[1].Introductions[0].Opened));
        Assert.Equal((NodeId(1), true), (readers[0].Introductions[0].From, readers[0].Introductions[0].Opened));
        Assert.Equal("192.0.2.1:1001", Assert.Single(readers[0].Introductions[0].Endpoints).Address.ToString());
        Assert.Empty(readers[2].Introductions);
        Assert.Equal((revision, sequence), (readers[1].Map.Position.Revision, readers[1].Map.Position.Sequence));
        Assert.True(readers[1].HasMap);
    }

    [Fact]
    public async Task Who_comes_back_later_is_not_told_again()
    {
        await using PushFixture fixture = WithNodes(2);
        Reader[] readers = await ConnectAsync(fixture, 0, 1);
        await IntroduceAsync(fixture, 0, 1);
        await PushFixture.AtOnceAsync(() => readers[1].Introductions.Count == 1);
        await readers[1].DisposeAsync();

        fixture.Store.Put(7, "seven");
        Reader again = await fixture.ConnectAsync(1, readers[1]);
        await fixture.UntilAsync(() => again.Peers == "0 seven", "what it missed");

        Assert.Empty(again.Introductions);
    }

    [Fact]
    public async Task Of_a_node_that_has_two_streams_both_are_told()
    {
        await using PushFixture fixture = WithNodes(2);
        Reader[] readers = await ConnectAsync(fixture, 0, 1, 1);

        await IntroduceAsync(fixture, 0, 1);

        await PushFixture.AtOnceAsync(() => readers[1].Introductions.Count == 1 && readers[2].Introductions.Count == 1);
    }

    [Fact]
    public async Task A_peer_that_is_not_connected_or_none_of_the_zone_is_told_apart()
    {
        await using PushFixture fixture = WithNodes(3);
        Reader[] readers = await ConnectAsync(fixture, 0, 1);

        Assert.Equal(IntroductionOutcome.NotConnected, await IntroduceAsync(fixture, 0, 2));
        Assert.Equal(IntroductionOutcome.Unknown, await IntroduceAsync(fixture, 0, 99));
        var body = new Introduction(NodeId(1), [], false);
        Assert.Equal(
            IntroductionOutcome.Unknown,
            (await fixture.Introducer.IntroduceAsync(Guid.NewGuid(), NodeId(0), body, TestContext.Current.CancellationToken)).Outcome);

        await readers[1].DisposeAsync();
        Assert.Equal(IntroductionOutcome.NotConnected, await IntroduceAsync(fixture, 0, 1));
        fixture.Store.Remove(1);
        Assert.Equal(IntroductionOutcome.Unknown, await IntroduceAsync(fixture, 0, 1));
    }

    [Fact]
    public async Task A_node_that_was_removed_is_told_nothing_though_its_connection_stays()
    {
        await using PushFixture fixture = WithNodes(2);
        Reader[] readers = await ConnectAsync(fixture, 0, 1);
        fixture.Store.Remove(1);
        await fixture.UntilAsync(() => readers[0].Peers == "", "the removal");

        Assert.Equal(IntroductionOutcome.Unknown, await IntroduceAsync(fixture, 0, 1));

        await fixture.UntilAsync(() => readers[1].HasEnded, "the end");
        Assert.Empty(readers[1].Introductions);
    }

    [Fact]
    public async Task One_node_that_floods_keeps_nobody_else_s_introductions_away()
    {
        await using PushFixture fixture = WithNodes(3);
        Reader[] readers = await ConnectAsync(fixture, 0, 1, 2);
        for (int i = 0; i < 1000; i++)
            await IntroduceAsync(fixture, 0, 2);

        IntroductionResult limited = await IntroductionOf(fixture, 0, 2, opened: false);
        Assert.Equal((IntroductionOutcome.Limited, TimeSpan.FromMilliseconds(500)), (limited.Outcome, limited.RetryAfter));
        Assert.Equal(IntroductionOutcome.PassedOn, await IntroduceAsync(fixture, 1, 2));
        Assert.Equal(IntroductionOutcome.PassedOn, await IntroduceAsync(fixture, 0, 1));

        await PushFixture.AtOnceAsync(() => readers[2].Introductions.Count == 7 && readers[1].Introductions.Count == 1);
        Assert.Equal(NodeId(1), readers[2].Introductions[^1].From);
    }

    [Fact]
    public async Task A_stream_that_nobody_reads_delays_no_other_and_keeps_the_latest_few()
    {
        await using PushFixture fixture = WithNodes(3);
        Reader[] readers = await ConnectAsync(fixture, 0, 1);
        Reader stuck = await fixture.ConnectAsync(2, pauseAt: 256);
        await fixture.UntilAsync(() => stuck.HasMap, "the map");
        stuck.StopReading();
        Action<byte[]> send = fixture.Push.FindStreams(ZoneId, NodeId(2))!;

        const int Sent = 500;
        for (int i = 0; i < Sent; i++)
            send(Protocol.Mesh.MapFrameWriter.Introduction(new Guid(i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9), new IntroductionNotice([], false)));
        await IntroduceAsync(fixture, 0, 1);
        await PushFixture.AtOnceAsync(() => readers[1].Introductions.Count == 1);
        stuck.GoOnReading();
        Guid last = new(Sent - 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9);
        await PushFixture.AtOnceAsync(() => stuck.Introductions is [.., { From: var from }] && from == last);

        // Some were written before the pipe was full.
        Assert.InRange(stuck.Introductions.Count, MapSubscription.MostIntroductions, MapSubscription.MostIntroductions + 64);
        Assert.Equal(
            Enumerable.Range(Sent - MapSubscription.MostIntroductions, MapSubscription.MostIntroductions),
            stuck.Introductions.TakeLast(MapSubscription.MostIntroductions).Select(one => BitConverter.ToInt32(one.From.ToByteArray())));
        Assert.False(stuck.HasEnded);
    }

    private static PushFixture WithNodes(int count)
    {
        var store = new MemoryMapSource();
        for (int i = 0; i < count; i++)
            store.Put(i, $"{i}");
        return new PushFixture(store);
    }

    private static async Task<Reader[]> ConnectAsync(PushFixture fixture, params int[] nodes)
    {
        List<Reader> readers = [];
        foreach (int node in nodes)
            readers.Add(await fixture.ConnectAsync(node));
        await fixture.UntilAsync(() => readers.All(reader => reader.HasMap), "the maps");
        return [.. readers];
    }

    private static async Task<IntroductionOutcome> IntroduceAsync(PushFixture fixture, int from, int to, bool opened = false) =>
        (await IntroductionOf(fixture, from, to, opened)).Outcome;

    private static Task<IntroductionResult> IntroductionOf(PushFixture fixture, int from, int to, bool opened)
    {
        var body = new Introduction(NodeId(to), [new NodeEndpoint($"192.0.2.1:{1000 + from}", "reflexive")], opened);
        return fixture.Introducer.IntroduceAsync(ZoneId, NodeId(from), body, TestContext.Current.CancellationToken);
    }
}
