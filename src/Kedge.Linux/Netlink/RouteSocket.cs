using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Linux.Namespaces;
using Kedge.Protocol.Ip;

namespace Kedge.Linux.Netlink;

/// <summary>
/// Links, addresses, routes and rules of one network namespace, read and changed by rtnetlink(7). One thread at a time. Whoever opened it
/// disposes it. Reading needs no privilege; changing needs CAP_NET_ADMIN.
/// </summary>
public sealed unsafe class RouteSocket : IDisposable
{
    /// <summary>Bytes of a read; the kernel fills up to 32 KB.</summary>
    private const int BufferLength = 64 * 1024;

    /// <summary>How often a list is asked for anew because it changed while it was told.</summary>
    private const int MaximumTries = 10;

    private readonly Descriptor _socket;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferLength);
    private uint _sequence;
    private bool _interrupted; // whether the list that was read last changed meanwhile

    private RouteSocket(Descriptor socket) => _socket = socket;

    private delegate T? Reader<T>(NetlinkMessage message);

    /// <summary>Opens a socket.</summary>
    /// <param name="inside">The namespace that it is about; null for the calling thread's.</param>
    /// <exception cref="LinuxException">There is no such namespace, or the kernel refused.</exception>
    public static RouteSocket Open(NetworkNamespace? inside = null)
    {
        return inside is null ? OpenHere() : inside.Run(OpenHere);

        static RouteSocket OpenHere()
        {
            const int Type = Libc.SOCK_RAW | Libc.SOCK_CLOEXEC;
            Descriptor socket = Descriptor.From(Libc.socket(Libc.AF_NETLINK, Type, Rtnetlink.NETLINK_ROUTE), "create", "netlink socket");
            // So that the kernel lists only what is asked for. One before 4.20 cannot, and lists more.
            int yes = 1;
            _ = Libc.setsockopt(socket.Number, Rtnetlink.SOL_NETLINK, Rtnetlink.NETLINK_GET_STRICT_CHK, &yes, sizeof(int));
            return new RouteSocket(socket);
        }
    }

    /// <summary>All interfaces.</summary>
    public IReadOnlyList<NetworkLink> Links() =>
        Dump(new NetlinkRequest(Rtnetlink.RTM_GETLINK, Rtnetlink.NLM_F_DUMP, Rtnetlink.LinkHeaderSize), "list", "interfaces", NetworkLink.Read);

    /// <summary>The interface of a name; null where there is none.</summary>
    public NetworkLink? FindLink(string name)
    {
        var request = new NetlinkRequest(Rtnetlink.RTM_GETLINK, 0, Rtnetlink.LinkHeaderSize);
        request.Add(Rtnetlink.IFLA_IFNAME, name);
        return FindLink(request, name);
    }

    /// <summary>The interface of an index; null where there is none.</summary>
    public NetworkLink? FindLink(int index)
    {
        var request = new NetlinkRequest(Rtnetlink.RTM_GETLINK, 0, Rtnetlink.LinkHeaderSize);
        MemoryMarshal.Write(request.Header, new Libc.Ifinfomsg { Index = index });
        return FindLink(request, $"{index}");
    }

    /// <summary>Sets an interface up or down and gives it an MTU.</summary>
    public void SetLink(NetworkLink link, bool up, int mtu)
    {
        ArgumentNullException.ThrowIfNull(link);
        NetlinkRequest request = LinkRequest(Rtnetlink.RTM_NEWLINK, link, up ? Rtnetlink.IFF_UP : 0, Rtnetlink.IFF_UP);
        request.Add(Rtnetlink.IFLA_MTU, (uint)mtu);
        Change(request, "set up", link.Name);
    }

    /// <summary>Sets how many segments the kernel leaves to an interface in one packet at most (<c>gso_max_segs</c>).</summary>
    public void SetGsoMaxSegments(NetworkLink link, int segments)
    {
        ArgumentNullException.ThrowIfNull(link);
        NetlinkRequest request = LinkRequest(Rtnetlink.RTM_NEWLINK, link, 0, 0);
        request.Add(Rtnetlink.IFLA_GSO_MAX_SEGS, (uint)segments);
        Change(request, "set gso_max_segs of", link.Name);
    }

    /// <summary>Deletes an interface, and with it its addresses and routes.</summary>
    public void DeleteLink(NetworkLink link)
    {
        ArgumentNullException.ThrowIfNull(link);
        Change(LinkRequest(Rtnetlink.RTM_DELLINK, link, 0, 0), "delete", link.Name);
    }

    /// <summary>The addresses of all interfaces, both families.</summary>
    public IReadOnlyList<InterfaceAddress> Addresses()
    {
        var request = new NetlinkRequest(Rtnetlink.RTM_GETADDR, Rtnetlink.NLM_F_DUMP, Rtnetlink.AddressHeaderSize);
        return Dump(request, "list", "addresses", InterfaceAddress.Read);
    }

    /// <summary>Adds an address, usable at once.</summary>
    public void Add(InterfaceAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        const ushort Flags = Rtnetlink.NLM_F_CREATE | Rtnetlink.NLM_F_REPLACE;
        Change(address.ToRequest(Rtnetlink.RTM_NEWADDR, Flags), "add address", $"{address.Address}");
    }

    /// <summary>Deletes an address. One that is gone already is fine.</summary>
    public void Delete(InterfaceAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        Change(address.ToRequest(Rtnetlink.RTM_DELADDR, 0), "delete address", $"{address.Address}", Errno.EADDRNOTAVAIL);
    }

    /// <summary>The routes of a table, both families.</summary>
    public IReadOnlyList<Route> Routes(int table) => [.. Routes(table, Libc.AF_INET), .. Routes(table, Libc.AF_INET6)];

    /// <summary>The route that a datagram would take; null where the kernel does not say.</summary>
    /// <param name="destination">Where it would go; its scope, if it has one, is taken into account.</param>
    /// <param name="source">The local address that it would be sent from; none leaves that to the kernel.</param>
    /// <param name="mark">The firewall mark that it would have; 0 for none.</param>
    /// <param name="sourcePort">The UDP port that it would be sent from; null for a lookup that knows of no ports.</param>
    /// <exception cref="LinuxException">EINVAL: this machine has no such local address. Others: there is no route.</exception>
    public Route? FindRoute(Endpoint destination, IpAddress source, uint mark, ushort? sourcePort = null)
    {
        var request = new NetlinkRequest(Rtnetlink.RTM_GETROUTE, 0, Rtnetlink.RouteHeaderSize);
        request.Header[0] = (byte)(destination.Address.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6);
        request.Header[1] = (byte)(8 * destination.Address.Size);
        request.Header[2] = (byte)(8 * source.Size);
        request.Add(Rtnetlink.RTA_DST, destination.Address);
        if (!source.IsNone)
            request.Add(Rtnetlink.RTA_SRC, source);
        if (destination.ScopeId != 0)
            request.Add(Rtnetlink.RTA_OIF, destination.ScopeId);
        if (mark != 0)
            request.Add(Rtnetlink.RTA_MARK, mark);
        if (sourcePort is { } port)
        {
            request.Add(Rtnetlink.RTA_IP_PROTO, Rtnetlink.IPPROTO_UDP);
            request.AddBigEndian(Rtnetlink.RTA_SPORT, port);
            request.AddBigEndian(Rtnetlink.RTA_DPORT, destination.Port);
        }
        return Exchange(request, "find a route to", $"{destination.Address}", Route.Read).FirstOrDefault();
    }

    /// <summary>Adds a route, in the place of one to the same destination in the same table if there is one.</summary>
    public void Add(Route route)
    {
        ArgumentNullException.ThrowIfNull(route);
        const ushort Flags = Rtnetlink.NLM_F_CREATE | Rtnetlink.NLM_F_REPLACE;
        Change(route.ToRequest(Rtnetlink.RTM_NEWROUTE, Flags), "add route", $"{route.Destination}");
    }

    /// <summary>Deletes a route. One that is gone already is fine.</summary>
    public void Delete(Route route)
    {
        ArgumentNullException.ThrowIfNull(route);
        Change(route.ToRequest(Rtnetlink.RTM_DELROUTE, 0), "delete route", $"{route.Destination}", Errno.ESRCH);
    }

    /// <summary>All rules, both families, in the order of their priority.</summary>
    public IReadOnlyList<RoutingRule> Rules() => [.. Rules(Libc.AF_INET), .. Rules(Libc.AF_INET6)];

    /// <summary>Adds a rule. One that is there already is fine.</summary>
    public void Add(RoutingRule rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        const ushort Flags = Rtnetlink.NLM_F_CREATE | Rtnetlink.NLM_F_EXCL;
        Change(rule.ToRequest(Rtnetlink.RTM_NEWRULE, Flags), "add rule", Describe(rule), Errno.EEXIST);
    }

    /// <summary>Deletes a rule. One that is gone already is fine.</summary>
    public void Delete(RoutingRule rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        Change(rule.ToRequest(Rtnetlink.RTM_DELRULE, 0), "delete rule", Describe(rule), Errno.ENOENT);
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private static string Describe(RoutingRule rule) =>
        rule.Destination.IsNone ? $"{rule.Priority}" : $"{rule.Priority} to {rule.Destination}";

    private static NetlinkRequest LinkRequest(ushort type, NetworkLink link, uint flags, uint change)
    {
        var request = new NetlinkRequest(type, 0, Rtnetlink.LinkHeaderSize);
        MemoryMarshal.Write(request.Header, new Libc.Ifinfomsg { Index = link.Index, Flags = flags, Change = change });
        return request;
    }

    private NetworkLink? FindLink(NetlinkRequest request, string target)
    {
        try
        {
            return Exchange(request, "find interface", target, NetworkLink.Read).SingleOrDefault();
        }
        catch (LinuxException e) when (e.Errno == Errno.ENODEV)
        {
            return null;
        }
    }

    private IReadOnlyList<Route> Routes(int table, int family)
    {
        var request = new NetlinkRequest(Rtnetlink.RTM_GETROUTE, Rtnetlink.NLM_F_DUMP, Rtnetlink.RouteHeaderSize);
        request.Header[0] = (byte)family;
        request.Add(Rtnetlink.RTA_TABLE, (uint)table);
        try
        {
            return [.. Dump(request, "list", $"routes of table {table}", Route.Read).Where(route => route.Table == table)];
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.EAFNOSUPPORT or Errno.EOPNOTSUPP)
        {
            return []; // there is no such table yet, or no such family
        }
    }

    private List<RoutingRule> Rules(int family)
    {
        var request = new NetlinkRequest(Rtnetlink.RTM_GETRULE, Rtnetlink.NLM_F_DUMP, Rtnetlink.RuleHeaderSize);
        request.Header[0] = (byte)family;
        try
        {
            return Dump(request, "list", "rules", RoutingRule.Read);
        }
        catch (LinuxException e) when (e.Errno is Errno.EAFNOSUPPORT or Errno.EOPNOTSUPP)
        {
            return [];
        }
    }

    private void Change(NetlinkRequest request, string operation, string target, int harmless = 0)
    {
        try
        {
            Exchange<object>(request, operation, target, _ => null);
        }
        catch (LinuxException e) when (e.Errno == harmless)
        {
            // As it was to be.
        }
    }

    /// <summary>Asks for a list, and again where it changed while it was told.</summary>
    private List<T> Dump<T>(NetlinkRequest request, string operation, string target, Reader<T> read)
        where T : class
    {
        for (int i = 0; ; i++)
        {
            List<T> list = Exchange(request, operation, target, read);
            if (!_interrupted || i == MaximumTries)
                return list;
        }
    }

    /// <summary>Sends a request and reads the answer to its end.</summary>
    private List<T> Exchange<T>(NetlinkRequest request, string operation, string target, Reader<T> read)
        where T : class
    {
        ReadOnlySpan<byte> bytes = request.Finish(++_sequence, isAcknowledged: true);
        _interrupted = false;
        fixed (byte* start = bytes)
        {
            if (Libc.send(_socket.Number, start, (nuint)bytes.Length, 0) < 0)
                throw new LinuxException(Marshal.GetLastPInvokeError(), operation, target);
        }
        List<T> found = [];
        while (true)
        {
            ReadOnlySpan<byte> datagram = Receive(operation, target);
            while (NetlinkMessage.TryTake(ref datagram, out NetlinkMessage message))
            {
                if (message.Sequence != _sequence)
                    continue; // the rest of an answer that was given up
                _interrupted |= (message.Flags & Rtnetlink.NLM_F_DUMP_INTR) != 0;
                if (message.Type is Rtnetlink.NLMSG_DONE or Rtnetlink.NLMSG_ERROR)
                {
                    int error = message.Body.Length < sizeof(int) ? 0 : -MemoryMarshal.Read<int>(message.Body);
                    return error == 0 ? found : throw new LinuxException(error, operation, target);
                }
                if (read(message) is { } item)
                    found.Add(item);
            }
        }
    }

    private ReadOnlySpan<byte> Receive(string operation, string target)
    {
        while (true)
        {
            Libc.SockaddrNl sender;
            uint senderLength = (uint)sizeof(Libc.SockaddrNl);
            nint length;
            fixed (byte* buffer = _buffer)
                length = Libc.recvfrom(_socket.Number, buffer, BufferLength, 0, &sender, &senderLength);
            if (length >= 0 && sender.PortId == 0) // Only the kernel is believed.
                return _buffer.AsSpan(0, (int)length);
            if (length < 0 && Marshal.GetLastPInvokeError() is var error and not Errno.EINTR)
                throw new LinuxException(error, operation, target);
        }
    }
}
