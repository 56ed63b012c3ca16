using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Node.Routing;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;

namespace Kedge.Node.ControlLink;

/// <summary>Addresses and routes of a joined interface.</summary>
public static class ZoneRoutes
{
    private const int ShortestIPv4Zone = 8, ShortestIPv6Zone = 32;

    /// <summary>
    /// The zone's prefixes as far as they may be routed: those that this node's own certified addresses are in, no larger than a private
    /// network is, and without what the tunnels themselves go by. The map says them, and a map is not proof enough to draw the machine's
    /// traffic
    /// into a tunnel.
    /// </summary>
    /// <param name="zone">What the map says.</param>
    /// <param name="own">This node's addresses.</param>
    /// <param name="underlay">Addresses below the overlay, such as the controller's.</param>
    public static IReadOnlyList<IpPrefix> Usable(
        IEnumerable<string> zone, IReadOnlyCollection<IpAddress> own, IReadOnlyCollection<IpAddress> underlay) =>
    [
        .. from text in zone
           let prefix = IpPrefix.TryParse(text, out IpPrefix parsed) ? parsed : default
           where ReservedPrefixes.IsUsableOverlay(prefix)
           where prefix.Length >= (prefix.Address.IsIPv4 ? ShortestIPv4Zone : ShortestIPv6Zone)
           where own.Any(prefix.Contains) && !underlay.Any(prefix.Contains)
           select prefix,
    ];

    /// <summary>Makes the kernel agree with what is desired, and tells what the machine's own networks are in the way of.</summary>
    /// <returns>Whether it agrees.</returns>
    public static bool TryApply(Membership membership, InterfaceRouting desired, Problems problems)
    {
        try
        {
            NetworkNamespace? inside = membership.Settings.NetworkNamespace is { } name ? NetworkNamespace.Open(name) : null;
            using Router router = Router.Open(inside);
            router.Apply(desired);
            problems.Set("routes", null);
            RoutingConflict? conflict = RoutingConflict.Find(desired.Prefixes, desired.Interface, inside);
            problems.Set("conflict", conflict?.ToError(membership.ZoneName).Message);
            return true;
        }
        catch (LinuxException exception)
        {
            problems.Set("routes", $"Addresses and routes of {desired.Interface} could not be set: {exception.Message}.");
            return false;
        }
    }
}
