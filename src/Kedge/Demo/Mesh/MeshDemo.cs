using System.Diagnostics;
using System.Globalization;

namespace Kedge.Demo.Mesh;

/// <summary>
/// <c>kedge demo mesh</c>: a controller and five nodes, two zones with the same addresses, one node behind a NAT and one member that is a
/// stock WireGuard device. Takes less than a minute and leaves nothing behind. Needs root.
/// </summary>
/// <param name="program">The path of the program <c>kedge</c>.</param>
/// <param name="report">Where it tells what it sees.</param>
public sealed class MeshDemo(string program, DemoReport report)
{
    private const string Prefix = "10.60.0.0/24";
    private static readonly TimeSpan JoinTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan TransferTime = TimeSpan.FromSeconds(1);

    /// <summary>Runs the demo to its end.</summary>
    /// <returns>Whether all checks passed.</returns>
    public bool Run()
    {
        report.Say(
            $"""
            Machines made of network namespaces, on a network of their own: a controller, five nodes and a stock WireGuard device.
            Two zones, 'red' and 'blue', both with the addresses {Prefix}. Node 'gamma' is behind a NAT.
            """);
        long start = Stopwatch.GetTimestamp();
        using var net = Topology.Create();
        Switch internet = net.AddSwitch("internet");
        Host controllerHost = Attach("controller", 1);
        Host alpha = Attach("alpha", 11), beta = Attach("beta", 12), delta = Attach("delta", 14), epsilon = Attach("epsilon", 15);
        Host stock = Attach("stock", 16);
        Host gamma = BehindNat(net, internet, "gamma");

        DemoController controller = null!;
        if (!report.Check("controller", () =>
        {
            controller = DemoController.Start(controllerHost, program, "192.0.2.1");
            controller.Administer("zone", "create", "red", "--prefix", Prefix);
            controller.Administer("zone", "create", "blue", "--prefix", Prefix);
            return "runs, and has two zones with the same addresses";
        }))
            return false;

        report.Say("Each node gets a token of its own, which is good for one join, and starts 'kedge up' with it:");
        DemoNode[] nodes =
        [
            .. new[] { alpha, beta, gamma }.Select(host => DemoNode.Join(host, program, controller, "red")),
            .. new[] { delta, epsilon }.Select(host => DemoNode.Join(host, program, controller, "blue")),
        ];
        using DeviceProcess device = DeviceProcess.StartWireGuardGo(stock);
        foreach (DemoNode node in nodes)
            report.Check($"{node.Host} joins {node.Zone}", () => Joined(controller, node), node.Zone);
        report.Check("a stock WireGuard device joins red", () => JoinStock(controller, device), "red");

        report.Say("Everybody in a zone reaches everybody in it:");
        foreach (string zone in (string[])["red", "blue"])
        {
            Member[] members = Members(controller, nodes, device, zone);
            foreach (Member from in members)
                report.Check($"{from.Host} reaches the others of {zone}", () => ReachAll(from, members), zone);
        }

        report.Say("And nobody across, although the addresses are the same ones:");
        Member[] red = Members(controller, nodes, device, "red"), blue = Members(controller, nodes, device, "blue");
        report.Check("red and blue are apart", () => Apart(nodes, red, blue));

        report.Say("How fast, in Mbit/s by TCP, one pair after the other, from the row to the column:");
        report.Check("speed in red", () => Speeds(red), "red");
        report.Check("speed in blue", () => Speeds(blue), "blue");

        report.Say("Last, 'kedge down' on every node:");
        report.Check("nothing is left on the nodes", () => DownAll(nodes));
        return report.Conclude(Stopwatch.GetElapsedTime(start));

        Host Attach(string name, int number)
        {
            Host host = net.AddHost(name);
            internet.Attach(host, [$"192.0.2.{number}/24"]);
            return host;
        }
    }

    private sealed record Member(Host Host, string Address);

    private static Host BehindNat(Topology net, Switch internet, string name)
    {
        Host gateway = net.AddHost("gateway"), host = net.AddHost(name);
        Link wan = internet.Attach(gateway, ["192.0.2.13/24"]);
        net.Connect(gateway, host, ["10.1.0.1/24"], ["10.1.0.2/24"]);
        gateway.EnableForwarding();
        gateway.Masquerade(wan.InterfaceOfA);
        host.AddRoute("default", "10.1.0.1");
        return host;
    }

    private static string Joined(DemoController controller, DemoNode node)
    {
        Wait.Until(() => HasAddress(node), JoinTimeout, $"an address on {node.Host}");
        return $"as {controller.Addresses(node.Zone)[node.Host.Label]}";
    }

    private static bool HasAddress(DemoNode node) =>
        node.Host.TryRun("ip", "-4", "-o", "address", "show", "dev", node.InterfaceName).Output.Contains("10.60.0.", StringComparison.Ordinal);

    /// <summary>An administrator makes the peer from its public key, and gives it the file that 'wg-quick' takes.</summary>
    private static string JoinStock(DemoController controller, DeviceProcess device)
    {
        string name = device.Host.Label;
        controller.Administer(
            "node", "create", name, "--zone", "red", "--public-key", device.Keys.PublicKey, "--endpoint", $"192.0.2.16:{device.ListenPort}");
        string address = controller.Addresses("red")[name];
        device.SetUp([$"{address}/32"]);
        string file = Path.Combine(device.Host.Topology.TempFolder, $"{name}.conf");
        controller.Administer(
            "node", "show", name, "--zone", "red", "--wg-config", "--private-key-file", device.PrivateKeyFile, "--out", file);
        string stripped = device.Host.Run("wg-quick", "strip", file).Output;
        device.Host.Run(new Command("wg", "setconf", device.Name, "/dev/stdin") { Input = stripped });
        device.Host.Ip("route", "add", Prefix, "dev", device.Name);
        return $"as {address}, with the file for wg-quick that 'kedge node show {name} --wg-config' writes";
    }

    private static Member[] Members(DemoController controller, DemoNode[] nodes, DeviceProcess device, string zone)
    {
        IReadOnlyDictionary<string, string> addresses = controller.Addresses(zone);
        IEnumerable<Host> hosts = nodes.Where(node => node.Zone == zone).Select(node => node.Host);
        if (zone == "red")
            hosts = hosts.Append(device.Host);
        return [.. hosts.Select(host => new Member(host, addresses[host.Label]))];
    }

    private static string ReachAll(Member from, Member[] members)
    {
        List<string> seen = [];
        foreach (Member to in members.Where(member => member != from))
        {
            Wait.Until(() => Ping.Run(from.Host, to.Address, count: 1, patience: Ping.Brief).AllReceived, JoinTimeout, $"an answer of {to.Host} at {to.Address}");
            Ping ping = Ping.Run(from.Host, to.Address, count: 3);
            seen.Add(string.Create(CultureInfo.InvariantCulture, $"{to.Host} {ping.Mean.TotalMilliseconds:0.0} ms"));
        }
        return string.Join(", ", seen);
    }

    /// <summary>What only one zone has a member for goes unanswered in the other, and no node knows a peer of the other zone.</summary>
    private static string Apart(DemoNode[] nodes, Member[] red, Member[] blue)
    {
        string[] redOnly = [.. red.Select(member => member.Address).Except(blue.Select(member => member.Address))];
        foreach (Member member in blue)
            foreach (string address in redOnly)
                if (Ping.Run(member.Host, address, count: 1, patience: Ping.Brief).Received > 0)
                    throw new DemoException($"{member.Host} of blue got an answer from {address}, which only red has");
        foreach (DemoNode node in nodes)
        {
            string status = node.Status("--json");
            Member[] others = node.Zone == "red" ? blue : red;
            if (others.FirstOrDefault(other => status.Contains($"\"{other.Host}\"", StringComparison.Ordinal)) is { } other)
                throw new DemoException($"{node.Host} of {node.Zone} knows {other.Host} of the other zone");
        }
        return $"no answer in blue from {string.Join(", ", redOnly)}; no node knows one of the other zone";
    }

    private string Speeds(Member[] members)
    {
        report.Say($"    {"",-10}{string.Concat(members.Select(member => $"{member.Host,10}"))}");
        double slowest = double.MaxValue;
        foreach (Member from in members)
        {
            string row = "";
            foreach (Member to in members)
            {
                if (to == from)
                {
                    row += $"{"-",10}";
                    continue;
                }
                double speed = Iperf.Tcp(from.Host, to.Host, to.Address, TransferTime).BitsPerSecond / 1e6;
                slowest = Math.Min(slowest, speed);
                row += string.Create(CultureInfo.InvariantCulture, $"{speed,10:0}");
            }
            report.Say($"    {from.Host,-10}{row}");
        }
        return string.Create(CultureInfo.InvariantCulture, $"the slowest pair {slowest:0} Mbit/s");
    }

    private static string DownAll(DemoNode[] nodes)
    {
        foreach (DemoNode node in nodes)
        {
            node.Down();
            if (node.Host.TryRun("ip", "link", "show", "dev", node.InterfaceName).Succeeded)
                throw new DemoException($"{node.Host} still has its interface");
            string rules = node.Host.Run("ip", "rule", "list").Output + node.Host.Run("ip", "-6", "rule", "list").Output;
            if (rules.Contains("1930", StringComparison.Ordinal))
                throw new DemoException($"{node.Host} still has the rules: {rules}");
        }
        return "no interface, no rule, no route";
    }
}
