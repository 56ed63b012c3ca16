using System.Threading;

namespace Kedge.Protocol.Relays;

/// <summary>What all pairs of a relay may send together: ten times as much as one of them. Any thread.</summary>
public sealed class TotalBudget
{
    private const int RateOfAll = 10; // in rates of one pair

    private readonly Lock _lock = new();
    private ByteBudget _bytes;

    /// <inheritdoc cref="ByteBudget.TrySpend"/>
    /// <param name="now">The time.</param>
    /// <param name="pairRate">Bytes a second that one pair may send; 0 for no limit.</param>
    /// <param name="bytes">How many.</param>
    public bool TrySpend(Instant now, long pairRate, int bytes)
    {
        lock (_lock)
            return _bytes.TrySpend(now, RateOfAll * pairRate, bytes);
    }
}
