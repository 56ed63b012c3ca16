using Kedge.Protocol.Ip;

namespace Kedge.Node.ControlLink;

/// <summary>Which of a zone's prefixes may be routed.</summary>
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
}
