using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Threading;

namespace Kedge.Linux.Quic;

/// <summary>
/// Waits for many descriptors on one thread, which also owns everything that they belong to: QUIC connections, their streams and TCP sockets.
/// Only <see cref="Post"/> and <see cref="Stop"/> may be called by other threads.
/// </summary>
public sealed unsafe class EventLoop : IDisposable
{
    private const int BatchLength = 256;
    private const long NanosecondsPerSecond = 1_000_000_000;

    // struct epoll_event is packed on x86-64, where its data begins at 4.
    private static readonly bool IsPacked = RuntimeInformation.ProcessArchitecture == Architecture.X64;
    private static readonly int EventSize = IsPacked ? 12 : 16;
    private static readonly int DataOffset = IsPacked ? 4 : 8;

    private readonly Descriptor _epoll = Descriptor.From(Libc.epoll_create1(Libc.EPOLL_CLOEXEC), "create", "epoll");
    private readonly WakeEvent _wake = new();
    private readonly RequestQueue _requests;
    private readonly List<EventSource?> _sources = [null]; // 0 is the wake-up
    private readonly Stack<int> _free = new();
    private readonly List<int> _freedNow = []; // reused from the next batch on: this one may still name them
    private readonly PriorityQueue<Action, long> _timers = new();
    private readonly List<QuicEndpoint> _endpoints = [];
    private volatile bool _isStopping;

    /// <summary>Makes a loop that does not run yet.</summary>
    /// <exception cref="LinuxException">No descriptors are left.</exception>
    public EventLoop()
    {
        _requests = new RequestQueue(_wake.Signal);
        Control(Libc.EPOLL_CTL_ADD, _wake.Number, Libc.EPOLLIN, 0);
    }

    /// <summary>Has something done on the loop's thread. Any thread.</summary>
    public void Post(Action action) => _requests.Post(action);

    /// <summary>Has something done on the loop's thread after a while. The loop's thread.</summary>
    public void After(TimeSpan delay, Action action) => _timers.Enqueue(action, (BootClock.Now + delay).Ticks);

    /// <summary>Runs until <see cref="Stop"/>; the calling thread owns the loop meanwhile.</summary>
    public void Run()
    {
        // Pacing waits for microseconds, which the kernel would otherwise lengthen by 50.
        _ = Libc.prctl(Libc.PR_SET_TIMERSLACK, 1, 0, 0, 0);
        byte* events = stackalloc byte[BatchLength * 16];
        while (!_isStopping)
        {
            int count = Wait(events);
            for (int i = 0; i < count; i++)
            {
                byte* one = events + i * EventSize;
                int index = (int)*(ulong*)(one + DataOffset);
                if (index == 0)
                    _wake.TryConsume();
                else
                    _sources[index]?.OnEvents(*(uint*)one);
            }
            _requests.RunAll();
            for (long now = BootClock.Now.Ticks; _timers.TryPeek(out Action? action, out long due) && due <= now;)
            {
                _timers.Dequeue();
                action();
            }
            foreach (QuicEndpoint endpoint in _endpoints)
                endpoint.Advance();
            foreach (int index in _freedNow)
                _free.Push(index);
            _freedNow.Clear();
        }
    }

    /// <summary>Ends <see cref="Run"/>. Any thread.</summary>
    public void Stop()
    {
        _isStopping = true;
        _wake.Signal();
    }

    /// <summary>To be called when <see cref="Run"/> has returned, or was never called. Closes what is still open.</summary>
    public void Dispose()
    {
        foreach (QuicEndpoint endpoint in _endpoints.ToArray())
            endpoint.Dispose();
        foreach (EventSource? source in _sources.ToArray())
            source?.Dispose();
        _wake.Dispose();
        _epoll.Dispose();
    }

    internal void Add(QuicEndpoint endpoint) => _endpoints.Add(endpoint);

    internal void Remove(QuicEndpoint endpoint) => _endpoints.Remove(endpoint);

    /// <summary>Waits for a source's descriptor, edge-triggered.</summary>
    internal void Add(EventSource source, uint events)
    {
        if (!_free.TryPop(out int index))
        {
            index = _sources.Count;
            _sources.Add(null);
        }
        _sources[index] = source;
        source.Index = index;
        Control(Libc.EPOLL_CTL_ADD, source.Number, events | Libc.EPOLLET, index);
    }

    /// <summary>Forgets a source, whose descriptor is about to be closed.</summary>
    internal void Remove(EventSource source)
    {
        if (source.Index == 0)
            return;
        Control(Libc.EPOLL_CTL_DEL, source.Number, 0, 0);
        _sources[source.Index] = null;
        _freedNow.Add(source.Index);
        source.Index = 0;
    }

    private void Control(int operation, int number, uint events, int index)
    {
        byte* interest = stackalloc byte[16];
        *(uint*)interest = events;
        *(ulong*)(interest + DataOffset) = (ulong)index;
        _ = Descriptor.Check(Libc.epoll_ctl(_epoll.Number, operation, number, interest), "wait for", "descriptor");
    }

    private int Wait(byte* events)
    {
        ulong due = _timers.TryPeek(out _, out long ticks) ? (ulong)ticks * BootClock.NanosecondsPerTick : ulong.MaxValue;
        foreach (QuicEndpoint endpoint in _endpoints)
            due = Math.Min(due, endpoint.NextDeadline);
        Libc.Timespec time = default;
        if (due != ulong.MaxValue)
        {
            ulong now = Nanoseconds();
            ulong rest = due > now ? due - now : 0;
            time.Seconds = (nint)(rest / NanosecondsPerSecond);
            time.Nanoseconds = (nint)(rest % NanosecondsPerSecond);
        }
        int count = Libc.epoll_pwait2(_epoll.Number, events, BatchLength, due == ulong.MaxValue ? null : &time, null);
        if (count < 0 && Marshal.GetLastPInvokeError() is var error and not Errno.EINTR)
            throw new LinuxException(error, "wait for", "epoll");
        return Math.Max(count, 0);
    }

    /// <summary>The time now, as ngtcp2 counts it.</summary>
    internal static ulong Nanoseconds()
    {
        Libc.Timespec time;
        _ = Libc.clock_gettime(Libc.CLOCK_BOOTTIME, &time);
        return (ulong)time.Seconds * NanosecondsPerSecond + (ulong)time.Nanoseconds;
    }
}

/// <summary>A descriptor that an <see cref="EventLoop"/> waits for; owned by the loop's thread.</summary>
public abstract class EventSource : IDisposable
{
    /// <summary>Its descriptor's number.</summary>
    internal abstract int Number { get; }

    /// <summary>Its place in the loop; 0 for none.</summary>
    internal int Index { get; set; }

    /// <summary>What has happened, as epoll(7) tells it.</summary>
    internal abstract void OnEvents(uint events);

    /// <summary>Closes the descriptor. The loop's thread, or anyone when that has ended.</summary>
    public abstract void Dispose();
}
