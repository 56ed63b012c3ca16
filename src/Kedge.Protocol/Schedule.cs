using System.Threading;

namespace Kedge.Protocol;

/// <summary>What a <see cref="Schedule{T}"/> polls.</summary>
/// <typeparam name="T">Its type.</typeparam>
public interface IScheduled<T>
    where T : class, IScheduled<T>
{
    /// <summary>Its place in the schedule.</summary>
    Schedule<T>.Entry Scheduled { get; }

    /// <summary>When it is to be polled next at the latest.</summary>
    Instant NextDeadline(Instant now);
}

/// <summary>
/// When each of many things is to be polled: a heap of deadlines, and a list of those that ask to be polled earlier. A wake-up of the
/// thread that polls costs only what is due, however many things there are. Owned by that thread, except for <see cref="Ask"/>. Allocates
/// only when things are added.
/// </summary>
/// <typeparam name="T">What is polled: a peer, for example.</typeparam>
public sealed class Schedule<T>
    where T : class, IScheduled<T>
{
    private static readonly Instant Past = new(long.MinValue);

    private Entry[] _heap = new Entry[16]; // a binary heap with the earliest entry first
    private int _count;
    private Entry? _asking; // a stack, linked by Entry.NextAsking

    /// <summary>When the next one is to be polled, unless another asks before.</summary>
    public Instant Earliest => _count == 0 ? Instant.Never : _heap[0].Due;

    /// <summary>Makes those that have asked due. Called once before a series of <see cref="TakeDue"/>, which might otherwise never end.</summary>
    public void TakeAsking()
    {
        Entry? entry = Interlocked.Exchange(ref _asking, null);
        while (entry is not null)
        {
            Entry? next = entry.NextAsking;
            entry.NextAsking = null;
            // From here on it may ask again, for what happens after it is polled.
            Interlocked.Exchange(ref entry.IsAsking, 0);
            if (entry.Index >= 0)
                Move(entry, Past);
            entry = next;
        }
    }

    /// <summary>The next one that is due, or null if none is. The caller polls it and then calls <see cref="Put"/>.</summary>
    public T? TakeDue(Instant now)
    {
        if (_count == 0 || _heap[0].Due > now)
            return null;
        Entry entry = _heap[0];
        Move(entry, Instant.Never);
        return entry.Item;
    }

    /// <summary>Schedules one for its next deadline, which is taken to be after <paramref name="now"/>.</summary>
    public void Put(T item, Instant now)
    {
        Instant deadline = item.NextDeadline(now);
        Move(item.Scheduled, deadline > now ? deadline : new Instant(now.Ticks + 1));
    }

    /// <summary>Asks for one to be polled before its deadline, or for an earlier deadline to be noticed. Any thread.</summary>
    public void Ask(T item)
    {
        Entry entry = item.Scheduled;
        if (Interlocked.Exchange(ref entry.IsAsking, 1) != 0)
            return;
        Entry? first;
        do
        {
            first = Volatile.Read(ref _asking);
            entry.NextAsking = first;
        }
        while (Interlocked.CompareExchange(ref _asking, entry, first) != first);
    }

    /// <summary>Adds one, due at once.</summary>
    public void Add(T item)
    {
        if (_count == _heap.Length)
            Array.Resize(ref _heap, 2 * _heap.Length);
        Entry entry = item.Scheduled;
        entry.Due = Past;
        Place(entry, _count++);
        Rise(entry);
    }

    /// <summary>Removes one, even if it is asking.</summary>
    public void Remove(T item)
    {
        Entry entry = item.Scheduled, last = _heap[--_count];
        int index = entry.Index;
        entry.Index = -1;
        _heap[_count] = null!;
        if (last == entry)
            return;
        Place(last, index);
        Rise(last);
        Sink(last);
    }

    /// <summary>Makes all due.</summary>
    public void AskAll()
    {
        for (int i = 0; i < _count; i++)
            _heap[i].Due = Past;
    }

    private void Move(Entry entry, Instant due)
    {
        entry.Due = due;
        Rise(entry);
        Sink(entry);
    }

    private void Rise(Entry entry)
    {
        while (entry.Index > 0 && _heap[(entry.Index - 1) / 2] is var parent && entry.Due < parent.Due)
            Swap(entry, parent);
    }

    private void Sink(Entry entry)
    {
        while (true)
        {
            int left = 2 * entry.Index + 1, right = left + 1;
            if (left >= _count)
                return;
            Entry child = right < _count && _heap[right].Due < _heap[left].Due ? _heap[right] : _heap[left];
            if (entry.Due <= child.Due)
                return;
            Swap(entry, child);
        }
    }

    private void Swap(Entry a, Entry b)
    {
        int index = a.Index;
        Place(a, b.Index);
        Place(b, index);
    }

    private void Place(Entry entry, int index)
    {
        _heap[index] = entry;
        entry.Index = index;
    }

    /// <summary>The place of one thing in the schedule.</summary>
    /// <param name="item">The thing.</param>
    public sealed class Entry(T item)
    {
        /// <summary>1 while it is on the list of those that ask, otherwise 0.</summary>
        internal int IsAsking;

        /// <summary>The next entry on the list of those that ask.</summary>
        internal Entry? NextAsking;

        /// <summary>The thing.</summary>
        public T Item => item;

        /// <summary>When it is to be polled.</summary>
        internal Instant Due { get; set; }

        /// <summary>Its index in the heap; -1 if it is not there.</summary>
        internal int Index { get; set; } = -1;
    }
}
