using Kedge.Protocol;

namespace Kedge.Control.Listening;

/// <summary>Time as protocol code counts it.</summary>
internal static class ClockExtensions
{
    /// <summary>The instant that it is now, by the clock's own time, which no change of the time of day touches.</summary>
    public static Instant Now(this TimeProvider clock) => new(clock.GetElapsedTime(0, clock.GetTimestamp()).Ticks);
}
