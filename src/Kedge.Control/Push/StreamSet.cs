namespace Kedge.Control.Push;

/// <summary>The open streams of a zone, by the node that reads. Guarded by its owner.</summary>
internal sealed class StreamSet
{
    private readonly Dictionary<Guid, List<MapSubscription>> _nodes = [];

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>All of them.</summary>
    public IEnumerable<MapSubscription> All => _nodes.Values.SelectMany(streams => streams);

    /// <summary>The streams of a node; changes with the set.</summary>
    public IReadOnlyList<MapSubscription> Of(Guid node) => _nodes.TryGetValue(node, out List<MapSubscription>? streams) ? streams : [];

    /// <summary>Adds a stream that is not among them.</summary>
    public void Add(MapSubscription stream)
    {
        if (!_nodes.TryGetValue(stream.Node, out List<MapSubscription>? streams))
            _nodes[stream.Node] = streams = new List<MapSubscription>(1);
        streams.Add(stream);
        Count++;
    }

    /// <summary>Removes a stream; one that is not among them is no change.</summary>
    public void Remove(MapSubscription stream)
    {
        if (!_nodes.TryGetValue(stream.Node, out List<MapSubscription>? streams) || !streams.Remove(stream))
            return;
        Count--;
        if (streams.Count == 0)
            _nodes.Remove(stream.Node);
    }
}
