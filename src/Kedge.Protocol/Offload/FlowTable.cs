namespace Kedge.Protocol.Offload;

/// <summary>
/// The flows that a <see cref="Coalescer"/> has met last, and the group of each that more packets may join. A new flow takes the place of
/// the one that has been there for the longest. Two flows of one hash share a place, and end each other's groups.
/// </summary>
internal sealed class FlowTable(int capacity)
{
    private const int Closed = -1;

    private readonly ulong[] _flows = new ulong[capacity]; // 0 is no flow
    private readonly int[] _groups = new int[capacity];
    private int _next;

    /// <summary>The open group of a flow.</summary>
    public bool TryGetOpen(ulong flow, out int group)
    {
        int place = _flows.AsSpan().IndexOf(flow);
        group = place < 0 ? Closed : _groups[place];
        return group != Closed;
    }

    /// <summary>Makes a group the open one of its flow, in place of any other.</summary>
    public void Open(ulong flow, int group)
    {
        int place = _flows.AsSpan().IndexOf(flow);
        if (place < 0)
        {
            place = _next;
            _next = (_next + 1) % _flows.Length;
            _flows[place] = flow;
        }
        _groups[place] = group;
    }

    /// <summary>Closes the open group of a flow, where there is one.</summary>
    public void Close(ulong flow)
    {
        int place = _flows.AsSpan().IndexOf(flow);
        if (place >= 0)
            _groups[place] = Closed;
    }

    /// <summary>Closes all groups, and forgets all flows.</summary>
    public void CloseAll() => _flows.AsSpan().Clear();
}
