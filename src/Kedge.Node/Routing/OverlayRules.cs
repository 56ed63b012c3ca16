using Kedge.Linux.Netlink;
using Kedge.Protocol.Ip;

namespace Kedge.Node.Routing;

/// <summary>
/// The routing policy of an overlay interface. Each prefix has three rules, so that no lookup for any other destination meets one:
/// <list type="number">
/// <item>the main table without its default route, so that the machine's own networks win;</item>
/// <item>the interface's own table;</item>
/// <item>unreachable, so that nothing for the overlay leaves in the clear while the table, the interface or the second rule is
/// missing.</item>
/// </list>
/// None of them is about the overlay's own datagrams, which have the mark. The kernel's strict check of a datagram's source (rp_filter)
/// looks the way back up without the mark; where it is on, the flow of each peer whose endpoint is in one of the prefixes has a rule before
/// them.
/// </summary>
internal static class OverlayRules
{
    /// <summary>The priority of the rules for the way back to endpoints.</summary>
    public const int EndpointPriority = ZonePriority - 1;

    /// <summary>The priorities of a zone's own prefixes are this one and the two after it.</summary>
    public const int ZonePriority = 19300;

    /// <summary>The priorities of networks behind peers: asked after those of every zone.</summary>
    public const int ChildPriority = ZonePriority + 3;

    /// <summary>An interface's table is this number and its index: a namespace gives each interface another one.</summary>
    private const int FirstTable = 19_300_000;

    /// <summary>The number of an interface's table.</summary>
    public static int TableOf(int index) => FirstTable + index;

    /// <summary>The index of the interface whose table it is; 0 for a table that is none of ours.</summary>
    public static int IndexOf(int table) => Math.Max(0, table - FirstTable);

    /// <summary>Whether a rule is of this program.</summary>
    public static bool IsOurs(RoutingRule rule) =>
        rule.Protocol == Router.Protocol && rule.Priority is >= EndpointPriority and < ChildPriority + 3;

    /// <summary>Whether a rule is for the way back to an endpoint.</summary>
    public static bool IsOfEndpoint(RoutingRule rule) => rule.Priority == EndpointPriority;

    /// <summary>Whether a rule is about a zone's own prefix.</summary>
    public static bool IsZone(RoutingRule rule) => rule.Priority < ChildPriority;

    /// <summary>The rules for the way back to endpoints: as if there were no overlay.</summary>
    /// <param name="endpoints">The endpoints.</param>
    /// <param name="port">The UDP port of the overlay's own datagrams.</param>
    /// <param name="mark">Their mark.</param>
    public static IEnumerable<RoutingRule> OfEndpoints(IEnumerable<Endpoint> endpoints, ushort port, FirewallMark mark) =>
        from endpoint in endpoints.Distinct()
        select new RoutingRule(endpoint.Address.IsIPv6, EndpointPriority, Route.MainTable, Router.Protocol)
        {
            Destination = new IpPrefix(endpoint.Address, 8 * endpoint.Address.Size),
            Flow = new UdpFlow(port, endpoint.Port),
            MarkMask = mark.Bit,
        };

    /// <summary>The rules of some prefixes.</summary>
    /// <param name="prefixes">The prefixes, none of which overlap.</param>
    /// <param name="priority"><see cref="ZonePriority"/> or <see cref="ChildPriority"/>.</param>
    /// <param name="index">The interface's index.</param>
    /// <param name="mark">The mark of its datagrams.</param>
    public static IEnumerable<RoutingRule> Of(IEnumerable<IpPrefix> prefixes, int priority, int index, FirewallMark mark) =>
        from prefix in prefixes
        let rule = new RoutingRule(prefix.Address.IsIPv6, priority, TableOf(index), Router.Protocol)
        {
            Destination = prefix,
            MarkMask = mark.Bit, // and a mark of 0: those without the bit
        }
        from one in (RoutingRule[])
        [
            rule with { Table = Route.MainTable, SuppressedPrefixLength = 0 },
            rule with { Priority = priority + 1 },
            rule with { Priority = priority + 2, IsUnreachable = true },
        ]
        select one;
}
