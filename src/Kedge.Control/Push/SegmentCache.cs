namespace Kedge.Control.Push;

/// <summary>
/// The segments that were used last, by the position that each goes on from. Who asks chooses the position, so neither their number nor
/// their bytes may grow with what is asked for. Guarded by its owner.
/// </summary>
/// <param name="mostSegments">How many it keeps.</param>
/// <param name="mostBytes">How many bytes of frames they may have together; a segment that is longer by itself is not kept.</param>
internal sealed class SegmentCache(int mostSegments, long mostBytes)
{
    private readonly LinkedList<(long From, Segment Segment)> _segments = []; // the last used first

    /// <summary>How many it has.</summary>
    public int Count => _segments.Count;

    /// <summary>The bytes of frames that they have together.</summary>
    public long Bytes { get; private set; }

    /// <summary>The segment that goes on from a position; null where it is not, or no longer, here.</summary>
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

    /// <summary>Keeps a segment whose position is not here, and lets go of those that were not used for the longest time.</summary>
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

    /// <summary>Lets go of all.</summary>
    public void Clear()
    {
        _segments.Clear();
        Bytes = 0;
    }
}
