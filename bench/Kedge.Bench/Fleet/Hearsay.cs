using System.Collections.Concurrent;

namespace Kedge.Bench.Fleet;

/// <summary>
/// When each node heard of something about another, in timestamps. One array a subject instead of a table a node: with a thousand nodes of a
/// thousand notes each, the garbage collector would be what is measured. Any thread.
/// </summary>
internal sealed class Hearsay
{
    private const int MostNodes = 1 << 13;

    private readonly ConcurrentDictionary<Guid, long[]> _heardAt = new();

    /// <summary>A node has heard; what it hears again does not count.</summary>
    /// <param name="subject">Of whom.</param>
    /// <param name="node">The node's number.</param>
    /// <param name="timestamp">When.</param>
    public void Note(Guid subject, int node, long timestamp) =>
        Interlocked.CompareExchange(ref _heardAt.GetOrAdd(subject, _ => new long[MostNodes])[node], timestamp, 0);

    /// <summary>When a node heard; 0 if it has not.</summary>
    public long At(Guid subject, int node) => _heardAt.TryGetValue(subject, out long[]? times) ? Volatile.Read(ref times[node]) : 0;
}
