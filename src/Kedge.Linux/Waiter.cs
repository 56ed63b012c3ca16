using Kedge.Linux.Interop;
using Kedge.Linux.Netlink;
using Kedge.Linux.Udp;
using Kedge.Protocol;

namespace Kedge.Linux;

/// <summary>What ended a <see cref="Waiter.Wait"/>.</summary>
[Flags]
public enum WaitEvents
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Somebody called <see cref="Waiter.Wake"/>.</summary>
    Woken = 1,

    /// <summary>The link monitor has something to read.</summary>
    LinkChanged = 2,

    /// <summary>The deadline has passed.</summary>
    DeadlinePassed = 4,

    /// <summary>A socket has something to receive.</summary>
    Readable = 8,

    /// <summary>Routes have changed.</summary>
    RoutesChanged = 16,
}

/// <summary>
/// Blocks one thread until there is something to do for it. The deadline is one of <see cref="BootClock"/>: where the machine sleeps past
/// it, the wait ends on waking. One thread waits; any thread wakes it. Whoever made it disposes it, after that thread has ended.
/// </summary>
public sealed unsafe class Waiter : IDisposable
{
    private readonly WakeEvent _wake = new();
    private readonly Descriptor _timer = Descriptor.From(
        Libc.timerfd_create(Libc.CLOCK_BOOTTIME, Libc.TFD_NONBLOCK | Libc.TFD_CLOEXEC), "create", "timerfd");

    private const int FixedDescriptors = 4;

    private readonly LinkMonitor? _link;
    private readonly RouteChanges? _routes;
    private readonly UdpSocketPair[] _sockets;

    /// <summary>Makes a waiter.</summary>
    /// <param name="link">Also to be waited for; the caller keeps owning it.</param>
    /// <param name="ports">
    /// Whose sockets are also to be waited for, where one thread receives and has timers; the caller keeps owning them. A few.
    /// </param>
    /// <exception cref="LinuxException">No descriptors are left.</exception>
    public Waiter(LinkMonitor? link = null, params ReadOnlySpan<UdpPort> ports)
        : this(link, null, ports)
    {
    }

    /// <inheritdoc cref="Waiter(LinkMonitor?, ReadOnlySpan{UdpPort})"/>
    /// <param name="link">Also to be waited for; the caller keeps owning it.</param>
    /// <param name="routes">Also to be waited for, unless they are paused; the caller keeps owning them.</param>
    /// <param name="ports">Whose sockets are also to be waited for.</param>
    public Waiter(LinkMonitor? link, RouteChanges? routes, params ReadOnlySpan<UdpPort> ports)
    {
        (_link, _routes) = (link, routes);
        var sockets = new List<UdpSocketPair>();
        foreach (UdpPort port in ports)
            sockets.AddRange(port.Pairs);
        _sockets = [.. sockets];
    }

    /// <summary>
    /// Blocks until a wake-up, a link change, a datagram or the deadline, whichever comes first; with a deadline that has passed, not at
    /// all.
    /// </summary>
    /// <param name="deadline">When at the latest; <see cref="Instant.Never"/> for no deadline.</param>
    /// <returns>Everything that was there when the wait ended; at least one.</returns>
    public WaitEvents Wait(Instant deadline)
    {
        SetTimer(deadline);
        int count = FixedDescriptors + _sockets.Length;
        Libc.Pollfd* descriptors = stackalloc Libc.Pollfd[count];
        descriptors[0] = new() { Descriptor = _wake.Number, Events = Libc.POLLIN };
        descriptors[1] = new() { Descriptor = _timer.Number, Events = Libc.POLLIN };
        descriptors[2] = new() { Descriptor = _link?.Number ?? -1, Events = Libc.POLLIN }; // poll(2) passes over negative ones.
        descriptors[3] = new() { Descriptor = _routes is { IsPaused: false } ? _routes.Number : -1, Events = Libc.POLLIN };
        for (int i = FixedDescriptors; i < count; i++)
            descriptors[i] = new() { Descriptor = _sockets[i - FixedDescriptors].Number, Events = Libc.POLLIN };
        Poll.Wait(new Span<Libc.Pollfd>(descriptors, count), Instant.Never);

        WaitEvents events = WaitEvents.None;
        if (descriptors[0].Returned != 0 && _wake.TryConsume())
            events |= WaitEvents.Woken;
        if (descriptors[1].Returned != 0)
            events |= WaitEvents.DeadlinePassed;
        if (descriptors[2].Returned != 0)
            events |= WaitEvents.LinkChanged;
        if (descriptors[3].Returned != 0)
            events |= WaitEvents.RoutesChanged;
        for (int i = FixedDescriptors; i < count; i++)
            events |= descriptors[i].Returned != 0 ? WaitEvents.Readable : WaitEvents.None;
        return events;
    }

    /// <summary>Ends the current or the next <see cref="Wait"/>. Does nothing after disposal.</summary>
    public void Wake() => _wake.Signal();

    /// <inheritdoc/>
    public void Dispose()
    {
        _wake.Dispose();
        _timer.Dispose();
    }

    private void SetTimer(Instant deadline)
    {
        Libc.Itimerspec value = default; // All zero: never.
        if (deadline != Instant.Never)
        {
            long ticks = Math.Max(deadline.Ticks, 1);
            value.Value.Seconds = (nint)(ticks / TimeSpan.TicksPerSecond);
            value.Value.Nanoseconds = (nint)(ticks % TimeSpan.TicksPerSecond * BootClock.NanosecondsPerTick);
        }
        _ = Descriptor.Check(Libc.timerfd_settime(_timer.Number, Libc.TFD_TIMER_ABSTIME, &value, null), "set", "timerfd");
    }
}
