using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;

namespace Kedge.Fuzz.Strangers;

/// <summary>
/// The budget for strangers: as long as there is a place for every source, exactly a token bucket a source; with fewer places than sources,
/// every new one is let in, and one that is refused has used its bucket. The sources are too few for the budget of an IPv6 site to matter.
/// </summary>
public sealed class StrangerBudgetTarget : Target
{
    private const int PerSecond = 20, Burst = 5;
    private const long Token = TimeSpan.TicksPerSecond / PerSecond;
    private const long FullBucket = Token * Burst;

    private static readonly long[] Steps = [0, 1, Token - 1, Token, Token + 1, FullBucket - 1, FullBucket, FullBucket + 1, TimeSpan.TicksPerSecond * 3600];

    public override string Name => "stranger-budget";

    public override int ShortRun => 20_000;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        int places = reader.Pick([8192, 1, 2, 8, 9]);
        var budget = new StrangerBudget(new StrangerLimits(PerSecond, Burst) { MaximumSources = places });
        var now = new Instant(1);
        Dictionary<string, (long Level, Instant At)> buckets = [];
        while (!reader.IsEmpty)
        {
            byte operation = reader.Byte();
            if (operation % 4 == 0)
            {
                now += TimeSpan.FromTicks(reader.Pick(Steps));
                continue;
            }
            (IpAddress source, string name) = Source(operation >> 2);
            bool isNew = !buckets.TryGetValue(name, out (long Level, Instant At) bucket);
            long level = isNew ? FullBucket : Math.Min(FullBucket, bucket.Level + (now - bucket.At).Ticks);
            bool allowed = budget.TrySpend(now, source);
            trace.Note(1, (allowed ? 1 : 0) | (isNew ? 0 : 2));
            if (buckets.Count <= places)
                Invariant.Equal(level >= Token, allowed, "a source may do what its bucket holds");
            else if (isNew)
                Invariant.Holds(allowed, "a new source is let in");
            else if (!allowed)
                Invariant.Holds(level < FullBucket, "a source that has long been quiet is let in");
            buckets[name] = (allowed ? level - Token : level, now);
        }
    }

    /// <summary>One of 64 addresses; of IPv6 addresses several are in one /64, which is one source, and each source in a site of its own.</summary>
    private static (IpAddress Source, string Name) Source(int number)
    {
        if (number < 32)
            return (IpAddress.IPv4((uint)number), $"IPv4 {number}");
        int network = number % 8;
        return (IpAddress.IPv6(((UInt128)0x20010DB8 << 96) | ((UInt128)network << 80) | (UInt128)number << 48 | (uint)number), $"IPv6 {network}");
    }
}
