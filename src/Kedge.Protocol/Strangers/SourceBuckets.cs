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
    private readonly SourceTable _fullAt;
    private readonly Rate _rate;

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
        _rate = new Rate(burst, TimeSpan.FromSeconds(1) / perSecond);
    }

    /// <summary>Whether a source has a token left.</summary>
    public bool HasToken(Instant now, IpAddress source) => BucketOf(now, source).WaitFor(now, _rate) == TimeSpan.Zero;

    /// <summary>Takes a token that <see cref="HasToken"/> has just found.</summary>
    public void Take(Instant now, IpAddress source)
    {
        TokenBucket left = BucketOf(now, source).Take(now, _rate);
        if (_fullAt.Set(source, left.FullAt) is { } evicted && evicted > now)
            _fullAt.Set(source, now + _rate.FullBucket);
    }

    private TokenBucket BucketOf(Instant now, IpAddress source) => new(_fullAt.TryGet(source, out Instant fullAt) ? fullAt : now);
}
