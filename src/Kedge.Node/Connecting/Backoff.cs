namespace Kedge.Node.Connecting;

/// <summary>
/// How long to wait before the next attempt to reach the controller: a random time up to a bound that grows with every failure ("full
/// jitter"). Nodes that lose their controller together do not come back together: of 200 hardly more than 30 in any second, and all of
/// them within 30 seconds after it is back. Pure; one thread at a time.
/// </summary>
/// <param name="random">Where the times come from; seeded differently on every node.</param>
/// <param name="first">The bound of the first wait.</param>
/// <param name="longest">The bound that is never passed.</param>
public sealed class Backoff(Random random, TimeSpan first, TimeSpan longest)
{
    /// <summary>The bound of the first wait where nothing else is said. Connections that end at once come back spread over this time.</summary>
    public static readonly TimeSpan First = TimeSpan.FromSeconds(10);

    /// <summary>The bound that is never passed where nothing else is said; with the time that an attempt takes it is less than 30 seconds.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(25);

    /// <summary>One with the usual bounds.</summary>
    public Backoff(Random random)
        : this(random, First, Longest)
    {
    }

    /// <summary>How many attempts have failed since one succeeded.</summary>
    public int Failures { get; private set; }

    /// <summary>The time until the next attempt.</summary>
    public TimeSpan Next()
    {
        double bound = Math.Min(first.TotalSeconds * Math.Pow(2, Math.Min(Failures, 16)), longest.TotalSeconds);
        Failures++;
        return TimeSpan.FromSeconds(random.NextDouble() * bound);
    }

    /// <summary>The time until the next attempt, where the controller itself has said how far nodes are to spread.</summary>
    /// <param name="spread">The bound that the controller has named.</param>
    public TimeSpan Next(TimeSpan spread)
    {
        Failures = 0;
        return random.NextDouble() * spread;
    }

    /// <summary>The controller was reached.</summary>
    public void Succeeded() => Failures = 0;
}
