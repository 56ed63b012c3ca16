namespace Kedge.Protocol;

/// <summary>
/// An instant for each of a bounded number of keys. When it is full, a newcomer replaces the earliest of the next few entries, so that
/// adding costs the same however many keys there are, and nothing is allocated. One thread at a time.
/// </summary>
/// <param name="capacity">The most keys it holds; about 100 bytes each once used.</param>
internal sealed class InstantTable<TKey>(int capacity)
    where TKey : notnull
{
    private const int Neighbours = 8;

    private readonly Dictionary<TKey, int> _places = [];
    private readonly List<(TKey Key, Instant Instant)> _entries = [];
    private int _hand;

    /// <summary>Finds a key's instant.</summary>
    /// <returns>False if the key is not in the table.</returns>
    public bool TryGet(TKey key, out Instant instant)
    {
        bool isKnown = _places.TryGetValue(key, out int place);
        instant = isKnown ? _entries[place].Instant : default;
        return isKnown;
    }

    /// <summary>Sets a key's instant, and adds the key if it is new.</summary>
    /// <returns>The instant of the key that was evicted to make room; null if none was.</returns>
    public Instant? Set(TKey key, Instant instant)
    {
        if (_places.TryGetValue(key, out int place))
        {
            _entries[place] = (key, instant);
            return null;
        }
        if (_entries.Count < capacity)
        {
            _places.Add(key, _entries.Count);
            _entries.Add((key, instant));
            return null;
        }
        place = EarliestOfNext();
        (TKey evicted, Instant evictedInstant) = _entries[place];
        _places.Remove(evicted);
        _places.Add(key, place);
        _entries[place] = (key, instant);
        return evictedInstant;
    }

    private int EarliestOfNext()
    {
        int earliest = _hand;
        for (int i = 0; i < Neighbours; i++)
        {
            if (_entries[_hand].Instant < _entries[earliest].Instant)
                earliest = _hand;
            _hand = (_hand + 1) % _entries.Count;
        }
        return earliest;
    }
}
