using System.Runtime.InteropServices;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Netlink;

/// <summary>
/// Watches one interface of the network namespace in which it was made (rtnetlink(7), <c>RTMGRP_LINK</c>). Its index is believed only until
/// it leaves: from then on it may be another interface's. One thread reads; wait for changes with a <see cref="Waiter"/>. Whoever made it
/// disposes it.
/// </summary>
public sealed unsafe class LinkMonitor : IDisposable
{
    private const uint RTMGRP_LINK = 1;
    private const ushort IFLA_NEW_IFINDEX = 49;

    /// <summary>Bytes of a read; an interface's description takes 1 to 2 KB.</summary>
    private const int BufferLength = 32 * 1024;

    private readonly Descriptor _socket;
    private readonly IAttachedLink? _link;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferLength);
    private int _index; // 0 once the interface has left
    private int _next;
    private int _end;
    private bool _hasLostChanges;
    private LinkState? _last;

    /// <summary>Begins to watch; the first <see cref="TryRead"/> tells the state of now.</summary>
    /// <param name="index">The interface's index, as <see cref="InterfaceName.ToIndex"/> finds it.</param>
    /// <param name="link">The interface itself, where this process is attached to it; it is the caller's.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public LinkMonitor(uint index, IAttachedLink? link = null)
    {
        (_index, _link) = ((int)index, link);
        const int Type = Libc.SOCK_RAW | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC;
        _socket = Descriptor.From(Libc.socket(Libc.AF_NETLINK, Type, Rtnetlink.NETLINK_ROUTE), "create", "netlink socket");
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
            while (TryTake(out NetlinkMessage message))
            {
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

    private void RequestState()
    {
        var request = new NetlinkRequest(Rtnetlink.RTM_GETLINK, 0, Rtnetlink.LinkHeaderSize);
        MemoryMarshal.Write(request.Header, new Libc.Ifinfomsg { Index = _index });
        ReadOnlySpan<byte> bytes = request.Finish(sequence: 0, isAcknowledged: false);
        fixed (byte* start = bytes)
        {
            if (Libc.send(_socket.Number, start, (nuint)bytes.Length, 0) < 0)
                throw new LinuxException(Marshal.GetLastPInvokeError(), "ask for the state of", $"interface {_index}");
        }
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
                    if (_index != 0)
                        RequestState();
                    break;
                case Errno.EAGAIN:
                    return false;
                case var error:
                    throw new LinuxException(error, "read from", "netlink socket");
            }
        }
    }

    /// <summary>Takes the next message off the datagram that was read last; false at its end.</summary>
    private bool TryTake(out NetlinkMessage message)
    {
        ReadOnlySpan<byte> rest = _buffer.AsSpan(_next, _end - _next);
        bool taken = NetlinkMessage.TryTake(ref rest, out message);
        _next = taken ? _end - rest.Length : _end;
        return taken;
    }

    private LinkState? Interpret(NetlinkMessage message)
    {
        switch (message.Type)
        {
            case Rtnetlink.NLMSG_ERROR: // The answer to our question; a struct nlmsgerr starts with -errno.
                bool isGone = message.Body.Length >= sizeof(int) && MemoryMarshal.Read<int>(message.Body) == -Errno.ENODEV;
                return isGone && _index != 0 ? Leave(isMoved: false) : null;
            case Rtnetlink.RTM_NEWLINK or Rtnetlink.RTM_DELLINK when message.Body.Length >= Rtnetlink.LinkHeaderSize:
                break;
            default:
                return null;
        }
        Libc.Ifinfomsg link = MemoryMarshal.Read<Libc.Ifinfomsg>(message.Body);
        // Bridges tell about their ports in messages of family AF_BRIDGE.
        if (_index == 0 || link.Index != _index || link.Family != 0)
            return null;
        int mtu = (_last ?? default).Mtu;
        string name = "";
        bool isMoved = false;
        NetlinkAttributes attributes = message.Attributes(Rtnetlink.LinkHeaderSize);
        while (attributes.MoveNext())
        {
            switch (attributes.Type)
            {
                case Rtnetlink.IFLA_MTU:
                    mtu = (int)attributes.Number;
                    break;
                case Rtnetlink.IFLA_IFNAME:
                    name = attributes.Text;
                    break;
                case IFLA_NEW_IFINDEX:
                    isMoved = true;
                    break;
            }
        }
        if (message.Type == Rtnetlink.RTM_DELLINK)
            return Leave(isMoved);
        // It may have left among changes that were lost, and this be another one. What it is after a new name, the next message tells.
        if (_link is not null && _link.CurrentName != name)
            return null;
        return new LinkState((link.Flags & Rtnetlink.IFF_UP) != 0, mtu);
    }

    /// <summary>The interface is gone or in another namespace, whatever the kernel was able to tell of it.</summary>
    private LinkState Leave(bool isMoved)
    {
        _index = 0;
        LinkState last = _last ?? default;
        return isMoved || _link?.CurrentName is not null ? last with { Moved = true } : last with { Up = false, Deleted = true };
    }
}
