using System.Globalization;
using Kedge.Demo;

namespace Kedge.Bench.Dataplane;

/// <summary>How much gets through, by iperf3, and what it costs.</summary>
internal static class Throughput
{
    private static readonly TimeSpan RunTime = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan RoundTrip = TimeSpan.FromMilliseconds(20);

    public static IReadOnlyList<Measurement> Measurements { get; } =
    [
        new(TcpAndProcessorTime, new Figure("TCP, 1 stream, MTU 1420, Mbit/s"), Figure.Cost("CPU of the whole machine, MTU 1420, s/GiB")),
        new(path => [Tcp(path, streams: 4)], new Figure("TCP, 4 streams, MTU 1420, Mbit/s")),
        new(BothDirections, new Figure("TCP, both directions at once, MTU 1420, Mbit/s")),
        new(path => [Tcp(path)], new Figure("TCP, 1 stream, MTU 9000, Mbit/s")) { Conditions = new(Mtu: 9000) },
        new(path => [Tcp(path)], new Figure("TCP, 1 stream, MTU 65000, Mbit/s")) { Conditions = new(Mtu: 65000) },
        new(path => [Datagrams(path, payloadBytes: 64)], new Figure("UDP, 64 bytes, packets/s that came out")),
        // 1,400 bytes with the header of UDP, 1,420 with that of IP: the longest that is not cut.
        new(path => [Datagrams(path, payloadBytes: 1392)], new Figure("UDP, 1,400 bytes, packets/s that came out")),
        new(path => [Tcp(path)], new Figure($"TCP, 1 stream, MTU 1420, {RoundTrip.TotalMilliseconds:F0} ms of round trip, Mbit/s"))
        {
            Conditions = new(Wire: new WireQuality { Delay = RoundTrip / 2 }),
        },
    ];

    private static double Tcp(BenchPath path, int streams = 1) =>
        Iperf.Tcp(path.A, path.B, path.Ends.AddressOfB, RunTime, streams).BitsPerSecond / 1e6;

    private static double[] TcpAndProcessorTime(BenchPath path)
    {
        double before = BusySeconds();
        double megabits = Tcp(path);
        double gibibytes = megabits * 1e6 / 8 * RunTime.TotalSeconds / (1L << 30);
        return [megabits, (BusySeconds() - before) / gibibytes];
    }

    private static double[] BothDirections(BenchPath path)
    {
        Task<Iperf> there = Task.Run(() => Iperf.Tcp(path.A, path.B, path.Ends.AddressOfB, RunTime));
        Iperf back = Iperf.Tcp(path.B, path.A, path.Ends.AddressOfA, RunTime);
        return [(there.GetAwaiter().GetResult().BitsPerSecond + back.BitsPerSecond) / 1e6];
    }

    /// <summary>
    /// Packets a second that come out at the second host; iperf3's own receiver would lose some first. What a device writes at once for
    /// several counts as one packet with one header there, so they are told by their payload.
    /// </summary>
    private static double Datagrams(BenchPath path, int payloadBytes)
    {
        int headers = path.Ends.LinkHeader + 28; // IPv4 and UDP
        (long packets, long bytes) = (Received(path, "packets"), Received(path, "bytes"));
        Iperf.Udp(path.A, path.B, path.Ends.AddressOfB, RunTime, bitsPerSecond: 0, payloadBytes);
        (packets, bytes) = (Received(path, "packets") - packets, Received(path, "bytes") - bytes);
        return (bytes - headers * packets) / (double)payloadBytes / RunTime.TotalSeconds;
    }

    private static long Received(BenchPath path, string what) => long.Parse(
        path.B.Run("cat", $"/sys/class/net/{path.Ends.InterfaceOfB}/statistics/rx_{what}").Output, CultureInfo.InvariantCulture);

    private static double BusySeconds()
    {
        // proc(5): user, nice, system, idle, iowait, irq, softirq of all processors together, in hundredths of a second.
        double[] ticks = [.. File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(7)
            .Select(text => double.Parse(text, CultureInfo.InvariantCulture))];
        return (ticks.Sum() - ticks[3] - ticks[4]) / 100;
    }
}
