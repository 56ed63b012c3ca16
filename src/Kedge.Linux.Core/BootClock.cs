using Kedge.Linux.Interop;
using Kedge.Protocol;

namespace Kedge.Linux;

/// <summary>
/// The clock of this machine (<c>CLOCK_BOOTTIME</c>): never set, and going on while the machine sleeps, so that keys age then too.
/// </summary>
public static unsafe class BootClock
{
    internal const long NanosecondsPerTick = 100;

    /// <summary>The time now. Any thread; takes some 20 ns.</summary>
    public static Instant Now
    {
        get
        {
            Libc.Timespec time;
            _ = Libc.clock_gettime(Libc.CLOCK_BOOTTIME, &time); // Cannot fail: the clock exists since Linux 2.6.39.
            return new Instant(time.Seconds * TimeSpan.TicksPerSecond + time.Nanoseconds / NanosecondsPerTick);
        }
    }
}
