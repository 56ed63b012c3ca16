using System.Runtime.InteropServices;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Netlink;

/// <summary>
/// Receives what the kernel tells the subscribers of some groups (rtnetlink(7)), in the network namespace in which it was made. One thread
/// reads. Whoever made it disposes it.
/// </summary>
internal sealed unsafe class NetlinkEvents : IDisposable
{
    /// <summary>Bytes of a read; an interface's description takes 1 to 2 KB.</summary>
    private const int BufferLength = 32 * 1024;

    /// <summary>The groups of addresses, routes and rules.</summary>
    public static ReadOnlySpan<int> Routing =>
    [
        Rtnetlink.RTNLGRP_IPV4_IFADDR, Rtnetlink.RTNLGRP_IPV6_IFADDR,
        Rtnetlink.RTNLGRP_IPV4_ROUTE, Rtnetlink.RTNLGRP_IPV6_ROUTE,
        Rtnetlink.RTNLGRP_IPV4_RULE, Rtnetlink.RTNLGRP_IPV6_RULE,
    ];

    private readonly Descriptor _socket;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferLength);
    private int _next;
    private int _end;
    private bool _hasLostMessages;

    /// <summary>Subscribes.</summary>
    /// <param name="groups">The groups, such as <see cref="Rtnetlink.RTNLGRP_LINK"/>; none above 32.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public NetlinkEvents(params ReadOnlySpan<int> groups)
    {
        uint mask = 0;
        foreach (int group in groups)
            mask |= 1u << (group - 1);
        const int Type = Libc.SOCK_RAW | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC;
        _socket = Descriptor.From(Libc.socket(Libc.AF_NETLINK, Type, Rtnetlink.NETLINK_ROUTE), "create", "netlink socket");
        try
        {
            Libc.SockaddrNl address = new() { Family = Libc.AF_NETLINK, Groups = mask };
            _ = Descriptor.Check(Libc.bind(_socket.Number, &address, (uint)sizeof(Libc.SockaddrNl)), "subscribe to", "netlink groups");
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>What becomes readable when there is something to read.</summary>
    public int Number => _socket.Number;

    /// <summary>Whether messages are missing since this was last asked, because the kernel had more to tell than it had room for.</summary>
    public bool TakeLoss()
    {
        bool hasLost = _hasLostMessages;
        _hasLostMessages = false;
        return hasLost;
    }

    /// <summary>Asks the kernel something; the answer comes among the messages.</summary>
    /// <param name="request">The finished request.</param>
    /// <param name="operation">What is asked, for the message of an exception.</param>
    /// <param name="subject">About what.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void Send(ReadOnlySpan<byte> request, string operation, string subject)
    {
        fixed (byte* start = request)
        {
            if (Libc.send(_socket.Number, start, (nuint)request.Length, 0) < 0)
                throw new LinuxException(Marshal.GetLastPInvokeError(), operation, subject);
        }
    }

    /// <summary>Takes the next message, without blocking; it is valid until the next call.</summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public bool TryRead(out NetlinkMessage message)
    {
        do
        {
            ReadOnlySpan<byte> rest = _buffer.AsSpan(_next, _end - _next);
            bool isTaken = NetlinkMessage.TryTake(ref rest, out message);
            _next = _end - rest.Length;
            if (isTaken)
                return true;
        }
        while (TryFill());
        message = default;
        return false;
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    /// <summary>Reads the next datagram of messages; false where there is none.</summary>
    private bool TryFill()
    {
        while (true)
        {
            Libc.SockaddrNl sender;
            uint senderLength = (uint)sizeof(Libc.SockaddrNl);
            nint length;
            fixed (byte* buffer = _buffer)
                length = Libc.recvfrom(_socket.Number, buffer, BufferLength, Libc.MSG_DONTWAIT, &sender, &senderLength);
            if (length >= 0)
            {
                (_next, _end) = (0, sender.PortId == 0 ? (int)length : 0); // Only the kernel is believed.
                return true;
            }
            switch (Marshal.GetLastPInvokeError())
            {
                case Errno.EINTR:
                    break;
                case Errno.ENOBUFS: // The queue was full.
                    _hasLostMessages = true;
                    break;
                case Errno.EAGAIN:
                    return false;
                case var error:
                    throw new LinuxException(error, "read from", "netlink socket");
            }
        }
    }
}
