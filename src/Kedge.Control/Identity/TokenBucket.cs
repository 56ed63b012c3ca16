namespace Kedge.Control.Identity;

/// <summary>How often something may happen: a burst at once, then once an interval.</summary>
/// <param name="Burst">How many times at once after a pause.</param>
/// <param name="Interval">The time until one more is allowed.</param>
internal readonly record struct Rate(int Burst, TimeSpan Interval);

/// <summary>Counts what happens against a <see cref="Rate"/>. One thread at a time.</summary>
/// <param name="rate">The rate.</param>
/// <param name="clock">Tells the time by its timestamps alone, which no change of the clock touches.</param>
internal sealed class TokenBucket(Rate rate, TimeProvider clock)
{
    private double _tokens = rate.Burst;
    private long _countedAt = clock.GetTimestamp();

    /// <summary>Whether a whole burst may follow.</summary>
    public bool IsFull
    {
        get
        {
            Count();
            return _tokens >= rate.Burst;
        }
    }

    /// <summary>Counts one more, if it is allowed.</summary>
    public bool TryTake() => TryTake(out _);

    /// <inheritdoc cref="TryTake()"/>
    /// <param name="wait">The time until it is allowed; zero if it is now.</param>
    public bool TryTake(out TimeSpan wait)
    {
        Count();
        wait = _tokens >= 1 ? TimeSpan.Zero : (1 - _tokens) * rate.Interval;
        if (_tokens < 1)
            return false;
        _tokens--;
        return true;
    }

    private void Count()
    {
        long now = clock.GetTimestamp();
        _tokens = Math.Min(rate.Burst, _tokens + clock.GetElapsedTime(_countedAt, now) / rate.Interval);
        _countedAt = now;
    }
}
