using System.Globalization;
using Kedge.Demo;

namespace Kedge.Bench.Warp;

/// <summary>
/// TCP through a warp against what else publishes a port over an encrypted connection, <c>ssh -R</c> and stunnel, in alternation, on loopback of a
/// namespace. A table in the notation of the documents. KEDGE_BENCH_PAIRS says how often each is measured.
/// </summary>
internal static class WarpBench
{
    private static readonly string[] Figures =
    [
        "one stream, MB/s", "processor seconds a GB, one stream (less is better)", "16 streams, MB/s", "new connections/s",
        "processor microseconds a connection (less is better)",
    ];

    public static void Run()
    {
        string program = Environment.GetEnvironmentVariable("KEDGE_PROGRAM") ?? Path.Combine(Repository.Root(), "out", "kedge");
        int rounds = int.Parse(Environment.GetEnvironmentVariable("KEDGE_BENCH_PAIRS") ?? "5", CultureInfo.InvariantCulture);
        Tunnel[] tunnels = [Tunnels.Warp(program), Tunnels.Ssh("ssh -R", []), Tunnels.Ssh("ssh -R, aes128-gcm", ["-c", "aes128-gcm@openssh.com"]), Tunnels.Stunnel()];
        var values = tunnels.Select(_ => new List<double[]>()).ToArray();
        for (int round = 0; round < rounds; round++)
        {
            foreach ((int index, Tunnel tunnel) in tunnels.Index())
                values[index].Add(Measure(tunnel));
        }
        Console.WriteLine($"Medians of {rounds} rounds [min..max]; all on this machine's {Environment.ProcessorCount} cores. The ratio is that to ssh -R.");
        Console.WriteLine();
        PrintLine(["", tunnels[0].Name, "ratio", .. tunnels[1..].Select(tunnel => tunnel.Name)]);
        PrintLine(Enumerable.Repeat("---", tunnels.Length + 2));
        foreach ((int figure, string name) in Figures.Index())
        {
            Sample[] samples = [.. values.Select(of => new Sample([.. of.Select(one => one[figure])]))];
            string format = samples[0].Median < 10 ? "F2" : "F0";
            PrintLine(
            [
                name, samples[0].ToString(format), (samples[0].Median / samples[1].Median).ToString("F2", CultureInfo.InvariantCulture),
                .. samples[1..].Select(sample => sample.ToString(format)),
            ]);
        }
    }

    private static double[] Measure(Tunnel tunnel)
    {
        using var net = Topology.Create();
        Host host = net.AddHost("loop");
        // TCP has what most machines have; the kernel's default here may be another.
        host.TrySetSetting("net.ipv4.tcp_congestion_control", "reno");
        using var running = new RunningTunnel(host, tunnel);
        (double rate, double cost) = TunnelLoad.Transfer(running, streams: 1);
        (double rates, _) = TunnelLoad.Transfer(running, streams: 16);
        (double connections, double costEach) = TunnelLoad.Connect(running);
        return [rate / 1e6, cost * 1e9, rates / 1e6, connections, costEach * 1e6];
    }

    private static void PrintLine(IEnumerable<string> cells) => Console.WriteLine($"| {string.Join(" | ", cells)} |");
}
