namespace Kedge.Control.Push;

/// <summary>
/// The most recently used segments, by the position that each continues from. Clients choose the position, so both number and bytes are
/// bounded. Guarded by its owner.
/// </summary>
/// <param name="mostSegments">How many it keeps.</param>
/// <param name="mostBytes">How many bytes of frames it keeps; a segment that is longer by itself is not kept.</param>
internal sealed class SegmentCache(int mostSegments, long mostBytes)
{
    private readonly LinkedList<(long From, Segment Segment)> _segments = []; // most recently used first

    /// <summary>How many segments it holds.</summary>
    public int Count => _segments.Count;

    /// <summary>The bytes of their frames.</summary>
    public long Bytes { get; private set; }

    /// <summary>The segment that continues from a position; null if it is not in the cache.</summary>
    public Segment? Find(long from)
    {
        for (LinkedListNode<(long From, Segment Segment)>? node = _segments.First; node is not null; node = node.Next)
        {
            if (node.Value.From != from)
                continue;
            _segments.Remove(node);
            _segments.AddFirst(node);
            return node.Value.Segment;
        }
        return null;
    }

    /// <summary>Adds a segment whose position is not in the cache, and evicts the least recently used ones.</summary>
    /// <returns>The segment.</returns>
    public Segment Add(long from, Segment segment)
    {
        if (segment.Length > mostBytes)
            return segment;
        _segments.AddFirst((from, segment));
        Bytes += segment.Length;
        while (_segments.Count > mostSegments || Bytes > mostBytes)
        {
            Bytes -= _segments.Last!.Value.Segment.Length;
            _segments.RemoveLast();
        }
        return segment;
    }

    /// <summary>Removes all segments.</summary>
    public void Clear()
    {
        _segments.Clear();
        Bytes = 0;
    }
}
