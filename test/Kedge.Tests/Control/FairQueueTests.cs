using Kedge.Control.Store;

namespace Kedge.Tests.Control;

/// <summary>Whose change comes when.</summary>
public sealed class FairQueueTests : IDisposable
{
    private static readonly Lane One = Lane.Of(Guid.NewGuid()), Two = Lane.Of(Guid.NewGuid());

    private readonly FairQueue<string> _queue = new(most: 100);

    [Fact]
    public void Lanes_take_turns_whatever_came_first()
    {
        Add(One, "a1", "a2", "a3");
        Add(Two, "b1", "b2");

        Assert.Equal(["a1", "b1", "a2", "b2", "a3"], TakeAll());
    }

    [Fact]
    public void The_controller_and_administrators_have_every_other_turn()
    {
        Add(One, "a1", "a2");
        Add(Two, "b1");
        Add(Lane.Controller, "c1", "c2", "c3", "c4");

        Assert.Equal(["c1", "a1", "c2", "b1", "c3", "a2", "c4"], TakeAll());
    }

    [Fact]
    public void Too_much_is_refused_but_for_administrators()
    {
        for (int i = 0; i < 100; i++)
            Assert.Equal(QueueOutcome.Added, _queue.TryAdd(Lane.Of(Guid.NewGuid()), "x"));

        Assert.Equal(QueueOutcome.Full, _queue.TryAdd(One, "x"));
        Assert.Equal(QueueOutcome.Added, _queue.TryAdd(Lane.Controller, "x"));
        TakeAll();
        Assert.Equal(QueueOutcome.Added, _queue.TryAdd(One, "x"));
    }

    [Fact]
    public void What_waits_when_it_is_closed_is_still_taken_and_nothing_more()
    {
        Add(One, "a1");
        Add(Lane.Controller, "c1");

        Assert.True(_queue.TryClose());
        Assert.False(_queue.TryClose());

        Assert.Equal(QueueOutcome.Closed, _queue.TryAdd(One, "late"));
        Assert.True(_queue.TryTake(out _));
        Assert.True(_queue.TryTake(out _));
        Assert.False(_queue.TryTake(out _));
        Assert.False(_queue.TryTake(out _));
    }

    [Fact]
    public async Task An_administrator_does_not_wait_behind_all_that_a_node_wants()
    {
        await using Network network = await Network.CreateAsync();
        using var mayGoOn = new ManualResetEventSlim();
        List<string> order = [];
        Task busy = network.Store.WriteAsync(_ => mayGoOn.Wait(), One);
        List<Task> all = [busy];
        for (int i = 0; i < 64; i++)
            all.Add(network.Store.WriteAsync(_ => order.Add("node"), One));
        all.Add(network.Store.WriteAsync(_ => order.Add("other node"), Two));
        all.Add(network.Store.WriteAsync(_ => order.Add("administrator")));

        mayGoOn.Set();
        await Task.WhenAll(all);

        Assert.InRange(order.IndexOf("administrator"), 0, 1);
        Assert.InRange(order.IndexOf("other node"), 0, 3);
    }

    public void Dispose() => _queue.Dispose();

    private void Add(Lane lane, params string[] items)
    {
        foreach (string item in items)
            Assert.Equal(QueueOutcome.Added, _queue.TryAdd(lane, item));
    }

    private List<string> TakeAll()
    {
        List<string> taken = [];
        while (_queue.TryTakeWaiting(out string? item))
            taken.Add(item);
        return taken;
    }
}
