namespace Kedge.Protocol.Relays;

/// <summary>How many bytes a second may pass: a token bucket of bytes. One thread at a time.</summary>
public struct ByteBudget
{
    private const int Burst = 256 * 1024; // bytes: some 20 ms at the default rate

    private Instant _refilled;
    private double _left;

    /// <summary>Spends bytes.</summary>
    /// <param name="now">The time.</param>
    /// <param name="bytesPerSecond">The rate; 0 for no limit.</param>
    /// <param name="bytes">How many.</param>
    /// <returns>False, with nothing spent, if there are not as many.</returns>
    public bool TrySpend(Instant now, long bytesPerSecond, int bytes)
    {
        if (bytesPerSecond == 0)
            return true;
        double burst = Math.Max(Burst, bytesPerSecond / 50.0);
        TimeSpan elapsed = now - _refilled;
        // A clock that went back must not shut anybody out; the default is full.
        _left = _refilled == default || elapsed < TimeSpan.Zero ? burst : Math.Min(burst, _left + elapsed.TotalSeconds * bytesPerSecond);
        _refilled = now;
        if (_left < bytes)
            return false;
        _left -= bytes;
        return true;
    }
}
