using Kedge.Control.Scheduling;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;

namespace Kedge.Control.Push;

/// <summary>
/// Where nodes were last reached, in memory: it changes too often for the store's queue. A node that says something else all the time is
/// told of now and then only; what it said last is told in the end. Any thread.
/// </summary>
internal sealed class EndpointBoard(TimeProvider clock)
{
    /// <summary>
    /// How many reports of a node are told at once after a pause. A machine that starts, or moves to another network, makes three: its own
    /// addresses, then what a STUN server sees, and what its gateway maps.
    /// </summary>
    public const int Burst = 8;

    /// <summary>The pace that a node can keep up.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);

    private static readonly Rate Pace = new(Burst, Interval);

    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, Entry> _nodes = [];
    private readonly HashSet<Guid> _deferred = [];
    private readonly HashSet<Guid> _unwritten = [];

    /// <summary>Takes what was known before this process started.</summary>
    public void Restore(IEnumerable<KnownEndpoints> known)
    {
        lock (_lock)
        {
            foreach (KnownEndpoints one in known)
                _nodes.TryAdd(one.Node, new Entry(one.Zone) { Reported = one.Endpoints, Told = one.Endpoints });
        }
    }

    /// <summary>A node has said where it is reached.</summary>
    /// <returns>Whether the others are to be told now.</returns>
    public bool Report(Guid zone, Guid node, IReadOnlyList<NodeEndpoint> endpoints)
    {
        lock (_lock)
        {
            if (!_nodes.TryGetValue(node, out Entry? entry) || entry.Zone != zone)
                _nodes[node] = entry = new Entry(zone);
            if (entry.Reported.SequenceEqual(endpoints))
                return false;
            entry.Reported = endpoints;
            _unwritten.Add(node);
            return Tell(node, entry);
        }
    }

    /// <summary>What the others are told of a node.</summary>
    public IReadOnlyList<NodeEndpoint> Of(Guid node)
    {
        lock (_lock)
            return _nodes.TryGetValue(node, out Entry? entry) ? entry.Told : [];
    }

    /// <summary>Where the nodes of a zone have said that they are reached in the network below the overlay.</summary>
    public IReadOnlyList<(Guid Node, NodeEndpoint Endpoint)> InZone(Guid zone)
    {
        lock (_lock)
            return
            [
                .. from one in _nodes
                   where one.Value.Zone == zone
                   from endpoint in one.Value.Reported
                   where !EndpointKinds.PassedOn.Contains(endpoint.Kind)
                   select (one.Key, endpoint),
            ];
    }

    /// <summary>Nodes of which the others are to be told by now, though not when they said it.</summary>
    public IReadOnlyList<(Guid Zone, Guid Node)> TakeDue()
    {
        lock (_lock)
        {
            if (_deferred.Count == 0)
                return [];
            return [.. _deferred.ToArray().Where(node => Tell(node, _nodes[node])).Select(node => (_nodes[node].Zone, node))];
        }
    }

    /// <summary>What was not written yet. Whoever takes it writes it.</summary>
    public IReadOnlyList<KnownEndpoints> TakeUnwritten()
    {
        lock (_lock)
        {
            KnownEndpoints[] unwritten = [.. _unwritten.Select(node => new KnownEndpoints(_nodes[node].Zone, node, _nodes[node].Reported))];
            _unwritten.Clear();
            return unwritten;
        }
    }

    /// <summary>Forgets a node that is gone.</summary>
    public void Forget(Guid node)
    {
        lock (_lock)
        {
            _nodes.Remove(node);
            _deferred.Remove(node);
            _unwritten.Remove(node);
        }
    }

    private bool Tell(Guid node, Entry entry)
    {
        if (entry.Told.SequenceEqual(entry.Reported))
        {
            _deferred.Remove(node);
            return false;
        }
        Instant now = clock.Now();
        if (entry.Bucket.WaitFor(now, Pace) > TimeSpan.Zero)
        {
            _deferred.Add(node);
            return false;
        }
        entry.Bucket = entry.Bucket.Take(now, Pace);
        _deferred.Remove(node);
        entry.Told = entry.Reported;
        return true;
    }

    private sealed class Entry(Guid zone)
    {
        public Guid Zone => zone;

        /// <summary>How often the others are told.</summary>
        public TokenBucket Bucket { get; set; }

        public IReadOnlyList<NodeEndpoint> Reported { get; set; } = [];

        public IReadOnlyList<NodeEndpoint> Told { get; set; } = [];
    }
}

/// <summary>Where a node was last reached.</summary>
/// <param name="Zone">Its zone.</param>
/// <param name="Node">The node.</param>
/// <param name="Endpoints">Its endpoints, best first.</param>
internal sealed record KnownEndpoints(Guid Zone, Guid Node, IReadOnlyList<NodeEndpoint> Endpoints);
