using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Strangers;

/// <summary>
/// A token bucket for each source. The number of sources is bounded, and a source that is not in the table always has a token. When the
/// table is full, it takes the place of the quietest of a few others, and where even that one has not been quiet long enough to be
/// forgotten, it starts with one token instead of a full bucket. So a flood from more sources than there are places can neither grow the
/// table, nor shut anyone out, nor gain bursts by pushing its own sources out. Refusing new sources, or sharing buckets between sources,
/// would let it shut others out. One thread at a time.
/// </summary>
internal sealed class SourceBuckets
{
    // A bucket is the one instant at which it is full again: each token taken moves it an interval further, and while it is less than a whole
    // bucket away there is a token left. A source whose instant has passed is as good as unknown.
    private readonly SourceTable _fullAt;
    private readonly TimeSpan _interval;
    private readonly TimeSpan _fullBucket;

    /// <summary>Buckets that are all full.</summary>
    /// <param name="maximumSources">How many sources are remembered at most.</param>
    /// <param name="perSecond">Tokens that a bucket gains each second.</param>
    /// <param name="burst">Tokens that a bucket holds.</param>
    public SourceBuckets(int maximumSources, int perSecond, int burst)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maximumSources);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(perSecond);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(burst);
        _fullAt = new SourceTable(maximumSources);
        _interval = TimeSpan.FromSeconds(1) / perSecond;
        _fullBucket = _interval * burst;
    }

    /// <summary>Whether a source has a token left.</summary>
    public bool HasToken(Instant now, IpAddress source) =>
        !_fullAt.TryGet(source, out Instant fullAt) || Missing(now, fullAt) + _interval <= _fullBucket;

    /// <summary>Takes a token that <see cref="HasToken"/> has just found.</summary>
    public void Take(Instant now, IpAddress source)
    {
        TimeSpan missing = _fullAt.TryGet(source, out Instant fullAt) ? Missing(now, fullAt) : TimeSpan.Zero;
        if (_fullAt.Set(source, now + missing + _interval) is { } evicted && evicted > now)
            _fullAt.Set(source, now + _fullBucket);
    }

    // A clock that went back must not shut a source out.
    private TimeSpan Missing(Instant now, Instant fullAt)
    {
        TimeSpan missing = fullAt - now;
        return missing < TimeSpan.Zero || missing > _fullBucket ? TimeSpan.Zero : missing;
    }
}
