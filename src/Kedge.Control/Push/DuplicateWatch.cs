namespace Kedge.Control.Push;

/// <summary>
/// Notices that two machines use the keys of one node at the same time: a disk was cloned, and both copies run. Two open streams prove
/// nothing, because the old stream of a machine that has reconnected, restarted or moved lingers for a while. So each stream is sent a
/// question of its own, which only a machine that still reads that stream can answer: two answers prove two machines. Any thread.
/// </summary>
/// <param name="clock">Tells the time by its timestamps alone.</param>
internal sealed class DuplicateWatch(TimeProvider clock)
{
    /// <summary>How often the streams of a node are asked again while it has more than one.</summary>
    public static readonly TimeSpan AskInterval = TimeSpan.FromSeconds(15);

    /// <summary>How long without two answers until the node counts as one machine again. Longer than a machine takes to reconnect.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, Node> _nodes = [];

    /// <summary>Called when a node turns out to be two machines, with the addresses that they connect from.</summary>
    public Action<Guid, IReadOnlyList<string>> Found { get; set; } = (_, _) => { };

    /// <summary>A stream was opened.</summary>
    public void Opened(MapSubscription stream)
    {
        lock (_lock)
        {
            if (!_nodes.TryGetValue(stream.Node, out Node? node))
                _nodes[stream.Node] = node = new Node();
            node.Streams.Add(new Asked(stream));
            if (node.Streams.Count > 1)
                Ask(node);
            Tell(node);
        }
    }

    /// <summary>A stream has ended.</summary>
    public void Closed(MapSubscription stream)
    {
        lock (_lock)
        {
            if (!_nodes.TryGetValue(stream.Node, out Node? node))
                return;
            node.Streams.RemoveAll(one => one.Stream == stream);
            if (node.Streams.Count == 0 && !node.IsDuplicate)
                _nodes.Remove(stream.Node);
        }
    }

    /// <summary>A node has answered a question.</summary>
    public void Answered(Guid id, Guid question)
    {
        IReadOnlyList<string> sources;
        lock (_lock)
        {
            if (!_nodes.TryGetValue(id, out Node? node))
                return;
            foreach (Asked one in node.Streams.Where(one => one.Question == question))
                one.HasAnswered = true;
            if (node.Streams.Count(one => one.HasAnswered) < 2)
                return;
            node.ProvenAt = clock.GetTimestamp();
            if (node.IsDuplicate)
                return;
            node.IsDuplicate = true;
            Tell(node);
            sources = node.Sources;
        }
        Found(id, sources);
    }

    /// <summary>The addresses from which several machines use a node's keys at once; empty for a node that is one machine.</summary>
    public IReadOnlyList<string> SourcesOf(Guid id)
    {
        lock (_lock)
            return _nodes.TryGetValue(id, out Node? node) && node.IsDuplicate ? node.Sources : [];
    }

    /// <summary>Asks again where it is time, and clears nodes that are one machine again. Call it every second or so.</summary>
    public void Tick()
    {
        lock (_lock)
        {
            foreach ((Guid id, Node node) in _nodes.ToArray())
            {
                if (node.Streams.Count > 1 && clock.GetElapsedTime(node.AskedAt) >= AskInterval)
                    Ask(node);
                if (!node.IsDuplicate || clock.GetElapsedTime(node.ProvenAt) < Patience)
                    continue;
                node.IsDuplicate = false;
                Tell(node);
                if (node.Streams.Count == 0)
                    _nodes.Remove(id);
            }
        }
    }

    private void Ask(Node node)
    {
        node.AskedAt = clock.GetTimestamp();
        foreach (Asked one in node.Streams)
            one.Ask();
    }

    /// <summary>Tells each stream where the other machines are.</summary>
    private static void Tell(Node node)
    {
        foreach (Asked one in node.Streams)
        {
            IEnumerable<string> others = node.Streams.Where(other => other != one).Select(other => other.Stream.Source).Distinct();
            one.Stream.TellDuplicates(node.IsDuplicate ? string.Join(", ", others) : null);
        }
    }

    /// <summary>A node that has streams, or had two machines a moment ago.</summary>
    private sealed class Node
    {
        public List<Asked> Streams { get; } = [];

        public bool IsDuplicate { get; set; }

        public long AskedAt { get; set; } // timestamp

        public long ProvenAt { get; set; } // timestamp

        public IReadOnlyList<string> Sources => [.. Streams.Select(one => one.Stream.Source).Distinct()];
    }

    /// <summary>A stream, and what it was asked last.</summary>
    private sealed class Asked(MapSubscription stream)
    {
        public MapSubscription Stream => stream;

        public Guid Question { get; private set; }

        public bool HasAnswered { get; set; }

        public void Ask()
        {
            (Question, HasAnswered) = (Guid.NewGuid(), false);
            stream.Ask(Question);
        }
    }
}
