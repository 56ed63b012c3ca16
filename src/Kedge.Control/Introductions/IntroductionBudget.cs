using Kedge.Control.Scheduling;
using Kedge.Protocol;

namespace Kedge.Control.Introductions;

/// <summary>
/// Limits how many introductions a node is passed: by one other node, and in all. Each makes it send datagrams to where somebody else says.
/// What a node may ask for in all is counted before, with its other requests. The memory is bounded. Any thread.
/// </summary>
internal sealed class IntroductionBudget(TimeProvider clock)
{
    /// <summary>How many one node may have passed on to one other, each second and at once after a pause.</summary>
    public const int PairPerSecond = 2, PairBurst = 6;

    /// <summary>How many a node is passed in all, each second and at once after a pause.</summary>
    public const int TargetPerSecond = 50, TargetBurst = 50;

    private const int MostPairs = 65_536, MostTargets = 16_384; // as many targets as there may be connections

    private readonly Lock _lock = new();
    private readonly TokenBuckets<(Guid From, Guid To)> _pairs = new(MostPairs, PairPerSecond, PairBurst);
    private readonly TokenBuckets<Guid> _targets = new(MostTargets, TargetPerSecond, TargetBurst);

    /// <summary>Counts an introduction of one node to another.</summary>
    /// <returns>Zero, or, where it is one too many and is not counted, the time until the next may be passed on.</returns>
    public TimeSpan Spend(Guid from, Guid to)
    {
        Instant now = clock.Now();
        lock (_lock)
        {
            TimeSpan pair = _pairs.WaitFor(now, (from, to)), target = _targets.WaitFor(now, to);
            TimeSpan wait = pair > target ? pair : target;
            if (wait > TimeSpan.Zero)
                return wait;
            _pairs.Take(now, (from, to));
            _targets.Take(now, to);
            return wait;
        }
    }
}
