using System.Globalization;
using Kedge.Demo;
using Kedge.Demo.Mesh;

namespace Kedge.Bench.Paths;

/// <summary>
/// What a relay carries, beside what the same two nodes send each other directly: one TCP stream, in turns. Both ends, the relay and iperf3
/// share this machine. KEDGE_BENCH_SECONDS says how long each stream lasts.
/// </summary>
internal static class RelayBench
{
    private const string Prefix = "10.62.0.0/24";
    private const string Direct = "direct", Relayed = "relayed";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    public static void Run(string program, int rounds)
    {
        var duration = TimeSpan.FromSeconds(int.Parse(Environment.GetEnvironmentVariable("KEDGE_BENCH_SECONDS") ?? "5", CultureInfo.InvariantCulture));
        using var net = Topology.Create();
        Switch lan = net.AddSwitch("lan");
        DemoController controller = DemoController.Start(Add(net, lan, "controller", 1), program, "192.0.2.1");
        controller.Administer("zone", "create", "bench", "--prefix", Prefix);
        DemoNode[] nodes =
        [
            DemoNode.JoinRelay(Add(net, lan, "relay", 2), program, controller, "bench", "--relay-rate", "0"),
            DemoNode.Join(Add(net, lan, "a", 3), program, controller, "bench"),
            DemoNode.Join(Add(net, lan, "b", 4), program, controller, "bench"),
        ];
        foreach (DemoNode node in nodes)
            node.Process.WaitForLine("is up: node", Patience);
        (DemoNode a, DemoNode b) = (nodes[1], nodes[2]);
        IReadOnlyDictionary<string, string> addresses = controller.Addresses("bench");

        Dictionary<string, List<double>> measured = new() { [Direct] = [], [Relayed] = [] };
        for (int round = 0; round < rounds; round++)
        {
            foreach (string path in (string[])[Direct, Relayed])
            {
                Cut(a.Host, b.Host, isCut: path == Relayed);
                using (RunningProcess ping = a.Host.Start("ping", "-n", "-i", "0.2", "-w", "60", addresses["b"]))
                    Wait.Until(() => a.PathStates()["b"] == path && b.PathStates()["a"] == path, Patience, $"a path that is {path}");
                measured[path].Add(Iperf.Tcp(a.Host, b.Host, addresses["b"], duration).BitsPerSecond / 1e6);
            }
        }
        foreach (DemoNode node in nodes)
            node.Down();

        Sample direct = new(measured[Direct]), relayed = new(measured[Relayed]);
        Console.WriteLine();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"One TCP stream, Mbit/s, medians of {rounds} rounds [min..max] in turns:"));
        Console.WriteLine();
        Console.WriteLine("| direct | by a relay | of direct | to reach |");
        Console.WriteLine("|---|---|---|---|");
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"| {direct.ToString("0")} | {relayed.ToString("0")} | {relayed.Median / direct.Median:0.00} | 0.65 |"));
    }

    private static Host Add(Topology net, Switch lan, string label, int number)
    {
        Host host = net.AddHost(label);
        lan.Attach(host, [string.Create(CultureInfo.InvariantCulture, $"192.0.2.{number}/24")]);
        return host;
    }

    // UDP between the two is dropped; all else passes.
    private static void Cut(Host a, Host b, bool isCut)
    {
        foreach ((Host host, string other) in ((Host, string)[])[(a, "192.0.2.4"), (b, "192.0.2.3")])
        {
            host.TryRun("nft", "delete", "table", "ip", "cut");
            if (!isCut)
                continue;
            host.Run(new Command("nft", "-f", "-")
            {
                Input = $$"""
                    table ip cut {
                        chain input {
                            type filter hook input priority -300; policy accept;
                            ip saddr {{other}} meta l4proto udp drop
                        }
                    }

                    """,
            });
        }
    }
}
