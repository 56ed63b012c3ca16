using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Linux.Namespaces;
using Kedge.Protocol;

namespace Kedge.Linux.Netlink;

/// <summary>
/// Tells of changes to the links, addresses, routes and rules of one network namespace (rtnetlink(7)). One thread waits and reads; any
/// thread ends its wait. Whoever opened it disposes it, after that thread has ended. Needs no privilege.
/// </summary>
public sealed class RouteMonitor : IDisposable
{
    private readonly NetlinkEvents _events;
    private readonly WakeEvent _wake = new();

    private RouteMonitor(NetlinkEvents events) => _events = events;

    /// <summary>Begins to watch.</summary>
    /// <param name="inside">The namespace; null for the calling thread's.</param>
    /// <exception cref="LinuxException">There is no such namespace, or the kernel refused.</exception>
    public static RouteMonitor Open(NetworkNamespace? inside = null)
    {
        return inside is null ? OpenHere() : inside.Run(OpenHere);

        static RouteMonitor OpenHere() => new(new NetlinkEvents([Rtnetlink.RTNLGRP_LINK, .. NetlinkEvents.Routing]));
    }

    /// <summary>Blocks until there is something to read, or <see cref="Wake"/> is called.</summary>
    public void Wait()
    {
        Span<Libc.Pollfd> descriptors =
        [
            new() { Descriptor = _events.Number, Events = Libc.POLLIN },
            new() { Descriptor = _wake.Number, Events = Libc.POLLIN },
        ];
        Poll.Wait(descriptors, Instant.Never);
        _wake.TryConsume();
    }

    /// <summary>Ends the current or the next <see cref="Wait"/>. Does nothing after disposal.</summary>
    public void Wake() => _wake.Signal();

    /// <summary>Tells the next change, without blocking.</summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public bool TryRead(out RouteChange change)
    {
        while (_events.TryRead(out NetlinkMessage message))
        {
            if (Interpret(message) is { } read)
            {
                change = read;
                return true;
            }
        }
        change = default;
        return _events.TakeLoss();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _events.Dispose();
        _wake.Dispose();
    }

    private static RouteChange? Interpret(NetlinkMessage message)
    {
        switch (message.Type)
        {
            case Rtnetlink.RTM_NEWLINK or Rtnetlink.RTM_DELLINK when NetworkLink.Read(message) is { } link:
                return new RouteChange(RouteChangeKind.Link, message.Type == Rtnetlink.RTM_DELLINK) { Index = link.Index, Link = link };
            case Rtnetlink.RTM_NEWADDR or Rtnetlink.RTM_DELADDR when message.Body.Length >= Rtnetlink.AddressHeaderSize:
                return new RouteChange(RouteChangeKind.Address, message.Type == Rtnetlink.RTM_DELADDR)
                {
                    Index = MemoryMarshal.Read<int>(message.Body[4..]),
                };
            case Rtnetlink.RTM_NEWROUTE or Rtnetlink.RTM_DELROUTE when message.Body.Length >= Rtnetlink.RouteHeaderSize:
                return new RouteChange(RouteChangeKind.Route, message.Type == Rtnetlink.RTM_DELROUTE)
                {
                    Table = Find(message, Rtnetlink.RouteHeaderSize, Rtnetlink.RTA_TABLE) ?? message.Body[4],
                    Protocol = message.Body[5],
                };
            case Rtnetlink.RTM_NEWRULE or Rtnetlink.RTM_DELRULE when RoutingRule.Read(message) is { } rule:
                return new RouteChange(RouteChangeKind.Rule, message.Type == Rtnetlink.RTM_DELRULE)
                {
                    Table = rule.Table,
                    Protocol = rule.Protocol,
                };
            default:
                return null;
        }
    }

    private static int? Find(NetlinkMessage message, int headerSize, ushort type)
    {
        NetlinkAttributes attributes = message.Attributes(headerSize);
        while (attributes.MoveNext())
            if (attributes.Type == type)
                return (int)attributes.Number;
        return null;
    }
}
