namespace Kedge.Protocol;

/// <summary>
/// A <see cref="TokenBucket"/> for each key. The number of keys is bounded, and a key that is not in the table always has a token. When the
/// table is full, it takes the place of the quietest of a few others, and where even that one has not been quiet long enough to be
/// forgotten, it starts with one token instead of a full bucket. So a flood from more keys than there are places can neither grow the
/// table, nor shut anyone out, nor gain bursts by pushing its own keys out. Refusing new keys, or sharing buckets between keys, would let
/// it shut others out. One thread at a time.
/// </summary>
/// <typeparam name="TKey">What has a bucket, such as an address.</typeparam>
public sealed class TokenBuckets<TKey>
    where TKey : notnull
{
    private readonly InstantTable<TKey> _fullAt;
    private readonly Rate _rate;

    /// <summary>Creates buckets that are all full.</summary>
    /// <param name="maximumKeys">The most keys remembered.</param>
    /// <param name="perSecond">Tokens that a bucket gains each second.</param>
    /// <param name="burst">Tokens that a bucket holds.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is not positive.</exception>
    public TokenBuckets(int maximumKeys, int perSecond, int burst)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maximumKeys);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(perSecond);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(burst);
        _fullAt = new InstantTable<TKey>(maximumKeys);
        _rate = new Rate(burst, TimeSpan.FromSeconds(1) / perSecond);
    }

    /// <summary>The time until a key has a token; zero if it has one now.</summary>
    public TimeSpan WaitFor(Instant now, TKey key) => BucketOf(now, key).WaitFor(now, _rate);

    /// <summary>Whether a key has a token left.</summary>
    public bool HasToken(Instant now, TKey key) => WaitFor(now, key) == TimeSpan.Zero;

    /// <summary>Takes a token that <see cref="HasToken"/> or <see cref="WaitFor"/> has just found.</summary>
    public void Take(Instant now, TKey key)
    {
        TokenBucket left = BucketOf(now, key).Take(now, _rate);
        if (_fullAt.Set(key, left.FullAt) is { } evicted && evicted > now)
            _fullAt.Set(key, now + _rate.FullBucket);
    }

    private TokenBucket BucketOf(Instant now, TKey key) => new(_fullAt.TryGet(key, out Instant fullAt) ? fullAt : now);
}
