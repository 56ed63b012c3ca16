namespace Kedge.Protocol.Mesh;

/// <summary>
/// What a stream has brought since its last commit, by resource: a value, a reason for refusing one, or null for a resource that is gone.
/// Bounded in number and in bytes: beyond either it drops everything and takes nothing more until it is cleared, because part of a commit is
/// of no use. One thread at a time.
/// </summary>
internal sealed class MapStaging
{
    // A dictionary's entry, the resource's name, the object headers.
    private const int Overhead = 200;

    private readonly Dictionary<string, (object? Value, int Bytes)> _values = [];

    /// <summary>Whether more came than is allowed.</summary>
    public bool HasOverflowed { get; private set; }

    /// <summary>Roughly the bytes of memory that it holds.</summary>
    public long Bytes { get; private set; }

    /// <summary>All that came, each resource once.</summary>
    public IEnumerable<KeyValuePair<string, object?>> Values => _values.Select(entry => KeyValuePair.Create(entry.Key, entry.Value.Value));

    /// <summary>Whether a resource is among what came.</summary>
    public bool Contains(string resource) => _values.ContainsKey(resource);

    /// <summary>The value of a resource; null where it is gone, or did not come.</summary>
    public object? ValueOf(string resource) => _values.GetValueOrDefault(resource).Value;

    /// <summary>Adds a resource, in place of what came of it before.</summary>
    /// <param name="resource">Its name.</param>
    /// <param name="value">Its value; null for one that is gone.</param>
    /// <param name="length">Bytes of the frame that brought it.</param>
    /// <returns>False where that is too much.</returns>
    public bool TryAdd(string resource, object? value, int length)
    {
        if (HasOverflowed)
            return false;
        int bytes = length + Overhead;
        Bytes += bytes - _values.GetValueOrDefault(resource).Bytes;
        _values[resource] = (value, bytes);
        if (_values.Count <= NetworkMap.MaximumResources && Bytes <= NetworkMap.MaximumBytes)
            return true;
        Overflow();
        return false;
    }

    /// <summary>Drops everything, because it is too much.</summary>
    public void Overflow()
    {
        Clear();
        HasOverflowed = true;
    }

    /// <summary>Begins again with nothing.</summary>
    public void Clear()
    {
        _values.Clear();
        Bytes = 0;
        HasOverflowed = false;
    }
}
