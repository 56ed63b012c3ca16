using System.Globalization;
using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Netlink;
using Kedge.Protocol.Ip;

namespace Kedge.Node.Routing;

/// <summary>
/// Addresses, routes and rules of overlay interfaces in one network namespace. What is there and right stays untouched; what is missing is
/// added; what is too much is deleted only where it bears our protocol number, table or priority.
/// <para>
/// Routes are in a table of our own. Two rules, one pair for all our interfaces, lead there: the first asks the main table for everything
/// but its default route, so that the machine's own networks always win; the second asks our table, but not for datagrams of our own
/// tunnels, which bear the mark. One thread at a time. Whoever made it disposes it; that changes nothing. Needs CAP_NET_ADMIN.
/// </para>
/// </summary>
public sealed class Router : IDisposable
{
    /// <summary>The number of our routing table.</summary>
    public const int Table = 19301;

    /// <summary>The protocol number on everything that we add.</summary>
    public const byte Protocol = 76;

    /// <summary>The priority of the rule for the machine's own networks; that of the rule for our table is one more.</summary>
    public const int Priority = 19300;

    /// <summary>
    /// The mark that a device's own datagrams must bear (<c>fwmark</c>), in the bits of <see cref="MarkMask"/>; the others may say more.
    /// </summary>
    public const uint Mark = 0x6B650000;

    /// <summary>The bits of the mark that count.</summary>
    public const uint MarkMask = 0xFFFF0000;

    private readonly NetworkNamespace? _inside;
    private readonly RouteSocket _kernel;

    private Router(NetworkNamespace? inside, RouteSocket kernel) => (_inside, _kernel) = (inside, kernel);

    /// <summary>A router for a namespace.</summary>
    /// <param name="inside">Where the interfaces are; null for the calling thread's.</param>
    /// <exception cref="LinuxException">There is no such namespace.</exception>
    public static Router Open(NetworkNamespace? inside = null) => new(inside, RouteSocket.Open(inside));

    /// <summary>Makes the kernel agree with what is desired of one interface, and sets it up.</summary>
    /// <exception cref="LinuxException">
    /// The kernel refused, or there is no such interface (ENODEV). What was done by then stays; the next call goes on from there.
    /// </exception>
    public void Apply(InterfaceRouting desired)
    {
        ArgumentNullException.ThrowIfNull(desired);
        NetworkLink link = Find(desired.Interface);
        if (link.Mtu != desired.Mtu || !link.IsUp)
            _kernel.SetLink(link, up: true, desired.Mtu);
        ApplyAddresses(link, desired.Addresses);
        ApplyRoutes(link, desired);
        ApplyRules();
        AcceptSources(link);
    }

    /// <summary>
    /// Takes back what <see cref="Apply"/> did, but for the interface itself; the rules go with the last interface. An interface that is gone
    /// has taken its addresses and routes along.
    /// </summary>
    public void Remove(string interfaceName)
    {
        if (_kernel.FindLink(interfaceName) is { } link)
        {
            foreach (Route route in OurRoutes().Where(route => route.Index == link.Index))
                _kernel.Delete(route);
            foreach (InterfaceAddress address in OurAddresses(link))
                _kernel.Delete(address);
        }
        if (OurRoutes().Any())
            return;
        foreach (RoutingRule rule in OurRules())
            _kernel.Delete(rule);
        // Another process may have added routes in between and seen the rules still there.
        if (OurRoutes().Any())
            ApplyRules();
    }

    /// <summary>
    /// Deletes an interface, whether or not a process still holds it, after <see cref="Remove"/>. One that is gone already is fine.
    /// </summary>
    /// <exception cref="LinuxException">The interface is no TUN (EINVAL), or the kernel refused.</exception>
    public void Delete(string interfaceName)
    {
        Remove(interfaceName);
        if (_kernel.FindLink(interfaceName) is not { } link)
            return;
        if (link.Tun is null)
            throw new LinuxException(Errno.EINVAL, "delete", $"{interfaceName}, which is no TUN interface");
        _kernel.DeleteLink(link);
    }

    /// <inheritdoc/>
    public void Dispose() => _kernel.Dispose();

    private NetworkLink Find(string name) => _kernel.FindLink(name) ?? throw new LinuxException(Errno.ENODEV, "find interface", name);

    private void ApplyAddresses(NetworkLink link, IReadOnlyList<IpAddress> desired)
    {
        // With all its bits as prefix: a network of its own would come with a route in the main table, ahead of ours.
        HashSet<InterfaceAddress> missing =
            [.. from address in desired select new InterfaceAddress(link.Index, address, 8 * address.Size, Protocol)];
        foreach (InterfaceAddress address in OurAddresses(link))
            if (!missing.Remove(address))
                _kernel.Delete(address);
        foreach (InterfaceAddress address in missing)
            _kernel.Add(address);
    }

    private void ApplyRoutes(NetworkLink link, InterfaceRouting desired)
    {
        HashSet<Route> missing = [];
        foreach (IpPrefix prefix in desired.Prefixes)
        {
            IpAddress source = desired.Addresses.FirstOrDefault(address => address.Size == prefix.Address.Size);
            missing.Add(new Route(prefix, Table, Protocol, link.Index, source));
        }
        List<Route> surplus = [];
        foreach (Route route in OurRoutes().Where(route => route.Index == link.Index))
            if (!missing.Remove(route))
                surplus.Add(route);
        // New ones first, so that a destination whose source changes is never without a route.
        HashSet<IpPrefix> replaced = [.. missing.Select(route => route.Destination)];
        foreach (Route route in missing)
            _kernel.Add(route);
        foreach (Route route in surplus.Where(route => !replaced.Contains(route.Destination)))
            _kernel.Delete(route);
    }

    private void ApplyRules()
    {
        HashSet<RoutingRule> missing = [.. Rules(isIPv6: false)];
        if (HasIPv6())
            missing.UnionWith(Rules(isIPv6: true));
        List<RoutingRule> surplus = [];
        foreach (RoutingRule rule in OurRules())
            if (!missing.Remove(rule))
                surplus.Add(rule);
        foreach (RoutingRule rule in missing.OrderBy(rule => rule.Priority))
            _kernel.Add(rule);
        foreach (RoutingRule rule in surplus)
            _kernel.Delete(rule);
    }

    private static IEnumerable<RoutingRule> Rules(bool isIPv6) =>
    [
        new(isIPv6, Priority, Route.MainTable, Protocol) { SuppressedPrefixLength = 0 },
        new(isIPv6, Priority + 1, Table, Protocol) { IsInverted = true, Mark = Mark, MarkMask = MarkMask },
    ];

    private IEnumerable<InterfaceAddress> OurAddresses(NetworkLink link) =>
        _kernel.Addresses().Where(address => address.Index == link.Index && address.Protocol == Protocol);

    private IEnumerable<Route> OurRoutes() => _kernel.Routes(Table).Where(route => route.Protocol == Protocol);

    private IEnumerable<RoutingRule> OurRules() =>
        _kernel.Rules().Where(rule => rule.Protocol == Protocol && rule.Priority is Priority or Priority + 1);

    private bool HasIPv6() => Setting.Exists(_inside, "net/ipv6/conf/all/disable_ipv6");

    /// <summary>
    /// Lets the interface take packets whose source would be answered by another interface: WireGuard has checked already that the peer may
    /// send from there, and the kernel's strict check would know nothing of prefixes that the machine has a network of its own for.
    /// </summary>
    private void AcceptSources(NetworkLink link)
    {
        const int Loose = 2; // RFC 3704, section 2.4
        string path = string.Create(CultureInfo.InvariantCulture, $"net/ipv4/conf/{link.Name}/rp_filter");
        if (Setting.Read(_inside, path) != Loose)
            Setting.TryWrite(_inside, path, Loose);
    }
}
