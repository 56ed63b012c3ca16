namespace Kedge.Node.ControlLink;

/// <summary>
/// How long to wait before the next attempt to reach the controller: a random time up to a bound that grows with every failure ("full
/// jitter"). Nodes that lose their controller together do not come back together: of 200 hardly more than 30 in any second, and all of
/// them within 30 seconds after it is back. Pure; one thread at a time.
/// </summary>
/// <param name="random">Where the times come from; seeded differently on every node.</param>
public sealed class Backoff(Random random)
{
    /// <summary>The bound of the first wait. Connections that end at once come back spread over this time.</summary>
    public static readonly TimeSpan First = TimeSpan.FromSeconds(10);

    /// <summary>The bound that is never passed; with the time that an attempt takes it is less than 30 seconds.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(25);

    private int _failures;

    /// <summary>The time until the next attempt.</summary>
    public TimeSpan Next()
    {
        double bound = Math.Min(First.TotalSeconds * Math.Pow(2, Math.Min(_failures, 16)), Longest.TotalSeconds);
        _failures++;
        return TimeSpan.FromSeconds(random.NextDouble() * bound);
    }

    /// <summary>The time until the next attempt, where the controller itself has said how far nodes are to spread.</summary>
    /// <param name="spread">The bound that the controller has named.</param>
    public TimeSpan Next(TimeSpan spread)
    {
        _failures = 0;
        return random.NextDouble() * spread;
    }

    /// <summary>The controller was reached.</summary>
    public void Succeeded() => _failures = 0;
}
