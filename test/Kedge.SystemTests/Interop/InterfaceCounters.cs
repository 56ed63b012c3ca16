using System.Globalization;
using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>What the kernel has counted on an interface, where a packet that stands for several is one packet.</summary>
internal readonly record struct InterfaceCounters(long ReceivedBytes, long ReceivedPackets, long SentBytes, long SentPackets)
{
    /// <summary>Bytes of a received packet on average; above the MTU there must have been some that stood for several.</summary>
    public double MeanReceived => (double)ReceivedBytes / Math.Max(1, ReceivedPackets);

    /// <inheritdoc cref="MeanReceived"/>
    public double MeanSent => (double)SentBytes / Math.Max(1, SentPackets);

    public static InterfaceCounters operator -(InterfaceCounters later, InterfaceCounters earlier) => new(
        later.ReceivedBytes - earlier.ReceivedBytes,
        later.ReceivedPackets - earlier.ReceivedPackets,
        later.SentBytes - earlier.SentBytes,
        later.SentPackets - earlier.SentPackets);

    /// <summary>Reads <c>/proc/net/dev</c> (proc(5)), whose columns are eight of what was received and then eight of what was sent.</summary>
    public static InterfaceCounters Read(Host host, string name)
    {
        string start = $"{name}:";
        string line = host.Namespace.Run(() => File.ReadAllLines("/proc/thread-self/net/dev"))
            .Select(line => line.Trim())
            .Single(line => line.StartsWith(start, StringComparison.Ordinal));
        long[] columns = [.. line[start.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(text => long.Parse(text, CultureInfo.InvariantCulture))];
        return new(columns[0], columns[1], columns[8], columns[9]);
    }
}
