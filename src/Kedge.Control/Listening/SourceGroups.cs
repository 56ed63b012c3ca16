using System.Diagnostics.CodeAnalysis;
using Kedge.Protocol.Ip;

namespace Kedge.Control.Listening;

/// <summary>
/// Items in groups, one for each source, so that sources are treated alike however many items each has: they take turns, and when there is no
/// room it is the largest group that gives something up. Not synchronised.
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

    /// <summary>Adds an item behind the others of its source.</summary>
    public void Add(IpAddress source, T item)
    {
        if (!_groups.TryGetValue(source, out LinkedListNode<Group>? node))
            _groups.Add(source, node = _turns.AddLast(new Group(source)));
        node.Value.Items.Add(item);
        Count++;
    }

    /// <summary>Removes an item.</summary>
    /// <returns>False when it is not there.</returns>
    public bool Remove(IpAddress source, T item)
    {
        if (!_groups.TryGetValue(source, out LinkedListNode<Group>? node) || node.Value.Items.IndexOf(item) is not (>= 0 and var index))
            return false;
        TakeAt(node, index);
        return true;
    }

    /// <summary>Removes the oldest item of the source whose turn it is, which then goes to the end of the line.</summary>
    /// <returns>False when there are no items.</returns>
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

    /// <summary>Removes one item of a source, chosen at random.</summary>
    /// <exception cref="KeyNotFoundException">The source has none.</exception>
    public T TakeAtRandom(IpAddress source, Random random)
    {
        LinkedListNode<Group> node = _groups[source];
        return TakeAt(node, random.Next(node.Value.Items.Count));
    }

    /// <summary>Removes one item, chosen at random, of the source that has the most; of several such sources, of any.</summary>
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
