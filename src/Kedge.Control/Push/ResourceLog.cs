using Kedge.Protocol.Mesh;

namespace Kedge.Control.Push;

/// <summary>
/// Resources as they are now, each with the frame that tells it, and in which order they changed. Whoever knows an older state has to be
/// told one frame a resource at most, however much older it is. Guarded by its owner.
/// </summary>
/// <param name="kept">How many changes are kept at least for those who are behind.</param>
internal sealed class ResourceLog(int kept = ResourceLog.DefaultKept)
{
    private const int DefaultKept = 4096;

    private readonly Dictionary<string, byte[]> _frames = [];
    private readonly List<(long Sequence, string Resource)> _changes = [];

    // The number after which all changes are known.
    private long _start;

    /// <summary>The frames of all resources.</summary>
    public IEnumerable<byte[]> All => _frames.Values;

    /// <summary>Whether a resource has a value.</summary>
    public bool Has(string resource) => _frames.ContainsKey(resource);

    /// <summary>A resource has a value.</summary>
    /// <param name="resource">Its name.</param>
    /// <param name="sequence">The number of the change, not below that of any before.</param>
    /// <param name="frame">What tells it. The same as before is no change.</param>
    public void Put(string resource, long sequence, byte[] frame)
    {
        if (_frames.TryGetValue(resource, out byte[]? present) && present.AsSpan().SequenceEqual(frame))
            return;
        _frames[resource] = frame;
        Note(sequence, resource);
    }

    /// <summary>A resource is gone.</summary>
    /// <param name="resource">Its name. One that is not there is no change.</param>
    /// <param name="sequence">The number of the change, not below that of any before.</param>
    public void Remove(string resource, long sequence)
    {
        if (_frames.Remove(resource))
            Note(sequence, resource);
    }

    /// <summary>A resource is gone together with another that is told of.</summary>
    public void Forget(string resource) => _frames.Remove(resource);

    /// <summary>What tells a resource as it is now: its value, or that it is gone.</summary>
    public byte[] FrameOf(string resource) => _frames.GetValueOrDefault(resource) ?? MapFrameWriter.Remove(resource);

    /// <summary>The frames that bring somebody up to date who has everything up to a number; null when that is too long ago.</summary>
    public List<byte[]>? Since(long sequence)
    {
        if (sequence < _start)
            return null;
        HashSet<string> changed = [];
        for (int i = FirstAfter(sequence); i < _changes.Count; i++)
            changed.Add(_changes[i].Resource);
        return [.. changed.Select(FrameOf)];
    }

    /// <summary>Whether anything has changed after a number.</summary>
    public bool HasSince(long sequence) => sequence < _start || (_changes.Count > 0 && _changes[^1].Sequence > sequence);

    private int FirstAfter(long sequence)
    {
        int low = 0, high = _changes.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_changes[middle].Sequence <= sequence)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }

    private void Note(long sequence, string resource)
    {
        _changes.Add((sequence, resource));
        // A snapshot is shorter than a longer history. Cut by half, so that it costs little.
        if (_changes.Count <= 2 * Math.Max(kept, _frames.Count))
            return;
        int cut = _changes.Count / 2;
        _start = _changes[cut - 1].Sequence;
        _changes.RemoveRange(0, cut);
    }
}
