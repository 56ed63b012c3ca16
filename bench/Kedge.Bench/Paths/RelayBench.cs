using System.Globalization;
using Kedge.Demo;

namespace Kedge.Bench.Paths;

/// <summary>
/// What a relay carries, by UDP and by TLS, beside what the same two nodes send each other directly, and beside other relays: coturn between
/// two devices of Kedge, and nebula's. One TCP stream, all in turns. Both ends, the relay and iperf3 share this machine. KEDGE_BENCH_SECONDS
/// says how long each stream lasts, KEDGE_BENCH_NEBULA a folder with nebula and nebula-cert.
/// </summary>
internal static class RelayBench
{
    public static void Run(string program, int rounds)
    {
        var duration = TimeSpan.FromSeconds(int.Parse(Environment.GetEnvironmentVariable("KEDGE_BENCH_SECONDS") ?? "5", CultureInfo.InvariantCulture));
        using RelayScene kedge = KedgeRelayScene.Open(program);
        using RelayScene coturn = CoturnScene.Open(program);
        using RelayScene? nebula = NebulaRelayScene.TryOpen(Environment.GetEnvironmentVariable("KEDGE_BENCH_NEBULA"));
        if (nebula is null)
            Console.WriteLine("No nebula: it is not installed, and KEDGE_BENCH_NEBULA names no folder with nebula and nebula-cert.");
        (RelayScene Scene, RelayPath Path, List<double> Measured)[] rows =
        [
            .. from scene in new[] { kedge, coturn, nebula }.OfType<RelayScene>()
               from path in scene.Paths
               select (scene, path, new List<double>()),
        ];
        for (int round = 0; round < rounds; round++)
        {
            foreach ((RelayScene scene, RelayPath path, List<double> measured) in rows)
            {
                path.Take();
                measured.Add(Iperf.Tcp(scene.A, scene.B, scene.AddressOfB, duration).BitsPerSecond / 1e6);
            }
        }
        double direct = new Sample(rows[0].Measured).Median, relayed = new Sample(rows[1].Measured).Median;
        Console.WriteLine();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"One TCP stream, medians of {rounds} rounds [min..max] in turns:"));
        Console.WriteLine();
        Console.WriteLine("| | Mbit/s | of Kedge's direct | Kedge's relay has | to reach |");
        Console.WriteLine("|---|---|---|---|---|");
        foreach ((_, RelayPath path, List<double> measured) in rows)
        {
            var sample = new Sample(measured);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {path.Name} | {sample.ToString("0")} | {sample.Median / direct:0.00} | {relayed / sample.Median:0.0} times | {path.ToReach} |"));
        }
    }
}
