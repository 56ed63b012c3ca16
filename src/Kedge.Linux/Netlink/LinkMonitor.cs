using System.Runtime.InteropServices;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Netlink;

/// <summary>
/// Watches one interface of the network namespace in which it was made (rtnetlink(7), <c>RTMGRP_LINK</c>). One thread reads; wait for
/// changes with a <see cref="Waiter"/>. Whoever made it disposes it.
/// </summary>
public sealed unsafe class LinkMonitor : IDisposable
{
    private const int NETLINK_ROUTE = 0;
    private const uint RTMGRP_LINK = 1;
    private const ushort NLMSG_ERROR = 2;
    private const ushort RTM_NEWLINK = 16;
    private const ushort RTM_DELLINK = 17;
    private const ushort RTM_GETLINK = 18;
    private const ushort NLM_F_REQUEST = 1;
    private const ushort IFLA_MTU = 4;
    private const ushort IFLA_NEW_IFINDEX = 49;
    private const uint IFF_UP = 1;

    /// <summary>Bytes of a read; an interface's description takes 1 to 2 KB.</summary>
    private const int BufferLength = 32 * 1024;

    private readonly Descriptor _socket;
    private readonly int _index;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferLength);
    private int _next;
    private int _end;
    private bool _hasLostChanges;
    private LinkState? _last;

    /// <summary>Begins to watch; the first <see cref="TryRead"/> tells the state of now.</summary>
    /// <param name="index">The interface's index, as <see cref="InterfaceName.ToIndex"/> finds it.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public LinkMonitor(uint index)
    {
        _index = (int)index;
        const int Type = Libc.SOCK_RAW | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC;
        _socket = Descriptor.From(Libc.socket(Libc.AF_NETLINK, Type, NETLINK_ROUTE), "create", "netlink socket");
        try
        {
            Libc.SockaddrNl address = new() { Family = Libc.AF_NETLINK, Groups = RTMGRP_LINK };
            _ = Descriptor.Check(Libc.bind(_socket.Number, &address, (uint)sizeof(Libc.SockaddrNl)), "subscribe to", "RTMGRP_LINK");
            RequestState();
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>What becomes readable when something changes.</summary>
    internal int Number => _socket.Number;

    /// <summary>
    /// Tells the next state that differs from the one told before, without blocking. Where the kernel had more to tell than it had room
    /// for, states in between are missing, the last one never.
    /// </summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public bool TryRead(out LinkState state)
    {
        do
        {
            while (_next < _end)
            {
                ReadOnlySpan<byte> message = NextMessage();
                if (Interpret(message) is { } read && read != _last)
                {
                    _last = state = read;
                    return true;
                }
            }
        }
        while (TryFill());
        state = default;
        return false;
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private static T Take<T>(ref ReadOnlySpan<byte> bytes, int alignedLength) where T : unmanaged
    {
        T value = MemoryMarshal.Read<T>(bytes);
        bytes = bytes[Math.Min(alignedLength, bytes.Length)..];
        return value;
    }

    private static int Align(int length) => (length + 3) & ~3; // NLMSG_ALIGN, RTA_ALIGN

    private void RequestState()
    {
        (Libc.Nlmsghdr Header, Libc.Ifinfomsg Link) request = default;
        request.Header = new() { Length = (uint)sizeof((Libc.Nlmsghdr, Libc.Ifinfomsg)), Type = RTM_GETLINK, Flags = NLM_F_REQUEST };
        request.Link.Index = _index;
        if (Libc.send(_socket.Number, &request, request.Header.Length, 0) < 0)
            throw new LinuxException(Marshal.GetLastPInvokeError(), "ask for the state of", $"interface {_index}");
    }

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
                case Errno.ENOBUFS: // The queue was full, and changes were lost.
                    _hasLostChanges = true;
                    break;
                case Errno.EAGAIN when _hasLostChanges: // Only now there is room for the answer.
                    _hasLostChanges = false;
                    RequestState();
                    break;
                case Errno.EAGAIN:
                    return false;
                case var error:
                    throw new LinuxException(error, "read from", "netlink socket");
            }
        }
    }

    private ReadOnlySpan<byte> NextMessage()
    {
        ReadOnlySpan<byte> rest = _buffer.AsSpan(_next, _end - _next);
        if (rest.Length < sizeof(Libc.Nlmsghdr))
        {
            _next = _end;
            return [];
        }
        int length = (int)Math.Clamp(MemoryMarshal.Read<Libc.Nlmsghdr>(rest).Length, (uint)sizeof(Libc.Nlmsghdr), (uint)rest.Length);
        _next = Math.Min(_end, _next + Align(length));
        return rest[..length];
    }

    private LinkState? Interpret(ReadOnlySpan<byte> message)
    {
        if (message.Length < sizeof(Libc.Nlmsghdr) + sizeof(int))
            return null;
        Libc.Nlmsghdr header = Take<Libc.Nlmsghdr>(ref message, sizeof(Libc.Nlmsghdr));
        LinkState last = _last ?? default;
        switch (header.Type)
        {
            case NLMSG_ERROR: // The answer to our question; a struct nlmsgerr starts with -errno.
                return MemoryMarshal.Read<int>(message) == -Errno.ENODEV ? last with { Up = false, Deleted = true } : null;
            case RTM_NEWLINK or RTM_DELLINK when message.Length >= sizeof(Libc.Ifinfomsg):
                break;
            default:
                return null;
        }
        Libc.Ifinfomsg link = Take<Libc.Ifinfomsg>(ref message, sizeof(Libc.Ifinfomsg));
        // Bridges tell about their ports in messages of family AF_BRIDGE.
        if (link.Index != _index || link.Family != 0)
            return null;
        int mtu = last.Mtu;
        bool moved = false;
        while (message.Length >= sizeof(Libc.Rtattr))
        {
            Libc.Rtattr attribute = MemoryMarshal.Read<Libc.Rtattr>(message);
            if (attribute.Length < sizeof(Libc.Rtattr) || attribute.Length > message.Length)
                break;
            ReadOnlySpan<byte> value = message[sizeof(Libc.Rtattr)..attribute.Length];
            if (attribute.Type == IFLA_MTU && value.Length == sizeof(uint))
                mtu = MemoryMarshal.Read<int>(value);
            moved |= attribute.Type == IFLA_NEW_IFINDEX;
            message = message[Math.Min(Align(attribute.Length), message.Length)..];
        }
        return (header.Type, moved) switch
        {
            (RTM_NEWLINK, _) => new LinkState((link.Flags & IFF_UP) != 0, mtu),
            (_, true) => last with { Moved = true },
            _ => last with { Up = false, Deleted = true },
        };
    }
}
