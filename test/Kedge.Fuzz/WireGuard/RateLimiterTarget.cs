using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard;

/// <summary>
/// The rate limiter: as long as there is a place for every source, exactly a token bucket a source; with fewer places than sources, every
/// stranger is let in, and whoever is refused has used its bucket.
/// </summary>
public sealed class RateLimiterTarget : Target
{
    private const long Token = TimeSpan.TicksPerSecond / RateLimiter.PerSecond;
    private const long FullBucket = Token * RateLimiter.Burst;

    private static readonly long[] Steps = [0, 1, Token - 1, Token, Token + 1, FullBucket - 1, FullBucket, FullBucket + 1, TimeSpan.TicksPerSecond * 3600];

    public override string Name => "rate-limiter";

    public override int ShortRun => 20_000;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        var reader = new Input(input);
        int places = reader.Pick([8192, 1, 2, 8, 9]);
        var limiter = new RateLimiter(places);
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
            bool isKnown = buckets.TryGetValue(name, out (long Level, Instant At) bucket);
            long level = isKnown ? Math.Min(FullBucket, bucket.Level + (now - bucket.At).Ticks) : FullBucket;
            bool allowed = limiter.Allow(now, source);
            trace.Note(1, (allowed ? 1 : 0) | (isKnown ? 2 : 0));
            if (buckets.Count <= places)
                Invariant.Equal(level >= Token, allowed, "a source may do what its bucket holds");
            else if (!isKnown)
                Invariant.Holds(allowed, "a stranger is let in");
            else if (!allowed)
                Invariant.Holds(level < FullBucket, "who has long been quiet is let in");
            buckets[name] = (allowed ? level - Token : level, now);
        }
    }

    /// <summary>One of 64 addresses; of IPv6 addresses several are in one /64, which is one source.</summary>
    private static (IpAddress Source, string Name) Source(int number)
    {
        if (number < 32)
            return (IpAddress.IPv4((uint)number), $"IPv4 {number}");
        int network = number % 8;
        return (IpAddress.IPv6(((UInt128)network << 64) | (UInt128)number << 48 | (uint)number), $"IPv6 {network}");
    }
}
