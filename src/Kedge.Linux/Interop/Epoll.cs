using System.Runtime.InteropServices;

namespace Kedge.Linux.Interop;

/// <summary>
/// Blocks one thread until one of several descriptors has something to read, or <see cref="Wake"/> was called. Any thread may add and
/// remove descriptors meanwhile. Unlike poll(2), a waiting epoll holds no reference to what it waits for: a socket that is closed under it
/// is closed at once, and its port free again.
/// </summary>
internal sealed unsafe class Epoll : IDisposable
{
    // struct epoll_event has 12 bytes on x86-64 and 16 elsewhere; the events, all that is used here, come first in both.
    private const int EventSize = 16;

    private readonly Descriptor _descriptor = Descriptor.From(Libc.epoll_create1(Libc.EPOLL_CLOEXEC), "create", "epoll");
    private readonly WakeEvent _wake = new();

    // Edge-triggered: each signal ends one wait, and nobody needs to read the eventfd.
    public Epoll() => Add(_wake.Number, Libc.EPOLLIN | Libc.EPOLLET);

    /// <summary>Readable when one of the descriptors is, so that poll(2) and another epoll can wait for this one.</summary>
    public int Number => _descriptor.Number;

    /// <summary>Waits for this descriptor too, as long as it has something to read.</summary>
    public void Add(int number) => Add(number, Libc.EPOLLIN);

    /// <summary>Does not wait for this descriptor any longer.</summary>
    public void Remove(int number)
    {
        byte* unused = stackalloc byte[EventSize];
        _ = Libc.epoll_ctl(_descriptor.Number, Libc.EPOLL_CTL_DEL, number, unused);
    }

    /// <summary>Blocks until a descriptor is readable or broken, or there was a wake-up.</summary>
    /// <returns>Whether a descriptor is broken (EPOLLERR, EPOLLHUP).</returns>
    public bool Wait()
    {
        byte* ready = stackalloc byte[EventSize];
        while (Libc.epoll_wait(_descriptor.Number, ready, maxevents: 1, timeout: -1) < 0)
        {
            if (Marshal.GetLastPInvokeError() is var error and not Errno.EINTR)
                throw new LinuxException(error, "wait for", "epoll");
        }
        return (*(uint*)ready & (Libc.EPOLLERR | Libc.EPOLLHUP)) != 0;
    }

    /// <summary>Ends the current or the next <see cref="Wait"/>. Any thread; does nothing after disposal.</summary>
    public void Wake() => _wake.Signal();

    public void Dispose()
    {
        _descriptor.Dispose();
        _wake.Dispose();
    }

    private void Add(int number, uint events)
    {
        byte* interest = stackalloc byte[EventSize];
        new Span<byte>(interest, EventSize).Clear();
        *(uint*)interest = events;
        _ = Descriptor.Check(Libc.epoll_ctl(_descriptor.Number, Libc.EPOLL_CTL_ADD, number, interest), "wait for", "descriptor");
    }
}
