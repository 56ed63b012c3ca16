using System.Globalization;
using Kedge.Demo;

namespace Kedge.Bench;

/// <summary>
/// Throughput of one TCP stream through a tunnel between two namespaces: Kedge on both ends against wireguard-go on both ends, in
/// alternation, so that what else the machine does meets both. KEDGE_BENCH_WIREGUARD_GO names another wireguard-go than the installed one.
/// </summary>
internal static class DataplaneBench
{
    private const int Pairs = 5;
    private const string Left = "10.78.0.1", Right = "10.78.0.2";
    private static readonly TimeSpan RunTime = TimeSpan.FromSeconds(4);
    private static readonly int[] Mtus = [1420, 9000];

    public static void Run()
    {
        string program = Environment.GetEnvironmentVariable("KEDGE_PROGRAM") ?? Path.Combine(RepositoryRoot(), "out", "kedge");
        string opponent = Environment.GetEnvironmentVariable("KEDGE_BENCH_WIREGUARD_GO") ?? "wireguard-go";
        Console.WriteLine($"One TCP stream, Mbit/s, median of {Pairs} pairs [min..max]; both ends and iperf3 on this machine's {Environment.ProcessorCount} cores");
        Console.WriteLine($"{"MTU",8}  {"Kedge",-28}{"wireguard-go",-28}ratio");
        foreach (int mtu in Mtus)
        {
            var ours = new List<double>();
            var theirs = new List<double>();
            for (int pair = 0; pair < Pairs; pair++)
            {
                ours.Add(Measure(host => DeviceProcess.StartKedge(host, program), mtu));
                theirs.Add(Measure(host => DeviceProcess.StartWireGuardGo(host, program: opponent), mtu));
            }
            var (kedge, go) = (new Sample(ours), new Sample(theirs));
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{mtu,8}  {kedge.ToString("F0"),-28}{go.ToString("F0"),-28}{kedge.Median / go.Median:F2}"));
        }
    }

    private static double Measure(Func<Host, DeviceProcess> start, int mtu)
    {
        using var net = Topology.Create();
        Host a = net.AddHost("a"), b = net.AddHost("b");
        net.Connect(a, b, ["192.0.2.1/24"], ["192.0.2.2/24"], mtu: mtu + 80);
        using DeviceProcess atA = start(a), atB = start(b);
        atA.SetUp([$"{Left}/24"], mtu);
        atB.SetUp([$"{Right}/24"], mtu);
        atA.AddPeer(atB, [$"{Right}/32"], $"192.0.2.2:{atB.ListenPort}");
        atB.AddPeer(atA, [$"{Left}/32"]);
        Wait.Until(() => Ping.Run(a, Right, count: 1).AllReceived, TimeSpan.FromSeconds(10), "an answer through the tunnel");
        return Iperf.Tcp(a, b, Right, RunTime).BitsPerSecond / 1e6;
    }

    private static string RepositoryRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Kedge.slnx")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException("No folder above this program holds Kedge.slnx.");
    }
}
