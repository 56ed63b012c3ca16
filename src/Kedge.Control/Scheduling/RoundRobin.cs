using System.Diagnostics.CodeAnalysis;

namespace Kedge.Control.Scheduling;

/// <summary>
/// Items grouped by owner, so that owners are treated alike however many items each has: they are served in rotation, and when room runs
/// out, the largest group gives up an item. Not synchronised.
/// </summary>
internal sealed class RoundRobin<TOwner, T>
    where TOwner : notnull
    where T : class
{
    private readonly Dictionary<TOwner, LinkedListNode<Group>> _groups = [];
    private readonly LinkedList<Group> _turns = []; // the owner whose turn is next is first

    /// <summary>How many items there are.</summary>
    public int Count { get; private set; }

    /// <summary>How many items an owner has.</summary>
    public int CountOf(TOwner owner) => _groups.TryGetValue(owner, out LinkedListNode<Group>? node) ? node.Value.Items.Count : 0;

    /// <summary>Adds an item after the others of its owner.</summary>
    public void Add(TOwner owner, T item)
    {
        if (!_groups.TryGetValue(owner, out LinkedListNode<Group>? node))
            _groups.Add(owner, node = _turns.AddLast(new Group(owner)));
        node.Value.Items.Add(item);
        Count++;
    }

    /// <summary>Removes an item.</summary>
    /// <returns>False if it is not there.</returns>
    public bool Remove(TOwner owner, T item)
    {
        if (!_groups.TryGetValue(owner, out LinkedListNode<Group>? node) || node.Value.Items.IndexOf(item) is not (>= 0 and var index))
            return false;
        TakeAt(node, index);
        return true;
    }

    /// <summary>Removes the oldest item of the owner whose turn it is, and moves that owner to the end of the rotation.</summary>
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

    /// <summary>Removes an item of an owner, chosen at random.</summary>
    /// <exception cref="KeyNotFoundException">The owner has none.</exception>
    public T TakeAtRandom(TOwner owner, Random random)
    {
        LinkedListNode<Group> node = _groups[owner];
        return TakeAt(node, random.Next(node.Value.Items.Count));
    }

    /// <summary>Removes an item, chosen at random, from the owner that has the most; if several have, from any of them.</summary>
    /// <exception cref="InvalidOperationException">There are no items.</exception>
    public T TakeOfLargest(Random random)
    {
        int most = _turns.Max(group => group.Items.Count);
        Group[] largest = [.. _turns.Where(group => group.Items.Count == most)];
        return TakeAtRandom(largest[random.Next(largest.Length)].Owner, random);
    }

    private T TakeAt(LinkedListNode<Group> node, int index)
    {
        T item = node.Value.Items[index];
        node.Value.Items.RemoveAt(index);
        Count--;
        if (node.Value.Items.Count == 0)
        {
            _turns.Remove(node);
            _groups.Remove(node.Value.Owner);
        }
        return item;
    }

    private sealed class Group(TOwner owner)
    {
        public TOwner Owner => owner;

        public List<T> Items { get; } = [];
    }
}
