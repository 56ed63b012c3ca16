namespace Kedge.Demo;

/// <summary>How bad a <see cref="Wire"/> is, the same in both directions. Unless it is told otherwise, it is perfect.</summary>
public sealed record WireQuality
{
    /// <summary>The time that a packet is under way, one way: half of what the wire adds to a round trip.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>The share of packets that are lost, each by itself: 0 to 1.</summary>
    public double Loss { get; init; }

    /// <summary>
    /// Bits of IP packets a second, headers included; null for no bound. What comes faster waits, up to <see cref="Queue"/>, and is lost
    /// beyond that.
    /// </summary>
    public long? BitsPerSecond { get; init; }

    /// <summary>How long a packet waits at most for its turn where there is a bound on the rate.</summary>
    public TimeSpan Queue { get; init; } = TimeSpan.FromMilliseconds(50);
}
