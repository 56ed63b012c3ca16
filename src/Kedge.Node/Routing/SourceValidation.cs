using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Netlink;
using Kedge.Protocol.Ip;

namespace Kedge.Node.Routing;

/// <summary>
/// The kernel's strict check of IPv4 sources (rp_filter, RFC 3704 section 2.2): it drops what comes in by another interface than the one
/// that leads back. It looks that up without the mark, so the datagrams of a peer whose endpoint is inside a routed prefix, as that of a
/// gateway in the network that it announces, seem to belong into the tunnel.
/// </summary>
public static class SourceValidation
{
    private const int Strict = 1;
    private const string Settings = "/proc/sys/net/ipv4/conf";

    /// <summary>The most endpoints that are looked after: each may cost a rule.</summary>
    public const int MaximumEndpoints = 256;

    /// <summary>Whether any interface of a namespace checks strictly.</summary>
    /// <param name="inside">The namespace; null for the calling thread's.</param>
    public static bool IsStrictAnywhere(NetworkNamespace? inside) =>
        Names(inside).Any(name => Setting.Read(inside, $"net/ipv4/conf/{name}/rp_filter") == Strict);

    /// <summary>Finds the interfaces whose check drops the datagrams of peers, and the command that loosens it.</summary>
    /// <param name="interfaceName">The overlay's interface, in the calling thread's namespace, as its datagrams are.</param>
    /// <param name="listenPort">The UDP port of its datagrams.</param>
    /// <param name="mark">Their mark.</param>
    /// <param name="endpoints">Where peers are reached.</param>
    public static IReadOnlyList<SourceValidationFinding> Check(
        string interfaceName, ushort listenPort, FirewallMark mark, IEnumerable<Endpoint> endpoints)
    {
        if (!IsStrictAnywhere(null))
            return [];
        using RouteSocket kernel = RouteSocket.Open();
        if (kernel.FindLink(interfaceName) is not { } overlay)
            return [];
        var dropped =
            from endpoint in endpoints.Distinct().Where(endpoint => !endpoint.IsNone && endpoint.Address.IsIPv4).Take(MaximumEndpoints)
            where FindWay(endpoint, 0) == overlay.Index
            let way = FindWay(endpoint, mark.Bit)
            where way != 0 && way != overlay.Index
            group endpoint by way;
        return
        [
            .. from byWay in dropped
               let name = kernel.FindLink(byWay.Key)?.Name
               where name is not null && IsStrict(name)
               select new SourceValidationFinding(name, byWay.First()),
        ];

        int FindWay(Endpoint endpoint, uint bits)
        {
            try
            {
                return kernel.FindRoute(endpoint, default, bits, listenPort)?.Index ?? 0;
            }
            catch (LinuxException)
            {
                return 0; // there is none
            }
        }
    }

    // The larger number of the two counts (ip-sysctl of the kernel's documentation).
    private static bool IsStrict(string name) =>
        Math.Max(Read("all"), Read(name)) == Strict;

    private static int Read(string name) => Setting.Read(null, $"net/ipv4/conf/{name}/rp_filter") ?? 0;

    private static string[] Names(NetworkNamespace? inside)
    {
        return inside is null ? List() : inside.Run(List);

        static string[] List() =>
            Directory.Exists(Settings) ? [.. Directory.GetDirectories(Settings).Select(path => Path.GetFileName(path))] : [];
    }
}

/// <summary>An interface that drops the datagrams of peers.</summary>
/// <param name="Interface">The interface that they come in by.</param>
/// <param name="Endpoint">One of the peers' endpoints.</param>
public sealed record SourceValidationFinding(string Interface, Endpoint Endpoint)
{
    /// <summary>What it is and what to do about it, as sentences.</summary>
    public override string ToString() =>
        $"{Interface} drops the datagrams of {Endpoint}, because the way back there leads into the overlay and "
        + $"net.ipv4.conf.{Interface}.rp_filter, or that of all, is strict. Loosen it with: sysctl -w net.ipv4.conf.{Interface}.rp_filter=2";
}
