using Kedge.Linux.Namespaces;
using Kedge.Linux.Processes;

namespace Kedge.Linux.Firewall;

/// <summary>
/// The filter table of the kernel's former firewall, of which nftables knows nothing: what iptables of old, or iptables-legacy, sets up.
/// </summary>
public static class LegacyIptables
{
    /// <summary>Whether a namespace has such a table. Looking makes none, and loads no module.</summary>
    /// <param name="isIPv6">Whether it is about IPv6.</param>
    /// <param name="inside">The namespace; null for the calling thread's.</param>
    public static bool HasFilter(bool isIPv6, NetworkNamespace? inside = null)
    {
        string tables = $"/proc/thread-self/net/{(isIPv6 ? "ip6" : "ip")}_tables_names";
        return inside is null ? Read() : inside.Run(Read);

        bool Read()
        {
            try
            {
                return File.ReadLines(tables).Contains("filter");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return false; // a kernel without it
            }
        }
    }

    /// <summary>The path of the program that reads and changes these tables; null where none is installed.</summary>
    /// <param name="isIPv6">Whether it is about IPv6.</param>
    public static string? FindProgram(bool isIPv6)
    {
        string name = isIPv6 ? "ip6tables" : "iptables";
        string[] folders = ["/usr/sbin", "/sbin", "/usr/bin"];
        return folders.Select(folder => $"{folder}/{name}-legacy").FirstOrDefault(File.Exists)
            ?? folders.Select(folder => $"{folder}/{name}").FirstOrDefault(path => File.Exists(path) && !IsForNftables(path));
    }

    /// <summary>All chains and rules of a filter table that is there. Needs CAP_NET_ADMIN.</summary>
    /// <param name="program">What <see cref="FindProgram"/> found.</param>
    /// <param name="inside">The namespace; null for the calling thread's.</param>
    /// <returns>What <c>iptables -S</c> prints; null where it cannot read them.</returns>
    public static string? ListFilter(string program, NetworkNamespace? inside = null)
    {
        return inside is null ? Run() : inside.Run(Run);

        string? Run()
        {
            try
            {
                ProgramResult result = ExternalProgram.Run([program, "-S"]);
                return result.Succeeded ? result.Output : null;
            }
            catch (LinuxException)
            {
                return null;
            }
        }
    }

    // Since iptables 1.8 a link says which of the two it is; before that there was only one.
    private static bool IsForNftables(string path) =>
        new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.Name.Contains("nft", StringComparison.Ordinal) == true;
}
