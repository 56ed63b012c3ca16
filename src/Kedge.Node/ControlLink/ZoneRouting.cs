using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Node.Routing;
using Kedge.Protocol;
using Kedge.Protocol.Mesh;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Keeps the addresses, routes and rules of a joined interface as they should be, and tells what cannot be had. What another program has
/// taken away is put back, which is logged. One thread at a time.
/// </summary>
/// <param name="problems">Receives what cannot be had.</param>
/// <param name="log">Receives what was put back.</param>
internal sealed class ZoneRouting(Problems problems, ILogger log)
{
    private const int LongestList = 3;

    private readonly RepairLog _repairs = new(log);
    private InterfaceRouting? _applied; // the last time, as far as the kernel took it
    private int _index;

    /// <summary>What other overlays of this machine have: no peer may have it.</summary>
    public IReadOnlyCollection<ForeignPrefix> Foreign { get; private set; } = [];

    /// <summary>Whether the interface has been up with an address.</summary>
    public bool IsUp { get; private set; }

    /// <summary>Makes the kernel agree with what is desired, and tells which of the machine's own networks are in the way of it.</summary>
    /// <returns>Whether it agrees.</returns>
    public bool TryApply(Membership membership, InterfaceRouting desired, Instant now)
    {
        if (!TryApply(membership.Settings, desired, now, out NetworkNamespace? inside))
            return false;
        RoutingConflict? conflict = RoutingConflict.Find([.. desired.ZonePrefixes, .. desired.ChildPrefixes], desired.Interface, inside);
        problems.Set("conflict", conflict is { IsOverlay: false } ? conflict.ToError(membership.ZoneName).Message : null);
        return true;
    }

    /// <summary>Puts back what is missing of what was applied last; nothing before the first time.</summary>
    public void PutBack(NodeSettings settings, Instant now)
    {
        if (_applied is { } applied)
            TryApply(settings, applied, now, out _);
    }

    private bool TryApply(NodeSettings settings, InterfaceRouting desired, Instant now, out NetworkNamespace? inside)
    {
        inside = null;
        try
        {
            inside = settings.OpenNamespace();
            using Router router = Router.Open(inside);
            if (_applied is null)
                router.RemoveLeftovers();
            RoutingResult result = router.Apply(desired);
            if (_index == result.Index && _applied is { } before && before.IsSameAs(desired))
                _repairs.Add(desired.Interface, result.Added, now);
            (_applied, _index) = (desired, result.Index);
            IsUp |= result.IsUp;
            Foreign = [.. result.Foreign.Select(claim => new ForeignPrefix(claim.Prefix, router.NameOf(claim.Index))).Distinct()];
            Tell(desired, result, router);
            return result.Failures.Count == 0;
        }
        catch (LinuxException exception)
        {
            problems.Set("routes", $"Addresses and routes of {desired.Interface} could not be set: {exception.Message}.");
            return false;
        }
    }

    private void Tell(InterfaceRouting desired, RoutingResult result, Router router)
    {
        problems.Set("routes", result.Failures.Count == 0 ? null
            : $"Some addresses, routes or rules of {desired.Interface} could not be set: {Shorten(result.Failures)}.");
        problems.SetLimit("IPv6", DescribeMissingIPv6(desired.Interface, result.MissingIPv6));
        problems.Set("overlays", result.Conflicts.Count == 0 ? null
            : $"{desired.Interface} does not route {Shorten(result.Conflicts.Select(conflict => Describe(conflict, router)))}.");
    }

    private static string Describe(PrefixConflict conflict, Router router) =>
        $"{conflict.Prefix}, because it overlaps with {conflict.Claim.Prefix}, a prefix of the overlay on "
        + router.NameOf(conflict.Claim.Index);

    private static string? DescribeMissingIPv6(string interfaceName, MissingIPv6 reason)
    {
        string? why = reason switch
        {
            MissingIPv6.None => null,
            MissingIPv6.NoKernelSupport => "this machine's kernel has none",
            MissingIPv6.SmallMtu => "it needs an MTU of at least 1280: 'kedge up --mtu 1280' sets it",
            _ => $"it is switched off there: 'sysctl -w net.ipv6.conf.{interfaceName}.disable_ipv6=0' switches it on",
        };
        return why is null ? null
            : $"{interfaceName} has no IPv6, because {why}. The zone's IPv6 addresses are not reached from here; IPv4 is not affected.";
    }

    private static string Shorten(IEnumerable<string> items)
    {
        string[] all = [.. items];
        string list = string.Join("; ", all.Take(LongestList));
        return all.Length <= LongestList ? list : $"{list}; and {all.Length - LongestList} more";
    }
}
