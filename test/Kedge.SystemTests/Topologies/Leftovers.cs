using System.Globalization;
using Kedge.Linux.Namespaces;

namespace Kedge.SystemTests.Topologies;

/// <summary>What a topology may leave on the machine, by the names of one owner.</summary>
/// <param name="Namespaces">Its namespaces.</param>
/// <param name="Folders">Its folders below the temporary one.</param>
/// <param name="Sockets">Its UAPI sockets.</param>
/// <param name="Links">Its interfaces in this process's own namespace.</param>
internal sealed record Leftovers(string Namespaces, string Folders, string Sockets, string Links)
{
    private const string SocketFolder = "/var/run/wireguard";

    public static readonly Leftovers None = new("", "", "", "");

    /// <summary>All that a process owns now.</summary>
    public static Leftovers Of(int processId) => new(
        Text(NetworkNamespace.List($"kedge-{processId}-").Select(one => one.Name)),
        Text(Names(Directory.GetDirectories(Path.GetTempPath(), $"kedge-{processId}-*"))),
        Text(Directory.Exists(SocketFolder) ? Names(Directory.GetFiles(SocketFolder, InterfacePrefix(processId) + "*")) : []),
        Text(Names(Directory.GetDirectories("/sys/class/net", InterfacePrefix(processId) + "*"))));

    /// <summary>Whether a process still runs. One that has ended may be listed until init has asked how.</summary>
    public static bool Runs(int processId)
    {
        try
        {
            return !File.ReadAllText($"/proc/{processId}/status").Contains("State:\tZ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static IEnumerable<string> Names(string[] paths) => paths.Select(path => Path.GetFileName(path));

    private static string Text(IEnumerable<string> names) => string.Join(' ', names.Order(StringComparer.Ordinal));

    // Written anew, not taken from the code under test: base 36 of the process id.
    private static string InterfacePrefix(int processId)
    {
        string digits = "";
        for (int rest = processId; rest > 0; rest /= 36)
            digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest % 36] + digits;
        return string.Create(CultureInfo.InvariantCulture, $"kt{digits}x");
    }
}
