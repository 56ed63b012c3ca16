using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// How many handshakes a source may start while the device is under load: <see cref="PerSecond"/>, and up to <see cref="Burst"/> at once,
/// unless it is made for something else. A source is an IPv4 address or an IPv6 /64, which is what one customer is usually given. A device
/// asks about sources that have proven their address with a cookie (WireGuard paper, section 5.3); others cost no more than a cookie reply.
/// One thread at a time.
/// <para>
/// The number of sources is bounded, and a new source is always let in. When the table is full, it takes the place of the quietest of a
/// few others, and where even that one has not been quiet long enough to be forgotten, it starts with one handshake instead of a full
/// burst. So a flood from more sources than there are places can neither grow the table, nor shut anyone out, nor gain bursts by
/// pushing its own sources out. Refusing new sources, or sharing buckets between sources, would let it shut others out.
/// </para>
/// </summary>
public sealed class RateLimiter
{
    /// <summary>Handshakes a second that a source may keep up.</summary>
    public const int PerSecond = 20;

    /// <summary>Handshakes that a source may start at once after a pause.</summary>
    public const int Burst = 5;

    private const int Neighbours = 8;

    // A token bucket as the one instant at which it is full again: each handshake moves it an interval further, and while it is less than
    // a whole bucket away there is a token left. A source whose instant has passed is as good as unknown.
    private readonly Dictionary<IpAddress, int> _places = [];
    private readonly List<(IpAddress Source, Instant FullAt)> _sources = [];
    private readonly int _maximumSources;
    private readonly TimeSpan _interval;
    private readonly TimeSpan _fullBucket;
    private int _hand;

    /// <summary>A limiter that knows no source.</summary>
    /// <param name="maximumSources">How many sources are remembered at most; about 120 bytes each.</param>
    /// <param name="perSecond">What a source may keep up.</param>
    /// <param name="burst">What a source may do at once after a pause.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is not positive.</exception>
    public RateLimiter(int maximumSources = 8192, int perSecond = PerSecond, int burst = Burst)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maximumSources);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(perSecond);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(burst);
        _maximumSources = maximumSources;
        _interval = TimeSpan.FromSeconds(1) / perSecond;
        _fullBucket = _interval * burst;
    }

    /// <summary>Whether <paramref name="source"/> may start a handshake now; if so, it is counted.</summary>
    public bool Allow(Instant now, IpAddress source)
    {
        source = source.IsIPv6 ? source.Masked(64) : source;
        if (!_places.TryGetValue(source, out int place))
        {
            Admit(now, source);
            return true;
        }
        TimeSpan missing = _sources[place].FullAt - now;
        if (missing < TimeSpan.Zero || missing > _fullBucket)
            missing = TimeSpan.Zero; // full since, or the clock went back, which must not shut a source out
        if (missing + _interval > _fullBucket)
            return false;
        _sources[place] = (source, now + missing + _interval);
        return true;
    }

    private void Admit(Instant now, IpAddress source)
    {
        if (_sources.Count < _maximumSources)
        {
            _places.Add(source, _sources.Count);
            _sources.Add((source, now + _interval));
            return;
        }
        int place = Quietest();
        (IpAddress evicted, Instant fullAt) = _sources[place];
        _places.Remove(evicted);
        _places.Add(source, place);
        _sources[place] = (source, fullAt <= now ? now + _interval : now + _fullBucket);
    }

    /// <summary>Of the next few places, the one whose bucket is, or will be, full first.</summary>
    private int Quietest()
    {
        int quietest = _hand;
        for (int i = 0; i < Neighbours; i++)
        {
            if (_sources[_hand].FullAt < _sources[quietest].FullAt)
                quietest = _hand;
            _hand = (_hand + 1) % _sources.Count;
        }
        return quietest;
    }
}
