using System.Runtime.InteropServices;
using Kedge.Protocol;

namespace Kedge.Linux.Interop;

/// <summary>poll(2), which signals do not end.</summary>
internal static unsafe class Poll
{
    /// <summary>Blocks until a descriptor has one of its events, an error or a hang-up.</summary>
    /// <param name="descriptors">What to wait for; tells afterwards what was there.</param>
    /// <param name="deadline">Until when, by <see cref="BootClock"/>; <see cref="Instant.Never"/> for ever.</param>
    /// <returns>Whether there was one; false when the deadline has passed.</returns>
    public static bool Wait(Span<Libc.Pollfd> descriptors, Instant deadline)
    {
        fixed (Libc.Pollfd* first = descriptors)
        {
            while (true)
            {
                int milliseconds = deadline == Instant.Never ? -1 : Milliseconds(deadline - BootClock.Now);
                int ready = Libc.poll(first, (nuint)descriptors.Length, milliseconds);
                if (ready > 0 || (ready == 0 && milliseconds == 0))
                    return ready > 0;
                if (ready < 0 && Marshal.GetLastPInvokeError() is var error and not Errno.EINTR)
                    throw new LinuxException(error, "wait for", "descriptors");
            }
        }
    }

    /// <summary>Blocks until one descriptor has an event, an error or a hang-up.</summary>
    /// <param name="descriptor">The descriptor.</param>
    /// <param name="events">The events, such as <see cref="Libc.POLLIN"/>.</param>
    /// <param name="deadline">Until when, by <see cref="BootClock"/>; <see cref="Instant.Never"/> for ever.</param>
    /// <returns>Whether there was one; false when the deadline has passed.</returns>
    public static bool Wait(int descriptor, short events, Instant deadline)
    {
        var one = new Libc.Pollfd { Descriptor = descriptor, Events = events };
        return Wait(new Span<Libc.Pollfd>(ref one), deadline);
    }

    private static int Milliseconds(TimeSpan span) => (int)Math.Clamp(Math.Ceiling(span.TotalMilliseconds), 0, int.MaxValue);
}
