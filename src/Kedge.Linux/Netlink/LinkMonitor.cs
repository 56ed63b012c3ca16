using System.Runtime.InteropServices;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Netlink;

/// <summary>
/// Watches one interface of the network namespace in which it was made (rtnetlink(7)). Its index is believed only until it leaves: from
/// then on it may be another interface's. Where this process is attached to the interface, it is followed to its new namespace, and watched
/// there under the index that it has there. One thread reads; wait for changes with a <see cref="Waiter"/>. Whoever made it disposes it.
/// </summary>
public sealed class LinkMonitor : IDisposable
{
    private const ushort IFLA_NEW_IFINDEX = 49;

    private readonly IAttachedLink? _link;
    private NetlinkEvents _events = new(Rtnetlink.RTNLGRP_LINK); // in the namespace in which the interface is
    private int _index; // 0 once the interface is out of sight
    private LinkState? _last;

    /// <summary>Begins to watch; the first <see cref="TryRead"/> tells the state of now.</summary>
    /// <param name="index">The interface's index, as <see cref="InterfaceName.ToIndex"/> finds it.</param>
    /// <param name="link">The interface itself, where this process is attached to it; it is the caller's.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public LinkMonitor(uint index, IAttachedLink? link = null)
    {
        (_index, _link) = ((int)index, link);
        try
        {
            RequestState();
        }
        catch
        {
            _events.Dispose();
            throw;
        }
    }

    /// <summary>What becomes readable when something changes; another descriptor after a read that followed the interface.</summary>
    internal int Number => _events.Number;

    /// <summary>
    /// Tells the next state that differs from the one told before, without blocking. Where the kernel had more to tell than it had room
    /// for, states in between are missing, the last one never.
    /// </summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public bool TryRead(out LinkState state)
    {
        while (true)
        {
            while (_events.TryRead(out NetlinkMessage message))
            {
                if (Interpret(message) is { } read && read != _last)
                {
                    _last = state = read;
                    return true;
                }
            }
            if (!_events.TakeLoss() || _index == 0)
                break;
            RequestState(); // only now there is room for the answer
        }
        state = default;
        return false;
    }

    /// <inheritdoc/>
    public void Dispose() => _events.Dispose();

    private void RequestState()
    {
        var request = new NetlinkRequest(Rtnetlink.RTM_GETLINK, 0, Rtnetlink.LinkHeaderSize);
        MemoryMarshal.Write(request.Header, new Libc.Ifinfomsg { Index = _index });
        _events.Send(request.Finish(sequence: 0, isAcknowledged: false), "ask for the state of", $"interface {_index}");
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

    /// <summary>
    /// The interface is gone or in another namespace, whatever the kernel was able to tell of it. Null where it is watched there now: the
    /// answer to what it is like is under way.
    /// </summary>
    private LinkState? Leave(bool isMoved)
    {
        _index = 0;
        LinkState last = _last ?? default;
        bool isElsewhere = _link?.CurrentName is not null;
        return isElsewhere && TryFollow() ? null
            : isMoved || isElsewhere ? last with { Moved = true }
            : last with { Up = false, Deleted = true };
    }

    /// <summary>Goes on watching in the namespace in which the interface is now.</summary>
    private bool TryFollow()
    {
        NetlinkEvents? events = null;
        int index = 0;
        try
        {
            // In this order: what changes after the subscription is told.
            bool isInside = _link!.TryRunInside(() =>
            {
                events = new NetlinkEvents(Rtnetlink.RTNLGRP_LINK);
                using RouteSocket kernel = RouteSocket.Open();
                if (_link.CurrentName is { } name)
                    index = kernel.FindLink(name)?.Index ?? 0;
            });
            if (isInside && index != 0)
            {
                _events.Dispose();
                (_events, _index) = (events!, index);
                RequestState();
                return true;
            }
        }
        catch (LinuxException) when (_events != events)
        {
            // It may not be watched there, or has moved on meanwhile.
        }
        events?.Dispose();
        return false;
    }
}
