using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Strangers;

/// <summary>
/// An instant for each of a bounded number of sources. When it is full, a newcomer replaces the earliest of the next few entries, so that
/// adding costs the same however many sources there are, and nothing is allocated. One thread at a time.
/// </summary>
/// <param name="capacity">The most sources it holds; about 100 bytes each once used.</param>
internal sealed class SourceTable(int capacity)
{
    private const int Neighbours = 8;

    private readonly Dictionary<IpAddress, int> _places = [];
    private readonly List<(IpAddress Source, Instant Instant)> _entries = [];
    private int _hand;

    /// <summary>Finds a source's instant.</summary>
    /// <returns>False if the source is not in the table.</returns>
    public bool TryGet(IpAddress source, out Instant instant)
    {
        bool isKnown = _places.TryGetValue(source, out int place);
        instant = isKnown ? _entries[place].Instant : default;
        return isKnown;
    }

    /// <summary>Sets a source's instant, and adds the source if it is new.</summary>
    /// <returns>The instant of the source that was evicted to make room; null if none was.</returns>
    public Instant? Set(IpAddress source, Instant instant)
    {
        if (_places.TryGetValue(source, out int place))
        {
            _entries[place] = (source, instant);
            return null;
        }
        if (_entries.Count < capacity)
        {
            _places.Add(source, _entries.Count);
            _entries.Add((source, instant));
            return null;
        }
        place = EarliestOfNext();
        (IpAddress evicted, Instant evictedInstant) = _entries[place];
        _places.Remove(evicted);
        _places.Add(source, place);
        _entries[place] = (source, instant);
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
