using System.Globalization;
using Kedge.Demo;
using Kedge.Demo.Mesh;
using Kedge.Demo.Nat;

namespace Kedge.Bench.Paths;

/// <summary>
/// TCP through a tunnel over a network that carries 1,280 bytes, beside that over one of 1,500, in the same run: one node sends to two,
/// each behind a line of its own, in turn. Nobody changes an MTU, and no fragments pass.
/// </summary>
internal static class SmallUnderlayBench
{
    private const double ToReach = 0.7;
    private const string Zone = "sizes";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(3);

    public static void Run(string program, int rounds)
    {
        using var net = Topology.Create();
        var internet = new Internet(net.AddSwitch("internet"));
        Host controllerHost = net.AddHost("controller"), sender = net.AddHost("sender");
        internet.Attach(controllerHost, 1);
        internet.Attach(sender, 2);
        var controller = DemoController.Start(controllerHost, program, "192.0.2.1");
        controller.Administer("zone", "create", Zone, "--prefix", "10.62.0.0/24");
        Host full = AddFar(net, internet, "full", mtu: 1500), small = AddFar(net, internet, "small", mtu: 1280);
        foreach (Host host in (Host[])[sender, full, small])
            DemoNode.Join(host, program, controller, Zone).Process.WaitForLine("is up: node", Patience);
        IReadOnlyDictionary<string, string> addresses = controller.Addresses(Zone);
        foreach (Host far in (Host[])[full, small])
        {
            string address = addresses[far.Label];
            Wait.Until(() => sender.TryRun("ping", "-c", "1", "-W", "1", address).Succeeded, Patience, $"an answer from {far}");
            Measure(far); // not counted: by the end of it, what the path carries is known
        }
        List<double> overFull = [], overSmall = [], ratios = [];
        for (int round = 0; round < rounds; round++)
        {
            overFull.Add(Measure(full));
            overSmall.Add(Measure(small));
            ratios.Add(overSmall[^1] / overFull[^1]);
        }
        Console.WriteLine();
        Console.WriteLine("| TCP, one stream, Gbit/s | over 1,500 bytes | over 1,280 bytes | of it | to reach |");
        Console.WriteLine("|---|---|---|---|---|");
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| fragments dropped | {new Sample(overFull).ToString("0.00")} | {new Sample(overSmall).ToString("0.00")} "
            + $"| {new Sample(ratios).ToString("0.00")} | {ToReach} |"));

        double Measure(Host far) => Iperf.Tcp(sender, far, addresses[far.Label], Duration).BitsPerSecond / 1e9;
    }

    private static Host AddFar(Topology net, Internet internet, string label, int mtu)
    {
        Host host = net.AddHost(label);
        string network = string.Create(CultureInfo.InvariantCulture, $"198.18.{mtu % 256}");
        net.Connect(internet.Router, host, [$"{network}.1/24"], [$"{network}.2/24"], mtu);
        host.AddRoute("0.0.0.0/0", $"{network}.1");
        host.Run(new Command("nft", "-f", "-")
        {
            Input = """
                table ip small {
                    chain before {
                        type filter hook prerouting priority -450; policy accept;
                        ip frag-off & 0x3fff != 0 drop
                    }
                }

                """,
        });
        return host;
    }
}
