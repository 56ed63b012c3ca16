using System.Globalization;
using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Netlink;
using Kedge.Protocol.Ip;

namespace Kedge.Node.Routing;

/// <summary>
/// Addresses, routes and rules of overlay interfaces in one network namespace. What is there and right stays untouched; what is missing is
/// added; what is too much is deleted only where it bears our protocol number and is this interface's.
/// <para>
/// Each interface has a table of its own (<see cref="OverlayRules.TableOf"/>), and rules that lead there for its prefixes and nothing else
/// (<see cref="OverlayRules"/>). A prefix belongs to one interface (<see cref="PrefixClaim"/>). One thread at a time. Whoever made it
/// disposes it; that changes nothing. Needs CAP_NET_ADMIN.
/// </para>
/// </summary>
public sealed class Router : IDisposable
{
    /// <summary>The protocol number on everything that we add.</summary>
    public const byte Protocol = 76;

    private const int LeastIPv6Mtu = 1280;

    private readonly NetworkNamespace? _inside;
    private readonly RouteSocket _kernel;

    private Router(NetworkNamespace? inside, RouteSocket kernel) => (_inside, _kernel) = (inside, kernel);

    /// <summary>A router for a namespace.</summary>
    /// <param name="inside">Where the interfaces are; null for the calling thread's.</param>
    /// <exception cref="LinuxException">There is no such namespace.</exception>
    public static Router Open(NetworkNamespace? inside = null) => new(inside, RouteSocket.Open(inside));

    /// <summary>
    /// Makes the kernel agree with what is desired of one interface, and sets it up. What the kernel refuses is told, and keeps nothing
    /// else from being done.
    /// </summary>
    /// <exception cref="LinuxException">There is no such interface (ENODEV), or the kernel does not tell what there is.</exception>
    public RoutingResult Apply(InterfaceRouting desired)
    {
        ArgumentNullException.ThrowIfNull(desired);
        NetworkLink link = Find(desired.Interface);
        var changes = new KernelChanges();
        bool isUp = (link.Mtu == desired.Mtu && link.IsUp)
            || changes.Try(new RoutingAdditions(1, 0, 0, 0), () => _kernel.SetLink(link, up: true, desired.Mtu));
        MissingIPv6 missing = FindMissingIPv6(desired);
        bool hasIPv6 = missing == MissingIPv6.None;
        isUp &= ApplyAddresses(link, [.. desired.Addresses.Where(address => hasIPv6 || address.IsIPv4)], changes);

        RoutingRule[] rules = [.. OurRules()];
        HashSet<int> live = LiveInterfaces(rules);
        PrefixShare share = PrefixShare.Of(desired, link.Index, ClaimsOf(rules, live));
        ApplyRoutes(link, desired, [.. share.All.Where(prefix => hasIPv6 || prefix.Address.IsIPv4)], changes);
        ApplyRules(link, desired, share, rules, live, changes);
        AcceptSources(link);
        return new RoutingResult
        {
            Index = link.Index,
            Added = changes.Added,
            Failures = changes.Failures,
            IsUp = isUp,
            MissingIPv6 = desired.Addresses.Any(address => address.IsIPv6) ? missing : MissingIPv6.None,
            Conflicts = share.Conflicts,
            Foreign = share.Foreign,
        };
    }

    /// <summary>
    /// Takes back what <see cref="Apply"/> did, but for the interface itself, and the rules that interfaces which are gone have left. An
    /// interface that is gone has taken its addresses and routes along.
    /// </summary>
    public void Remove(string interfaceName)
    {
        if (_kernel.FindLink(interfaceName) is not { } link)
        {
            RemoveLeftovers();
            return;
        }
        RemoveRules(link.Index);
        foreach (Route route in OurRoutes(link))
            _kernel.Delete(route);
        foreach (InterfaceAddress address in OurAddresses(link))
            _kernel.Delete(address);
    }

    /// <summary>Deletes the rules that interfaces which are gone have left, as after a crash.</summary>
    public void RemoveLeftovers() => RemoveRules(index: 0);

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

    /// <summary>What overlay interfaces of this program have in the namespace.</summary>
    public IReadOnlyList<PrefixClaim> Claims()
    {
        RoutingRule[] rules = [.. OurRules()];
        return ClaimsOf(rules, LiveInterfaces(rules));
    }

    /// <summary>The name of an interface; its index where it is gone.</summary>
    public string NameOf(int index) => _kernel.FindLink(index)?.Name ?? index.ToString(CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public void Dispose() => _kernel.Dispose();

    private NetworkLink Find(string name) => _kernel.FindLink(name) ?? throw new LinuxException(Errno.ENODEV, "find interface", name);

    /// <returns>Whether there is one of those that are desired, where any are.</returns>
    private bool ApplyAddresses(NetworkLink link, IReadOnlyList<IpAddress> desired, KernelChanges changes)
    {
        // With all its bits as prefix: a network of its own would come with a route in the main table, ahead of ours.
        HashSet<InterfaceAddress> missing =
            [.. from address in desired select new InterfaceAddress(link.Index, address, 8 * address.Size, Protocol)];
        // A kernel before 5.18 does not say who has added an address.
        foreach (InterfaceAddress address in _kernel.Addresses().Where(address => address.Index == link.Index))
            if (!missing.Remove(address with { Protocol = Protocol }) && address.Protocol == Protocol)
                changes.Try(default, () => _kernel.Delete(address));
        int failed = missing.Count(address => !changes.Try(new RoutingAdditions(0, 1, 0, 0), () => _kernel.Add(address)));
        return failed == 0 || failed < desired.Count;
    }

    private void ApplyRoutes(NetworkLink link, InterfaceRouting desired, IReadOnlyList<IpPrefix> prefixes, KernelChanges changes)
    {
        HashSet<Route> missing = [];
        foreach (IpPrefix prefix in prefixes)
        {
            IpAddress source = desired.Addresses.FirstOrDefault(address => address.Size == prefix.Address.Size);
            missing.Add(new Route(prefix, OverlayRules.TableOf(link.Index), Protocol, link.Index, source));
        }
        List<Route> surplus = [];
        foreach (Route route in OurRoutes(link))
            if (!missing.Remove(route))
                surplus.Add(route);
        // New ones first, so that a destination whose source changes is never without a route.
        HashSet<IpPrefix> replaced = [.. missing.Select(route => route.Destination)];
        foreach (Route route in missing)
            changes.Try(new RoutingAdditions(0, 0, 1, 0), () => _kernel.Add(route));
        foreach (Route route in surplus.Where(route => !replaced.Contains(route.Destination)))
            changes.Try(default, () => _kernel.Delete(route));
    }

    private void ApplyRules(
        NetworkLink link, InterfaceRouting desired, PrefixShare share, RoutingRule[] present, HashSet<int> live, KernelChanges changes)
    {
        HashSet<RoutingRule> missing =
        [
            .. OverlayRules.OfEndpoints(CheckedEndpoints(desired, share), desired.ListenPort, desired.Mark),
            .. OverlayRules.Of(share.Zone, OverlayRules.ZonePriority, link.Index, desired.Mark),
            .. OverlayRules.Of(share.Child, OverlayRules.ChildPriority, link.Index, desired.Mark),
        ];
        if (!Setting.Exists(_inside, IPv6Setting("all")))
            missing.RemoveWhere(rule => rule.IsIPv6);
        ILookup<IpPrefix, int> owners = OwnersOf(present, live);
        List<RoutingRule> surplus = [];
        foreach (RoutingRule rule in present)
            if (!missing.Remove(rule) && IsSurplus(rule))
                surplus.Add(rule);
        // Where a prefix is new, what refuses comes last; where one goes, it goes first: the machine's own networks are reached throughout.
        foreach (RoutingRule rule in missing.OrderBy(rule => rule.Priority))
            changes.Try(new RoutingAdditions(0, 0, 0, OverlayRules.IsOfEndpoint(rule) ? 0 : 1), () => _kernel.Add(rule));
        foreach (RoutingRule rule in surplus.OrderByDescending(rule => rule.Priority))
            changes.Try(default, () => _kernel.Delete(rule));

        // Rules of an interface that is gone go on refusing what was for it, until an interface has the prefix again.
        bool IsSurplus(RoutingRule rule) => owners[rule.Destination].Any()
            ? owners[rule.Destination].All(owner => owner == link.Index)
            : share.All.Any(prefix => ReservedPrefixes.Overlap(prefix, rule.Destination));
    }

    /// <summary>The endpoints that the kernel's check of sources would take for the overlay's.</summary>
    private IEnumerable<Endpoint> CheckedEndpoints(InterfaceRouting desired, PrefixShare share)
    {
        Endpoint[] inside =
        [
            .. from endpoint in desired.Endpoints
               where !endpoint.IsNone && endpoint.Address.IsIPv4 && share.All.Any(prefix => prefix.Contains(endpoint.Address))
               select endpoint,
        ];
        // Datagrams are outside where the interface is in a namespace of its own.
        return inside.Length == 0 || desired.ListenPort == 0 || _inside is not null || !SourceValidation.IsStrictAnywhere(_inside)
            ? []
            : inside.Distinct().Take(SourceValidation.MaximumEndpoints);
    }

    private void RemoveRules(int index)
    {
        RoutingRule[] rules = [.. OurRules()];
        ILookup<IpPrefix, int> owners = OwnersOf(rules, LiveInterfaces(rules));
        foreach (RoutingRule rule in rules.OrderByDescending(rule => rule.Priority))
            if (!IsOfAnother(rule))
                _kernel.Delete(rule);

        // The one for an endpoint is of the interface whose prefix it is in.
        bool IsOfAnother(RoutingRule rule) => OverlayRules.IsOfEndpoint(rule)
            ? owners.Any(group => group.Key.Contains(rule.Destination.Address) && group.Any(owner => owner != index))
            : owners[rule.Destination].Any(owner => owner != index);
    }

    /// <summary>
    /// Which interfaces the rules of a prefix belong to. The rule for the main table does not say; the others of its prefix do.
    /// </summary>
    private static ILookup<IpPrefix, int> OwnersOf(IEnumerable<RoutingRule> rules, HashSet<int> live) =>
        rules.Where(rule => live.Contains(OverlayRules.IndexOf(rule.Table)))
            .ToLookup(rule => rule.Destination, rule => OverlayRules.IndexOf(rule.Table));

    /// <summary>Which of the interfaces that rules are of exist. A crash may have left the rules of one that does not.</summary>
    private HashSet<int> LiveInterfaces(IEnumerable<RoutingRule> rules) =>
    [
        .. from index in rules.Select(rule => OverlayRules.IndexOf(rule.Table)).Distinct()
           where index > 0 && _kernel.FindLink(index) is { Tun: not null }
           select index,
    ];

    private IReadOnlyList<PrefixClaim> ClaimsOf(IEnumerable<RoutingRule> rules, HashSet<int> live)
    {
        IEnumerable<PrefixClaim> routed =
            from rule in rules
            let index = OverlayRules.IndexOf(rule.Table)
            where live.Contains(index) && !rule.Destination.IsNone
            select new PrefixClaim(rule.Destination, index, OverlayRules.IsZone(rule));
        IEnumerable<PrefixClaim> own =
            from address in _kernel.Addresses()
            where address.Protocol == Protocol
            select new PrefixClaim(new IpPrefix(address.Address, 8 * address.Address.Size), address.Index, IsZone: true);
        return [.. routed.Concat(own).Distinct()];
    }

    private IEnumerable<InterfaceAddress> OurAddresses(NetworkLink link) =>
        _kernel.Addresses().Where(address => address.Index == link.Index && address.Protocol == Protocol);

    private IEnumerable<Route> OurRoutes(NetworkLink link) =>
        _kernel.Routes(OverlayRules.TableOf(link.Index)).Where(route => route.Protocol == Protocol);

    private IEnumerable<RoutingRule> OurRules() => _kernel.Rules().Where(OverlayRules.IsOurs);

    private MissingIPv6 FindMissingIPv6(InterfaceRouting desired) =>
        Setting.Read(_inside, IPv6Setting(desired.Interface)) switch
        {
            0 => MissingIPv6.None,
            null when !Setting.Exists(_inside, IPv6Setting("all")) => MissingIPv6.NoKernelSupport,
            null when desired.Mtu < LeastIPv6Mtu => MissingIPv6.SmallMtu,
            _ => MissingIPv6.SwitchedOff,
        };

    private static string IPv6Setting(string name) => $"net/ipv6/conf/{name}/disable_ipv6";

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
