using Kedge.Control.Store;

namespace Kedge.Tests.Push;

/// <summary>A store of one zone in memory, which can fail when it is read.</summary>
internal sealed class MemoryMapSource : IMapSource
{
    public static readonly Guid ZoneId = Guid.Parse("20000000-0000-0000-0000-000000000001");

    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, MapNode> _nodes = [];
    private readonly List<MapChange> _changes = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _failures;
    private int _reads;

    public Guid StoreId { get; set; } = Guid.Parse("10000000-0000-0000-0000-000000000001");

    public long Revision { get; private set; } = 1;

    /// <summary>How often nodes or zones were read.</summary>
    public int Reads => _reads;

    /// <summary>How often the history of changes was read.</summary>
    public int HistoryReads { get; private set; }

    /// <summary>The oldest revision after which changes are known.</summary>
    public long TrimmedTo { get; set; }

    /// <summary>A node's identifier in these tests.</summary>
    public static Guid NodeId(int number) => new(number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

    /// <summary>The hash of a node's identity key in these tests.</summary>
    public static byte[] Identity(int number) => [(byte)number, .. new byte[31]];

    /// <summary>A node comes, or changes.</summary>
    public void Put(int number, string certificate, byte[]? identity = null, string? endpoint = null)
    {
        lock (_lock)
        {
            _nodes[NodeId(number)] = new MapNode(
                NodeId(number), ZoneId, Revision + 1, $"node-{number}", identity ?? Identity(number), System.Text.Encoding.UTF8.GetBytes(certificate), endpoint);
            Note(NodeId(number), removed: false);
        }
    }

    /// <summary>A node goes.</summary>
    public void Remove(int number)
    {
        lock (_lock)
        {
            _nodes.Remove(NodeId(number));
            Note(NodeId(number), removed: true);
        }
    }

    /// <summary>Something happens in another zone.</summary>
    public void ChangeElsewhere()
    {
        lock (_lock)
            Note(Guid.NewGuid(), removed: false, zone: Guid.NewGuid());
    }

    /// <summary>Lets the next reads of nodes and zones fail.</summary>
    public void Fail(int times) => Volatile.Write(ref _failures, times);

    public async Task WaitForChangeAsync(long after, CancellationToken cancellation)
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (Revision > after)
                    return;
                changed = _changed.Task;
            }
            await changed.WaitAsync(cancellation);
        }
    }

    public Task<IReadOnlyList<MapChange>?> ReadChangesAsync(long after, CancellationToken cancellation)
    {
        lock (_lock)
        {
            HistoryReads++;
            return Task.FromResult<IReadOnlyList<MapChange>?>(after < TrimmedTo ? null : [.. _changes.Where(change => change.Revision > after)]);
        }
    }

    public Task<MapZone?> ReadZoneAsync(Guid zone, CancellationToken cancellation)
    {
        lock (_lock)
        {
            CountRead();
            return Task.FromResult(zone == ZoneId ? new MapZone(Revision, zone, "default", ["10.200.0.0/20"], [.. _nodes.Values]) : null);
        }
    }

    public Task<IReadOnlyList<MapNode>> ReadNodesAsync(IReadOnlyCollection<Guid> nodes, CancellationToken cancellation)
    {
        lock (_lock)
        {
            CountRead();
            return Task.FromResult<IReadOnlyList<MapNode>>([.. nodes.Where(_nodes.ContainsKey).Select(node => _nodes[node])]);
        }
    }

    private void CountRead()
    {
        _reads++;
        if (_failures > 0)
        {
            _failures--;
            throw new StoreException("The store cannot be read: a test says so.", new IOException("test"));
        }
    }

    private void Note(Guid node, bool removed, Guid? zone = null)
    {
        Revision++;
        _changes.Add(new MapChange(Revision, zone ?? ZoneId, MapSubject.Node, node, removed));
        (TaskCompletionSource changed, _changed) = (_changed, new(TaskCreationOptions.RunContinuationsAsynchronously));
        changed.SetResult();
    }
}
