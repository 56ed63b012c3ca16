using System.Globalization;
using Kedge.Demo;

namespace Kedge.Bench.Dataplane;

/// <summary>
/// A tunnel between two namespaces: Kedge on both ends against wireguard-go on both ends, in alternation, so that what else the machine does
/// meets both. KEDGE_BENCH_WIREGUARD_GO names another wireguard-go than the installed one; KEDGE_BENCH_PAIRS another number of pairs,
/// and KEDGE_BENCH_ROWS rows alone whose names contain one of these words, separated by semicolons.
/// </summary>
internal static class DataplaneBench
{
    private static readonly TimeSpan RunTime = TimeSpan.FromSeconds(4);

    private static readonly Row[] Rows =
    [
        new("TCP, 1 stream, MTU 1420, Mbit/s", 1420, tunnel => tunnel.Tcp(RunTime)),
        new("TCP, 4 streams, MTU 1420, Mbit/s", 1420, tunnel => tunnel.Tcp(RunTime, streams: 4)),
        new("TCP, both directions at once, MTU 1420, Mbit/s", 1420, tunnel => tunnel.BothDirections(RunTime)),
        new("TCP, 1 stream, MTU 9000, Mbit/s", 9000, tunnel => tunnel.Tcp(RunTime)),
        new("TCP, 1 stream, MTU 65000, Mbit/s", 65000, tunnel => tunnel.Tcp(RunTime)),
        new("UDP, 64 bytes, packets/s out of the tunnel", 1420, tunnel => tunnel.UdpPackets(RunTime, payloadBytes: 64)),
        new("UDP, 1,392 bytes, packets/s out of the tunnel", 1420, tunnel => tunnel.UdpPackets(RunTime, payloadBytes: 1392)),
        new("CPU of the whole machine, s/GiB, MTU 1420", 1420, tunnel => tunnel.ProcessorTimePerGibibyte(RunTime)) { LessIsBetter = true },
        new("ping idle, mean, ms", 1420, tunnel => tunnel.PingIdle().Mean) { LessIsBetter = true },
        new("ping under load, mean, ms", 1420, tunnel => tunnel.PingUnderLoad(RunTime).Mean) { LessIsBetter = true },
        new("ping under load, p99, ms", 1420, tunnel => tunnel.PingUnderLoad(RunTime).Percentile99) { LessIsBetter = true },
        new("resident memory after a run, MB", 1420, tunnel => tunnel.MemoryAfter(RunTime, peers: 1)) { LessIsBetter = true },
        new("resident memory with 1,000 peers, MB", 1420, tunnel => tunnel.MemoryAfter(RunTime, peers: 1000)) { LessIsBetter = true },
    ];

    public static void Run()
    {
        string program = Environment.GetEnvironmentVariable("KEDGE_PROGRAM") ?? Path.Combine(Repository.Root(), "out", "kedge");
        string opponent = Environment.GetEnvironmentVariable("KEDGE_BENCH_WIREGUARD_GO") ?? "wireguard-go";
        int pairs = int.Parse(Environment.GetEnvironmentVariable("KEDGE_BENCH_PAIRS") ?? "5", CultureInfo.InvariantCulture);
        if (WhyNoOpponent(opponent) is { } reason)
            throw new InvalidOperationException(reason);
        Console.WriteLine($"Median of {pairs} pairs [min..max]; both ends and iperf3 on this machine's {Environment.ProcessorCount} cores");
        Console.WriteLine($"{"",-48}{"Kedge",-28}{"wireguard-go",-28}ratio");
        string[] words = (Environment.GetEnvironmentVariable("KEDGE_BENCH_ROWS") ?? "").Split(';');
        foreach (Row row in Rows.Where(row => words.Any(word => row.Name.Contains(word, StringComparison.OrdinalIgnoreCase))))
        {
            var ours = new List<double>();
            var theirs = new List<double>();
            for (int pair = 0; pair < pairs; pair++)
            {
                ours.Add(row.Measure(host => DeviceProcess.StartKedge(host, program)));
                theirs.Add(row.Measure(host => DeviceProcess.StartWireGuardGo(host, program: opponent)));
            }
            var (kedge, go) = (new Sample(ours), new Sample(theirs));
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{row.Name,-48}{kedge.ToString(row.Format),-28}{go.ToString(row.Format),-28}{kedge.Median / go.Median:F2}{row.Remark}"));
        }
    }

    /// <summary>Why a wireguard-go is no opponent: releases before December 2023 have no offloads.</summary>
    private static string? WhyNoOpponent(string program)
    {
        const string WithOffloads = "20231200", Prefix = "wireguard-go v0.0.";
        string version = RunningProcess.Start(new Command(program, "--version")).WaitForExit(TimeSpan.FromSeconds(10)).Output;
        int start = version.IndexOf(Prefix, StringComparison.Ordinal) + Prefix.Length;
        string date = start >= Prefix.Length && version.Length >= start + 8 ? version.Substring(start, 8) : "an unknown date";
        return string.CompareOrdinal(date, WithOffloads) > 0 && char.IsAsciiDigit(date[0])
            ? null
            : $"{program} is of {date}: name one since December 2023, which has offloads, by KEDGE_BENCH_WIREGUARD_GO.";
    }

    /// <summary>Something that is measured.</summary>
    private sealed record Row(string Name, int Mtu, Func<BenchTunnel, double> OfTunnel)
    {
        public bool LessIsBetter { get; init; }

        public string Format => LessIsBetter ? "F2" : "F0";

        public string Remark => LessIsBetter ? " (less is better)" : "";

        public double Measure(Func<Host, DeviceProcess> start)
        {
            using var tunnel = new BenchTunnel(start, Mtu);
            return OfTunnel(tunnel);
        }
    }
}
