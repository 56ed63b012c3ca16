using System.Globalization;

namespace Kedge.Linux.Udp;

/// <summary>
/// Whether a UDP port can be had in the network namespace of the calling thread, and who has it, which takes milliseconds to find out. Any
/// thread.
/// </summary>
public static class PortAvailability
{
    private const string Processes = "/proc";

    /// <summary>Whether a port can be had now. Cheap.</summary>
    /// <param name="number">The port, 1 to 65,535.</param>
    public static bool IsAvailable(ushort number) => TryProbe(number) is null;

    /// <summary>Why a port cannot be had now, as a sentence without a full stop; null where it can.</summary>
    /// <param name="number">The port, 1 to 65,535.</param>
    public static string? Error(ushort number) => TryProbe(number) is { } failure ? Describe(number, failure) : null;

    /// <summary>Why a port could not be had, as a sentence without a full stop.</summary>
    /// <param name="number">The port; 0 for a random one.</param>
    /// <param name="failure">What <see cref="UdpPort.Open"/> or <see cref="UdpPort.Probe"/> has thrown.</param>
    public static string Describe(ushort number, LinuxException failure)
    {
        ArgumentNullException.ThrowIfNull(failure);
        if (failure.Errno != Errno.EADDRINUSE || number == 0)
            return $"UDP port {(number == 0 ? "of the kernel's choice" : number)} cannot be had: {failure.Message}";
        return $"UDP port {number} is in use by {FindHolder(number) ?? "another program"}";
    }

    private static LinuxException? TryProbe(ushort number)
    {
        try
        {
            using var port = new UdpPort();
            port.Probe(number);
            return null;
        }
        catch (LinuxException e)
        {
            return e;
        }
    }

    /// <summary>The name and number of a process that has a port; null where none can be seen.</summary>
    private static string? FindHolder(ushort number)
    {
        HashSet<string> sockets = [.. InodesOf(number, "udp"), .. InodesOf(number, "udp6")];
        if (sockets.Contains("0"))
            return "the kernel, as by another WireGuard interface";
        return sockets.Count == 0 ? null : FindProcess([.. sockets.Select(inode => $"socket:[{inode}]")]);
    }

    // The second field of a line is the local address and, behind a colon, the port; the tenth is the socket's inode, 0 for the kernel's.
    private static IEnumerable<string> InodesOf(ushort number, string table)
    {
        string end = string.Create(CultureInfo.InvariantCulture, $":{number:X4}");
        return from line in ReadLines($"{Processes}/thread-self/net/{table}")
               let fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
               where fields.Length > 9 && fields[1].EndsWith(end, StringComparison.Ordinal)
               select fields[9];
    }

    private static string? FindProcess(HashSet<string> sockets)
    {
        foreach (string folder in Directory.EnumerateDirectories(Processes))
        {
            string id = Path.GetFileName(folder);
            if (char.IsAsciiDigit(id[0]) && HasAny(folder, sockets))
                return $"{NameOf(folder)} (process {id})";
        }
        return null;
    }

    private static bool HasAny(string process, HashSet<string> sockets)
    {
        try
        {
            return Directory.EnumerateFiles($"{process}/fd")
                .Any(file => new FileInfo(file).LinkTarget is { } target && sockets.Contains(target));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // It has ended, or is another user's.
        }
    }

    private static string NameOf(string process)
    {
        string name = string.Concat(ReadLines($"{process}/comm").Take(1));
        return name.Length == 0 ? "a program" : string.Concat(name.Select(c => char.IsControl(c) ? '?' : c));
    }

    private static string[] ReadLines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
