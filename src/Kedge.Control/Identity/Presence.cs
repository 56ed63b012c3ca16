using System.Collections.Concurrent;
using Kedge.Control.Store;

namespace Kedge.Control.Identity;

/// <summary>
/// Who is here, and since when somebody was not: kept in memory and written to the store in batches, because it changes all the time and
/// nobody else is told. Ages are measured by the process's own time, which no change of the clock touches. Any thread.
/// </summary>
public sealed class Presence(TimeProvider clock)
{
    private readonly ConcurrentDictionary<Guid, Entry> _nodes = new();
    private readonly long _start = clock.GetTimestamp();

    /// <summary>The revision of the map that a node has acknowledged; null for none. Who keeps it sets this.</summary>
    public Func<Guid, long?> AcknowledgedBy { get; set; } = _ => null;

    /// <summary>
    /// The addresses from which several machines use a node's keys at the same time; empty for a node that is one machine. Who finds out sets
    /// this.
    /// </summary>
    public Func<Guid, IReadOnlyList<string>> DuplicatesOf { get; set; } = _ => [];

    /// <summary>How many nodes are connected.</summary>
    public int Online => _nodes.Values.Count(entry => entry.Connections > 0);

    /// <summary>Notes that a node was heard of.</summary>
    public void Seen(Guid node) => Of(node).Touch(clock);

    /// <summary>Notes that a node's control link is connected, until the result is disposed.</summary>
    public IDisposable Connect(Guid node)
    {
        Entry entry = Of(node);
        entry.Touch(clock);
        Interlocked.Increment(ref entry.Connections);
        return new Connection(clock, entry);
    }

    /// <summary>Whether a node's control link is connected.</summary>
    public bool IsOnline(Guid node) => _nodes.TryGetValue(node, out Entry? entry) && entry.Connections > 0;

    /// <summary>When a node was heard of, by the clock; null if not since this process started.</summary>
    public DateTimeOffset? LastSeenAt(Guid node) => _nodes.TryGetValue(node, out Entry? entry) ? entry.At : null;

    /// <summary>For how long nothing was heard of a node; not longer than this process runs.</summary>
    public TimeSpan SilenceOf(Guid node)
    {
        if (!_nodes.TryGetValue(node, out Entry? entry))
            return clock.GetElapsedTime(_start);
        return entry.Connections > 0 ? TimeSpan.Zero : clock.GetElapsedTime(entry.Timestamp);
    }

    /// <summary>Up to which revision the nodes of a zone have taken its map.</summary>
    internal ZoneProgress ProgressOf(StoreReader store, Guid zone)
    {
        ZoneProgress progress = new(long.MaxValue, long.MaxValue);
        foreach (Guid node in store.List($"SELECT id FROM node WHERE zone = {zone} AND kind = 'kedge' AND status = 'active'", row => row.Guid(0)))
        {
            long acknowledged = AcknowledgedBy(node) ?? -1;
            progress = new(IsOnline(node) ? Math.Min(progress.Connected, acknowledged) : progress.Connected, Math.Min(progress.All, acknowledged));
        }
        return progress;
    }

    /// <summary>What was not written yet. Whoever takes it writes it.</summary>
    internal List<(Guid Node, DateTimeOffset At)> TakeUnwritten()
    {
        List<(Guid, DateTimeOffset)> unwritten = [];
        foreach ((Guid node, Entry entry) in _nodes)
        {
            if (entry.Connections > 0)
                entry.Touch(clock);
            if (entry.Unwritten)
                unwritten.Add((node, entry.At));
            entry.Unwritten = false;
        }
        return unwritten;
    }

    /// <summary>Forgets a node that is gone.</summary>
    internal void Forget(Guid node) => _nodes.TryRemove(node, out _);

    private Entry Of(Guid node) => _nodes.GetOrAdd(node, _ => new Entry());

    private sealed class Entry
    {
        public int Connections;
        public long Timestamp;
        public volatile bool Unwritten;
        private long _milliseconds;

        public DateTimeOffset At => DateTimeOffset.FromUnixTimeMilliseconds(Interlocked.Read(ref _milliseconds));

        public void Touch(TimeProvider clock)
        {
            Interlocked.Exchange(ref _milliseconds, clock.GetUtcNow().ToUnixTimeMilliseconds());
            Interlocked.Exchange(ref Timestamp, clock.GetTimestamp());
            Unwritten = true;
        }
    }

    private sealed class Connection(TimeProvider clock, Entry entry) : IDisposable
    {
        private int _disposed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) != 0)
                return;
            entry.Touch(clock);
            Interlocked.Decrement(ref entry.Connections);
        }
    }
}
