namespace Kedge.Protocol.Strangers;

/// <summary>How much of one kind of work strangers may cause. A rate is in units of work a second; a burst is how many may come at once after a pause.</summary>
/// <param name="PerSecond">The rate of one source; positive.</param>
/// <param name="Burst">The burst of one source; positive.</param>
public sealed record StrangerLimits(int PerSecond, int Burst)
{
    /// <summary>The rate of all strangers together; 0 for no limit.</summary>
    public int TogetherPerSecond { get; init; }

    /// <summary>The burst of all strangers together.</summary>
    public int TogetherBurst { get; init; }

    /// <summary>The rate of one known source.</summary>
    public int KnownPerSecond { get; init; } = PerSecond;

    /// <summary>The burst of one known source.</summary>
    public int KnownBurst { get; init; } = Burst;

    /// <summary>The most sources remembered.</summary>
    public int MaximumSources { get; init; } = 8192;
}
