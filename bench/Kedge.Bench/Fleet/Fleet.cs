using System.Collections.Concurrent;
using System.Diagnostics;
using Kedge.Node.ControlLink;

namespace Kedge.Bench.Fleet;

/// <summary>A node's place taken by another: one that left, and one that joined, each with the timestamp at which it asked to.</summary>
internal sealed record Change(SimulatedNode Left, long LeftAt, SimulatedNode Joined, long JoinedAt);

/// <summary>Simulated nodes that join, come and go.</summary>
internal sealed class Fleet(ControllerAddress controller, string token)
{
    private readonly SharedMemory _shared = new();
    private readonly ConcurrentQueue<SimulatedNode> _present = new();
    private readonly ConcurrentBag<SimulatedNode> _all = [];
    private readonly ConcurrentQueue<string> _failures = new();
    private int _numbers;

    /// <summary>How many nodes have joined since the beginning.</summary>
    public int Joined => _all.Count;

    /// <summary>What has happened.</summary>
    public ConcurrentBag<Change> Changes { get; } = [];

    /// <summary>What went wrong, a sentence each.</summary>
    public IEnumerable<string> Failures => _failures
        .Concat(_all.Where(node => node.Failure is not null).Select(node => $"{_all.Sum(one => one.Reconnections)} times a connection broke: {node.Failure}").Take(1))
        .Concat(_all.Where(node => node.Snapshots != 1).Select(_ => $"{_all.Count(one => one.Snapshots != 1)} nodes were not sent exactly one whole map.").Take(1));

    /// <summary>Lets nodes join, several at a time.</summary>
    public async Task JoinAsync(int count, int atOnce)
    {
        int left = count;
        await Task.WhenAll(Enumerable.Range(0, atOnce).Select(async _ =>
        {
            while (Interlocked.Decrement(ref left) >= 0)
                await JoinAsync();
        }));
    }

    /// <summary>Replaces the oldest nodes by new ones, at an even pace.</summary>
    public async Task ChurnAsync(double changesPerSecond, TimeSpan duration)
    {
        var time = Stopwatch.StartNew();
        List<Task> changes = [];
        for (int i = 0; i < changesPerSecond * duration.TotalSeconds; i++)
        {
            TimeSpan wait = TimeSpan.FromSeconds(i / changesPerSecond) - time.Elapsed;
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait);
            changes.Add(ReplaceAsync());
        }
        await Task.WhenAll(changes);
    }

    /// <summary>Waits until everybody who is there has heard of everything.</summary>
    public async Task SettleAsync(TimeSpan patience)
    {
        var time = Stopwatch.StartNew();
        while (Unheard() is > 0 and var unheard)
        {
            if (time.Elapsed >= patience)
            {
                _failures.Enqueue($"{unheard} times a node did not hear of a change within {patience.TotalSeconds} s.");
                return;
            }
            await Task.Delay(200);
        }
    }

    /// <summary>
    /// The time from a change to the last node knowing of it, once for who left and once for who joined. Concerned are all who were there
    /// before. One that left before it heard has waited until then, unless that was in the first seconds, when nothing is known of it.
    /// </summary>
    public IEnumerable<TimeSpan> TimesOf(Change change) =>
        [Last(_shared.Went, change.Left, change.LeftAt), Last(_shared.Came, change.Joined, change.JoinedAt)];

    /// <summary>Ends all nodes.</summary>
    public async Task StopAsync()
    {
        await Task.WhenAll(_present.Select(node => node.StopAsync()));
        foreach (SimulatedNode node in _all)
            node.Dispose();
    }

    private TimeSpan Last(Hearsay hearsay, SimulatedNode subject, long since)
    {
        long last = since;
        foreach (SimulatedNode node in _all.Where(node => IsConcerned(node, since)))
        {
            long heard = hearsay.At(subject.Id, node.Number);
            if (heard != 0 || node.LeftAt >= since + 5 * Stopwatch.Frequency)
                last = Math.Max(last, heard != 0 ? heard : Math.Min(node.LeftAt, Stopwatch.GetTimestamp()));
        }
        return Stopwatch.GetElapsedTime(since, last);
    }

    private int Unheard() => Changes.Sum(change => Unheard(_shared.Went, change.Left, change.LeftAt) + Unheard(_shared.Came, change.Joined, change.JoinedAt));

    private int Unheard(Hearsay hearsay, SimulatedNode subject, long since) => _all.Count(
        node => node.LeftAt == long.MaxValue && IsConcerned(node, since) && hearsay.At(subject.Id, node.Number) == 0);

    private static bool IsConcerned(SimulatedNode node, long since) => node.ReadyAt != 0 && node.ReadyAt < since;

    private async Task ReplaceAsync()
    {
        if (!_present.TryDequeue(out SimulatedNode? leaving))
            return;
        try
        {
            long leftAt = Stopwatch.GetTimestamp();
            await leaving.LeaveAsync();
            long joinedAt = Stopwatch.GetTimestamp();
            SimulatedNode joined = await JoinAsync();
            Changes.Add(new Change(leaving, leftAt, joined, joinedAt));
        }
        catch (ControllerException e)
        {
            _failures.Enqueue(e.Message);
        }
    }

    private async Task<SimulatedNode> JoinAsync()
    {
        int number = Interlocked.Increment(ref _numbers);
        var node = new SimulatedNode(controller, _shared, number);
        await node.JoinAsync($"node-{number}", token);
        _all.Add(node);
        _present.Enqueue(node);
        return node;
    }
}
