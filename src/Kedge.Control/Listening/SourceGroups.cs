using System.Diagnostics.CodeAnalysis;
using Kedge.Protocol.Ip;

namespace Kedge.Control.Listening;

/// <summary>
/// Items grouped by source, so that sources are treated alike however many items each has: they are served in rotation, and when room runs
/// out, the largest group gives up an item. Not synchronised.
/// </summary>
internal sealed class SourceGroups<T>
    where T : class
{
    private readonly Dictionary<IpAddress, LinkedListNode<Group>> _groups = [];
    private readonly LinkedList<Group> _turns = []; // the source whose turn is next is first

    /// <summary>How many items there are.</summary>
    public int Count { get; private set; }

    /// <summary>How many items a source has.</summary>
    public int CountOf(IpAddress source) => _groups.TryGetValue(source, out LinkedListNode<Group>? node) ? node.Value.Items.Count : 0;

    /// <summary>Adds an item after the others of its source.</summary>
    public void Add(IpAddress source, T item)
    {
        if (!_groups.TryGetValue(source, out LinkedListNode<Group>? node))
            _groups.Add(source, node = _turns.AddLast(new Group(source)));
        node.Value.Items.Add(item);
        Count++;
    }

    /// <summary>Removes an item.</summary>
    /// <returns>False if it is not there.</returns>
    public bool Remove(IpAddress source, T item)
    {
        if (!_groups.TryGetValue(source, out LinkedListNode<Group>? node) || node.Value.Items.IndexOf(item) is not (>= 0 and var index))
            return false;
        TakeAt(node, index);
        return true;
    }

    /// <summary>Removes the oldest item of the source whose turn it is, and moves that source to the end of the rotation.</summary>
    /// <returns>False if there are no items.</returns>
    public bool TryTakeNext([NotNullWhen(true)] out T? item)
    {
        item = null;
        if (_turns.First is not { } node)
            return false;
        item = TakeAt(node, 0);
        if (node.List is not null)
        {
            _turns.Remove(node);
            _turns.AddLast(node);
        }
        return true;
    }

    /// <summary>Removes an item of a source, chosen at random.</summary>
    /// <exception cref="KeyNotFoundException">The source has none.</exception>
    public T TakeAtRandom(IpAddress source, Random random)
    {
        LinkedListNode<Group> node = _groups[source];
        return TakeAt(node, random.Next(node.Value.Items.Count));
    }

    /// <summary>Removes an item, chosen at random, from the source that has the most; if several have, from any of them.</summary>
    /// <exception cref="InvalidOperationException">There are no items.</exception>
    public T TakeOfLargest(Random random)
    {
        int most = _turns.Max(group => group.Items.Count);
        Group[] largest = [.. _turns.Where(group => group.Items.Count == most)];
        return TakeAtRandom(largest[random.Next(largest.Length)].Source, random);
    }

    private T TakeAt(LinkedListNode<Group> node, int index)
    {
        T item = node.Value.Items[index];
        node.Value.Items.RemoveAt(index);
        Count--;
        if (node.Value.Items.Count == 0)
        {
            _turns.Remove(node);
            _groups.Remove(node.Value.Source);
        }
        return item;
    }

    private sealed class Group(IpAddress source)
    {
        public IpAddress Source => source;

        public List<T> Items { get; } = [];
    }
}
