using System.Diagnostics;
using System.Globalization;
using Kedge.Demo.Nat;

namespace Kedge.Demo.Mesh;

/// <summary>
/// <c>kedge demo mesh</c>: a controller and eight nodes, two zones with the same addresses, three nodes behind NATs of different kinds, one
/// whose UDP is blocked, and one member that is a stock WireGuard device. Takes about a minute and leaves nothing behind. Needs root.
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
            Machines made of network namespaces, on a network of their own: a controller, eight nodes and a stock WireGuard device.
            Two zones, 'red' and 'blue', both with the addresses {Prefix}. Three nodes of red are behind NATs, and no port is forwarded:
            'gamma' behind a home router, 'zeta' behind a home router and its carrier's NAT, 'eta' behind a router that changes ports.
            'theta', of red too, is in an office whose firewall lets out TCP to port 443 and nothing else.
            """);
        long start = Stopwatch.GetTimestamp();
        using var net = Topology.Create();
        var internet = new Internet(net.AddSwitch("internet"));
        Host controllerHost = Attach("controller", 1);
        Host alpha = Attach("alpha", 11), beta = Attach("beta", 12), delta = Attach("delta", 14), epsilon = Attach("epsilon", 15);
        Host stock = Attach("stock", 16);
        Host gamma = internet.AddGateway("home-gamma").AddHost("gamma");
        Host zeta = internet.AddGateway("carrier").AddGateway("home-zeta").AddHost("zeta");
        Host eta = internet.AddGateway("home-eta", new() { Kind = NatKind.PortRestrictedRemapping }).AddHost("eta");
        Host theta = internet.AddGateway("office", new() { BlocksUdp = true }).AddHost("theta");

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
            .. new[] { alpha, beta, gamma, zeta, eta, theta }.Select(host => DemoNode.Join(host, program, controller, "red")),
            .. new[] { delta, epsilon }.Select(host => DemoNode.Join(host, program, controller, "blue")),
        ];
        using DeviceProcess device = DeviceProcess.StartWireGuardGo(stock);
        foreach (DemoNode node in nodes)
            report.Check($"{node.Host} joins {node.Zone}", () => Joined(controller, node), node.Zone);
        report.Check("a stock WireGuard device joins red", () => JoinStock(controller, device), "red");

        report.Say(
            """
            Everybody in a zone reaches everybody in it; only 'stock' and 'theta' do not meet, because the one speaks UDP alone, and
            the other may not:
            """);
        foreach (string zone in (string[])["red", "blue"])
        {
            Member[] members = Members(controller, nodes, device, zone);
            foreach (Member from in members)
                report.Check(
                    $"{from.Host} reaches the others of {zone}", () => ReachAll(from, [.. members.Where(to => Meet(from, to))]), zone);
        }

        report.Say("And nobody across, although the addresses are the same ones:");
        Member[] red = Members(controller, nodes, device, "red"), blue = Members(controller, nodes, device, "blue");
        report.Check("red and blue are apart", () => Apart(nodes, red, blue));

        report.Say("By which path, as 'kedge status' of the row tells of the column:");
        report.Check("paths in red", () => Paths(nodes, red, theta, Meet), "red");
        Member blocked = red.Single(member => member.Host == theta);
        report.Check("theta by the controller, over TLS", () => ByController(nodes, blocked), "red");

        report.Say(
            "How fast, in Mbit/s by TCP, one pair after the other, from the row to the column; without zeta, eta and theta, to be quick:");
        Host[] leftOut = [zeta, eta, theta];
        report.Check("speed in red", () => Speeds([.. red.Where(member => !leftOut.Contains(member.Host))]), "red");
        report.Check("speed in blue", () => Speeds(blue), "blue");

        report.Say("Last, 'kedge down' on every node:");
        report.Check("nothing is left on the nodes", () => DownAll(nodes));
        return report.Conclude(Stopwatch.GetElapsedTime(start));

        bool Meet(Member from, Member to) => !(from.Host == theta && to.Host == stock) && !(from.Host == stock && to.Host == theta);

        Host Attach(string name, int number)
        {
            Host host = net.AddHost(name);
            internet.Attach(host, number);
            return host;
        }
    }

    private sealed record Member(Host Host, string Address);

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
        // All at once, because each waits for what is not to come.
        (Member From, string To, RunningProcess Ping)[] pings =
        [
            .. from member in blue
               from address in redOnly
               select (member, address, member.Host.Start("ping", "-n", "-c", "1", "-W", "1", address)),
        ];
        foreach ((Member from, string to, RunningProcess ping) in pings)
        {
            if (ping.WaitForExit(JoinTimeout).Succeeded)
                throw new DemoException($"{from.Host} of blue got an answer from {to}, which only red has");
        }
        foreach (DemoNode node in nodes)
        {
            string status = node.Status("--json");
            Member[] others = node.Zone == "red" ? blue : red;
            if (others.FirstOrDefault(other => status.Contains($"\"{other.Host}\"", StringComparison.Ordinal)) is { } other)
                throw new DemoException($"{node.Host} of {node.Zone} knows {other.Host} of the other zone");
        }
        return $"no answer in blue from {string.Join(", ", redOnly)}; no node knows one of the other zone";
    }

    /// <summary>
    /// Each node of a zone and what it says of the path to each other member. Those that meet are to be direct, or relayed where UDP is
    /// blocked.
    /// </summary>
    private string Paths(DemoNode[] nodes, Member[] members, Host blocked, Func<Member, Member, bool> meet)
    {
        SayColumns(members);
        List<string> wrong = [];
        int direct = 0, relayed = 0;
        foreach (DemoNode node in nodes.Where(node => members.Any(member => member.Host == node.Host)))
        {
            Member from = members.Single(member => member.Host == node.Host);
            IReadOnlyDictionary<string, string> states = node.PathStates();
            string row = "";
            foreach (Member to in members)
            {
                string state = to == from || !meet(from, to) ? "-" : states.GetValueOrDefault(to.Host.Label, "?");
                row += $"{state,10}";
                direct += state == "direct" ? 1 : 0;
                relayed += state == "relayed" ? 1 : 0;
                if (state != "-" && state != (from.Host == blocked || to.Host == blocked ? "relayed" : "direct"))
                    wrong.Add($"{from.Host} to {to.Host}: {state}");
            }
            report.Say($"    {from.Host,-10}{row}");
        }
        return wrong.Count == 0
            ? $"{direct} are direct, and the {relayed} from and to {blocked} relayed"
            : throw new DemoException($"not as they are to be are {string.Join(", ", wrong)}");
    }

    /// <summary>Both ends of each pair of a node whose UDP is blocked say so, and a transfer goes that way.</summary>
    private static string ByController(DemoNode[] nodes, Member blocked)
    {
        DemoNode theOne = nodes.Single(node => node.Host == blocked.Host);
        DemoNode[] others = [.. nodes.Where(node => node.Zone == theOne.Zone && node != theOne)];
        foreach ((DemoNode from, DemoNode to) in others.Select(other => (theOne, other)).Concat(others.Select(other => (other, theOne))))
        {
            string? relay = from.Relays().GetValueOrDefault(to.Host.Label);
            if (relay != "controller")
                throw new DemoException($"{from.Host} reaches {to.Host} by {relay ?? "nobody"}");
        }
        if (!others[0].Status().Contains("by the controller (TLS)", StringComparison.Ordinal))
            throw new DemoException($"{others[0].Host} does not say that it is over TLS");
        double speed = Iperf.Tcp(others[0].Host, blocked.Host, blocked.Address, TransferTime).BitsPerSecond / 1e6;
        return string.Create(
            CultureInfo.InvariantCulture, $"{others.Length} pairs, as both ends of each say; {speed:0} of 100 Mbit/s from {others[0].Host}");
    }

    private string Speeds(Member[] members)
    {
        SayColumns(members);
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

    private void SayColumns(Member[] members) =>
        report.Say($"    {"",-10}{string.Concat(members.Select(member => $"{member.Host,10}"))}");

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
