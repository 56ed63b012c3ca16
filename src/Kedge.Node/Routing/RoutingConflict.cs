using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Netlink;
using Kedge.Protocol;
using Kedge.Protocol.Ip;

namespace Kedge.Node.Routing;

/// <summary>
/// A prefix of an overlay that this machine already has another network for. The machine's own network would win (<see cref="Router"/>), so
/// some of the overlay's nodes could not be reached from here, and nobody would see why.
/// </summary>
/// <param name="Prefix">What the overlay wants.</param>
/// <param name="Existing">What is there and overlaps with it.</param>
/// <param name="Interface">Whose it is: the interface's name; empty for a route that leads nowhere.</param>
/// <param name="IsOverlay">Whether it is another overlay's of this program.</param>
public sealed record RoutingConflict(IpPrefix Prefix, IpPrefix Existing, string Interface, bool IsOverlay)
{
    /// <summary>Finds the first conflict of an overlay's prefixes with a namespace's networks; null where there is none.</summary>
    /// <param name="prefixes">The zone's prefixes and child prefixes.</param>
    /// <param name="interfaceName">The overlay's own interface, which need not exist and is left out.</param>
    /// <param name="inside">The namespace; null for the calling thread's.</param>
    /// <exception cref="LinuxException">There is no such namespace.</exception>
    public static RoutingConflict? Find(IEnumerable<IpPrefix> prefixes, string interfaceName, NetworkNamespace? inside = null)
    {
        using RouteSocket kernel = RouteSocket.Open(inside);
        using Router router = Router.Open(inside);
        Dictionary<int, string> names = kernel.Links().ToDictionary(link => link.Index, link => link.Name);
        // A default route is no network of its own; what IPv6 has on every link is no network either.
        var routes =
            from route in kernel.Routes(Route.MainTable)
            where route.Destination.Length > 0
            select (Prefix: route.Destination, route.Index, IsOverlay: false);
        var addresses =
            from address in kernel.Addresses()
            where address.Protocol != Router.Protocol
            select (Prefix: new IpPrefix(address.Address, 8 * address.Address.Size), address.Index, IsOverlay: false);
        // A network behind a peer of another overlay gives way to a zone.
        var overlays =
            from claim in router.Claims()
            where claim.IsZone
            select (claim.Prefix, claim.Index, IsOverlay: true);
        var networks =
            from network in routes.Concat(addresses).Concat(overlays)
            let name = names.GetValueOrDefault(network.Index, "")
            where name != interfaceName && !network.Prefix.Address.IsIPv6LinkLocal && !IsMulticast(network.Prefix)
            select (network.Prefix, Name: name, network.IsOverlay);
        var conflicts =
            from network in networks.ToArray()
            from prefix in prefixes
            where ReservedPrefixes.Overlap(prefix, network.Prefix)
            select new RoutingConflict(prefix, network.Prefix, network.Name, network.IsOverlay);
        return conflicts.FirstOrDefault();
    }

    /// <summary>Says what is in the way of what, and what to do about it.</summary>
    /// <param name="zone">The overlay's name, as its user knows it.</param>
    public UserError ToError(string zone)
    {
        string owner = (IsOverlay, Interface) switch
        {
            (true, _) => $"{Existing}, a prefix of the overlay on {Interface}",
            (_, "") => $"{Existing}, which this machine has a route for",
            _ => $"{Existing}, a network of {Interface} on this machine",
        };
        return new UserError(
            $"Zone {zone} has the prefix {Prefix}, which overlaps with {owner}: one of the two could not be reached. "
            + "Join another zone, or add --netns NAME to keep the zone in a network namespace of its own.");
    }

    private static bool IsMulticast(IpPrefix prefix) => AllMulticast.Any(all => all.Contains(prefix.Address));

    private static readonly IpPrefix[] AllMulticast = [IpPrefix.Parse("224.0.0.0/4"), IpPrefix.Parse("ff00::/8")];
}
