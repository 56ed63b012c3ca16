using System.Runtime.InteropServices;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Netlink;

/// <summary>
/// Tells that routes, rules or addresses of a network namespace have changed, not which: somebody who needs to know asks the kernel what
/// holds now. One thread reads; wait for changes with a <see cref="Waiter"/>. Whoever opened it disposes it.
/// </summary>
public sealed unsafe class RouteChanges : IDisposable
{
    // RTNLGRP_IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE and _IPV6_RULE, each as a bit.
    private const uint Groups = 1 << (5 - 1) | 1 << (7 - 1) | 1 << (8 - 1) | 1 << (9 - 1) | 1 << (11 - 1) | 1 << (19 - 1);

    private readonly Descriptor _socket;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(4096); // what does not fit is of no interest

    /// <summary>Begins to watch the calling thread's network namespace.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public RouteChanges()
    {
        const int Type = Libc.SOCK_RAW | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC;
        _socket = Descriptor.From(Libc.socket(Libc.AF_NETLINK, Type, Rtnetlink.NETLINK_ROUTE), "create", "netlink socket");
        Libc.SockaddrNl address = new() { Family = Libc.AF_NETLINK, Groups = Groups };
        if (Libc.bind(_socket.Number, &address, (uint)sizeof(Libc.SockaddrNl)) >= 0)
            return;
        int error = Marshal.GetLastPInvokeError();
        _socket.Dispose();
        throw new LinuxException(error, "subscribe to", "route changes");
    }

    /// <summary>Whether a <see cref="Waiter"/> is not to be woken by changes, because the next look is planned anyway.</summary>
    public bool IsPaused { get; set; }

    /// <summary>What becomes readable when something changes.</summary>
    internal int Number => _socket.Number;

    /// <summary>Forgets what has changed since the last call, without blocking.</summary>
    /// <returns>Whether anything has.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public bool Take()
    {
        bool any = false;
        while (true)
        {
            nint length;
            fixed (byte* buffer = _buffer)
                length = Libc.recvfrom(_socket.Number, buffer, (nuint)_buffer.Length, Libc.MSG_DONTWAIT, null, null);
            // ENOBUFS: there were more changes than there was room for.
            if (length < 0 && Marshal.GetLastPInvokeError() is var error and not (Errno.EINTR or Errno.ENOBUFS))
                return error == Errno.EAGAIN ? any : throw new LinuxException(error, "read from", "netlink socket");
            any = true;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();
}
