namespace Kedge.Protocol;

/// <summary>How often something may happen: a burst at once after a pause, then once an interval.</summary>
/// <param name="Burst">How many times at once; positive.</param>
/// <param name="Interval">The time until one more is allowed; positive.</param>
public readonly record struct Rate(int Burst, TimeSpan Interval)
{
    /// <summary>The time in which an empty bucket becomes full.</summary>
    public TimeSpan FullBucket => Interval * Burst;
}

/// <summary>
/// Counts what happens against a <see cref="Rate"/>: a token bucket as the one instant at which it is full again. Each token taken moves that an
/// interval further, and while it is less than a whole bucket away there is a token left. The default is full.
/// </summary>
/// <param name="FullAt">When the bucket is full.</param>
public readonly record struct TokenBucket(Instant FullAt)
{
    /// <summary>Whether a whole burst may follow.</summary>
    public bool IsFull(Instant now, Rate rate) => Missing(now, rate) == TimeSpan.Zero;

    /// <summary>The time until there is a token; zero if there is one now.</summary>
    public TimeSpan WaitFor(Instant now, Rate rate)
    {
        TimeSpan wait = Missing(now, rate) + rate.Interval - rate.FullBucket;
        return wait > TimeSpan.Zero ? wait : TimeSpan.Zero;
    }

    /// <summary>The bucket with one token less, which <see cref="WaitFor"/> has just found.</summary>
    public TokenBucket Take(Instant now, Rate rate) => new(now + Missing(now, rate) + rate.Interval);

    /// <summary>Takes a token out of a bucket.</summary>
    /// <returns>False, with nothing changed, if it has none.</returns>
    public static bool TryTake(ref TokenBucket bucket, Instant now, Rate rate)
    {
        if (bucket.WaitFor(now, rate) > TimeSpan.Zero)
            return false;
        bucket = bucket.Take(now, rate);
        return true;
    }

    // A clock that went back must not shut anybody out.
    private TimeSpan Missing(Instant now, Rate rate)
    {
        TimeSpan missing = FullAt - now;
        return missing < TimeSpan.Zero || missing > rate.FullBucket ? TimeSpan.Zero : missing;
    }
}
