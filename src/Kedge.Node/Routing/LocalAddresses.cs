using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Netlink;
using Kedge.Protocol.Ip;

namespace Kedge.Node.Routing;

/// <summary>An address of this machine.</summary>
/// <param name="Address">The address.</param>
/// <param name="Network">The network on the link that it is in.</param>
public readonly record struct LocalAddress(IpAddress Address, IpPrefix Network);

/// <summary>Addresses by which other machines of the same site may reach this one.</summary>
public static class LocalAddresses
{
    private static readonly IpPrefix LinkLocal = IpPrefix.Parse("169.254.0.0/16");

    /// <summary>
    /// Finds the addresses of a namespace that are worth telling others, those of interfaces with a default route first. Left out: loopback
    /// and link-local ones, what IPv6 makes up for privacy or is about to drop, tunnels (ours and others'), and bridges that lead to no
    /// other machine, as those of containers do.
    /// </summary>
    /// <param name="inside">The namespace; null for the calling thread's.</param>
    /// <exception cref="LinuxException">There is no such namespace.</exception>
    public static IReadOnlyList<IpAddress> Find(NetworkNamespace? inside = null) => [.. FindWithNetworks(inside).Select(one => one.Address)];

    /// <inheritdoc cref="Find"/>
    public static IReadOnlyList<LocalAddress> FindWithNetworks(NetworkNamespace? inside = null)
    {
        using RouteSocket kernel = RouteSocket.Open(inside);
        IReadOnlyList<Route> routes = kernel.Routes(Route.MainTable);
        HashSet<int> gateways = [.. routes.Where(route => route.HasGateway).Select(route => route.Index)];
        HashSet<int> defaults = [.. routes.Where(route => route.Destination.Length == 0 && route.IsUnicast).Select(route => route.Index)];
        HashSet<int> usable =
        [
            .. from link in kernel.Links()
               where link.IsUp && !link.IsLoopback && link.Kind is not ("tun" or "wireguard")
               where link.Kind != "bridge" || gateways.Contains(link.Index)
               select link.Index,
        ];
        return
        [
            .. from address in kernel.Addresses()
               where usable.Contains(address.Index) && !address.IsUnfitForOthers
               where !address.Address.IsIPv6LinkLocal && !LinkLocal.Contains(address.Address)
               orderby defaults.Contains(address.Index) descending
               select new LocalAddress(address.Address, new IpPrefix(address.Address, address.PrefixLength)),
        ];
    }
}
