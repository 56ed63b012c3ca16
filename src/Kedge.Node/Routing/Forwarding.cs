using Kedge.Linux;
using Kedge.Linux.Firewall;
using Kedge.Linux.Namespaces;

namespace Kedge.Node.Routing;

/// <summary>Something that keeps this machine from carrying packets between an overlay and the networks behind it.</summary>
/// <param name="Problem">What it is, as a sentence.</param>
/// <param name="Command">The command that mends it, to be run by root.</param>
public sealed record ForwardingFinding(string Problem, string Command);

/// <summary>
/// Whether a machine with a child prefix forwards its packets. This program changes neither the machine's settings nor others' firewalls: it
/// finds out, and names the command.
/// </summary>
public static class Forwarding
{
    private static readonly string[] IptablesPlaces = ["/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables"];

    /// <summary>Finds everything that is in the way; empty when packets can pass.</summary>
    /// <param name="interfaceName">The overlay's interface.</param>
    /// <param name="ipv4">Whether there is an IPv4 child prefix.</param>
    /// <param name="ipv6">Whether there is an IPv6 child prefix.</param>
    /// <param name="inside">Where the interface is; null for the calling thread's namespace.</param>
    /// <exception cref="LinuxException">There is no such namespace.</exception>
    public static IReadOnlyList<ForwardingFinding> Check(string interfaceName, bool ipv4, bool ipv6, NetworkNamespace? inside = null)
    {
        List<ForwardingFinding> findings = [];
        if (ipv4)
            CheckSetting("net/ipv4/ip_forward", "IPv4");
        if (ipv6)
            CheckSetting("net/ipv6/conf/all/forwarding", "IPv6");
        if (ipv4 || ipv6)
            findings.AddRange(CheckFirewall(interfaceName, ipv4, ipv6, inside));
        if (ipv4)
            findings.AddRange(CheckLegacyFirewall(interfaceName, isIPv6: false, inside));
        if (ipv6)
            findings.AddRange(CheckLegacyFirewall(interfaceName, isIPv6: true, inside));
        return [.. findings.Select(finding => finding with { Command = Inside(inside, finding.Command) }).Distinct()];

        void CheckSetting(string path, string family)
        {
            if (Setting.Read(inside, path) is 0 or null)
                findings.Add(new($"This machine does not forward {family} packets.", $"sysctl -w {path.Replace('/', '.')}=1"));
        }
    }

    private static IEnumerable<ForwardingFinding> CheckFirewall(string interfaceName, bool ipv4, bool ipv6, NetworkNamespace? inside)
    {
        if (Nftables.ListRuleset(inside) is not { } ruleset)
        {
            return
            [
                new(
                    "The firewall cannot be read, because libnftables is not installed; it may drop forwarded packets.",
                    "apt-get install libnftables1"),
            ];
        }
        return new ForwardFilter(ruleset).FindBlocking(interfaceName, ipv4, ipv6).Select(chain => Describe(chain, interfaceName));
    }

    // The kernel asks both: what nftables lets pass may still be dropped here.
    private static IEnumerable<ForwardingFinding> CheckLegacyFirewall(string interfaceName, bool isIPv6, NetworkNamespace? inside)
    {
        if (!LegacyIptables.HasFilter(isIPv6, inside))
            return [];
        if (LegacyIptables.FindProgram(isIPv6) is not { } program || LegacyIptables.ListFilter(program, inside) is not { } listing)
        {
            string name = isIPv6 ? "ip6tables-legacy" : "iptables-legacy";
            return
            [
                new(
                    $"The firewall has a filter table that only {name} can read, and that cannot be run; it may drop forwarded packets.",
                    $"apt-get install iptables && {name} -S FORWARD"),
            ];
        }
        return ForwardFilter.OfIptables(listing, isIPv6 ? "ip6" : "ip").FindBlocking(interfaceName, !isIPv6, isIPv6)
            .Select(chain => Describe(chain with { LegacyProgram = Path.GetFileName(program) }, interfaceName));
    }

    private static ForwardingFinding Describe(BlockingChain chain, string interfaceName) => new(
        $"The firewall's chain {chain} drops packets that are forwarded from or to {interfaceName}.",
        chain.CommandToOpen(interfaceName, Array.Exists(IptablesPlaces, File.Exists)));

    private static string Inside(NetworkNamespace? inside, string command) =>
        inside is null ? command : $"ip netns exec {inside.Name} sh -c '{command}'";
}
