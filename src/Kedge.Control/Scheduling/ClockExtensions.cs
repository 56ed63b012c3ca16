using Kedge.Protocol;

namespace Kedge.Control.Scheduling;

/// <summary>Reads a clock as protocol code expects it.</summary>
internal static class ClockExtensions
{
    /// <summary>The present instant of the monotonic clock, which is not affected when the time of day is set.</summary>
    public static Instant Now(this TimeProvider clock) => new(clock.GetElapsedTime(0, clock.GetTimestamp()).Ticks);
}
