using System.Globalization;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Node.Routing;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Routing;

/// <summary>
/// Two machines on a LAN, of which the first has an overlay's interface. What the kernel does is told by <c>ip</c>, never by our own
/// netlink code.
/// </summary>
public sealed class RouterTests : IDisposable
{
    private const string Own = "10.200.0.5", Own6 = "fd20::5";

    private readonly Topology _net = Topology.Create();
    private readonly Host _host;
    private readonly string _name;
    private readonly Router _router;

    public RouterTests()
    {
        _host = _net.AddHost("host");
        Host neighbour = _net.AddHost("neighbour");
        _net.Connect(_host, neighbour, ["192.168.7.1/24", "fd07::1/64"], ["192.168.7.2/24", "fd07::2/64"]);
        _host.AddRoute("default", "192.168.7.2");
        _host.AddRoute("default", "fd07::2");
        _name = AddTun();
        _router = Router.Open(_host.Namespace);
    }

    public void Dispose()
    {
        _router.Dispose();
        _net.Dispose();
    }

    [Fact]
    public void An_interface_gets_its_mtu_addresses_and_routes_and_is_set_up()
    {
        _router.Apply(Desired("10.200.0.0/20", "fd20::/64") with { ChildPrefixes = Prefixes("10.77.0.0/16", "10.200.1.0/24") });

        string link = _host.Ip("link", "show", "dev", _name).Output;
        Assert.Contains("mtu 1280", link, StringComparison.Ordinal);
        Assert.Contains(",UP", link, StringComparison.Ordinal);
        Assert.Equal(["10.200.0.5/32", "fd20::5/128"], Addresses());
        Assert.Equal(
            [
                $"10.77.0.0/16 dev {_name} proto 76 scope link src {Own} linkdown",
                $"10.200.1.0/24 dev {_name} proto 76 scope link src {Own} linkdown",
                $"10.200.0.0/20 dev {_name} proto 76 scope link src {Own} linkdown",
            ],
            Routes("-4").OrderBy(route => route.StartsWith("10.77", StringComparison.Ordinal) ? 0 : 1).ThenByDescending(route => route, StringComparer.Ordinal));
        Assert.Equal([$"fd20::/64 dev {_name} proto 76 src {Own6} metric 1024 linkdown pref medium"], Routes("-6"));
        Assert.Equal([.. RulesOf("10.200.0.0/20", 19300), .. RulesOf("10.77.0.0/16", 19303)], Rules("-4"));
        Assert.Equal(RulesOf("fd20::/64", 19300), Rules("-6"));
    }

    [Fact]
    public void The_overlay_takes_its_prefixes_but_not_the_LAN_and_not_its_own_datagrams()
    {
        // The second and third hold the LAN and everything.
        _router.Apply(Desired("10.200.0.0/20", "192.168.0.0/16", "0.0.0.0/0", "fd20::/64", "fd00::/8"));

        Assert.Contains($"dev {_name} ", RouteTo("10.200.3.4"), StringComparison.Ordinal);
        Assert.Contains($"src {Own} ", RouteTo("10.200.3.4"), StringComparison.Ordinal);
        Assert.Contains($"dev {_name} ", RouteTo("192.168.8.1"), StringComparison.Ordinal);
        Assert.Contains($"dev {_name} ", RouteTo("198.51.100.1"), StringComparison.Ordinal);
        Assert.Contains($"dev {_name} ", RouteTo("fd20::6"), StringComparison.Ordinal);

        Assert.Contains("dev eth0 ", RouteTo("192.168.7.2"), StringComparison.Ordinal);
        Assert.Contains("dev eth0 ", RouteTo("fd07::2"), StringComparison.Ordinal);
        Assert.Contains("dev eth0 ", RouteTo("198.51.100.1", mark: "0x1000"), StringComparison.Ordinal);
        Assert.Contains("dev eth0 ", RouteTo("198.51.100.1", mark: "0x1234"), StringComparison.Ordinal);
        Assert.Contains($"dev {_name} ", RouteTo("198.51.100.1", mark: "0xefff"), StringComparison.Ordinal);
        Assert.True(Ping.Run(_host, "192.168.7.2", count: 1).AllReceived);
    }

    [Fact]
    public void What_is_right_is_not_touched()
    {
        _router.Apply(Desired("10.200.0.0/20", "fd20::/64"));
        using RunningProcess monitor = _host.Start("stdbuf", "-oL", "ip", "monitor", "link", "address", "route", "rule");
        Wait.Until(() => Listens(monitor), TimeSpan.FromSeconds(10), "the monitor's subscription");

        _router.Apply(Desired("10.200.0.0/20", "fd20::/64"));
        _host.Ip("route", "add", "203.0.113.0/24", "dev", "eth0"); // so that there is something to wait for

        string line = monitor.WaitForLine("203.0.113.0", TimeSpan.FromSeconds(10));
        Assert.Equal(line.Trim(), monitor.Output.Trim());
    }

    [Fact]
    public void A_change_adds_what_is_missing_and_deletes_only_what_is_ours()
    {
        _router.Apply(Desired("10.200.0.0/20", "10.77.0.0/16", "fd20::/64"));
        _host.Ip("address", "add", "10.9.9.9/32", "dev", _name);
        _host.Ip("route", "add", "10.88.0.0/16", "dev", _name, "table", Table(_name));
        _host.Ip("rule", "add", "priority", "19300", "lookup", "77");

        _router.Apply(Desired("10.200.0.0/20", "10.78.0.0/16") with { Addresses = [IpAddress.Parse("10.200.0.6")] });

        Assert.Equal(["10.9.9.9/32", "10.200.0.6/32"], Addresses());
        Assert.Equal(["10.78.0.0/16", "10.88.0.0/16", "10.200.0.0/20"], Routes("-4").Select(route => route.Split(' ')[0]));
        Assert.Contains(Routes("-4"), route => route.StartsWith("10.200.0.0/20", StringComparison.Ordinal) && route.Contains("src 10.200.0.6 ", StringComparison.Ordinal));
        Assert.Empty(Routes("-6"));
        Assert.Equal(
            new HashSet<string>(["19300: from all lookup 77", .. RulesOf("10.78.0.0/16", 19300), .. RulesOf("10.200.0.0/20", 19300)]), [.. Rules("-4")]);
    }

    [Fact]
    public void What_somebody_else_has_taken_away_comes_back()
    {
        _router.Apply(Desired("10.200.0.0/20", "fd20::/64"));
        IReadOnlyList<string> before = Everything();
        _host.Ip("-4", "route", "flush", "table", Table(_name));
        _host.Ip("-6", "rule", "del", "priority", "19301");
        _host.Ip("address", "del", $"{Own}/32", "dev", _name);
        _host.Ip("link", "set", _name, "down");

        RoutingResult result = _router.Apply(Desired("10.200.0.0/20", "fd20::/64"));

        Assert.Equal(before, Everything());
        // The kernel itself takes the IPv6 address and its routes from an interface that is set down.
        Assert.Equal(new RoutingAdditions(Links: 1, Addresses: 2, Routes: 2, Rules: 1), result.Added);
    }

    [Fact]
    public void While_anything_is_missing_nothing_for_the_overlay_leaves_in_the_clear()
    {
        _router.Apply(Desired("10.200.0.0/20", "fd20::/64"));
        string before = RouteTo("10.200.3.4") + RouteTo("fd20::6");
        foreach ((string[] take, string family) in ((string[], string)[])
            [
                (["route", "flush", "table", Table(_name)], "-4"),
                (["route", "flush", "table", Table(_name)], "-6"),
                (["rule", "del", "priority", "19301"], "-4"),
                (["rule", "del", "priority", "19301"], "-6"),
                (["link", "set", _name, "down"], "-0"),
                (["link", "del", _name], "-0"),
            ])
        {
            _host.Ip([family, .. take]);
            string gone = family == "-6" ? "fd20::6" : "10.200.3.4";
            Assert.Contains("unreachable", _host.TryRun("ip", "route", "get", gone).Error, StringComparison.Ordinal);
            Assert.Contains("dev eth0 ", RouteTo("203.0.113.1"), StringComparison.Ordinal);
            if (take is ["link", "del", ..])
                _host.Ip("tuntap", "add", "mode", "tun", "name", _name);
            _router.Apply(Desired("10.200.0.0/20", "fd20::/64"));
            Assert.Equal(before.Replace(OldTable(before), Table(_name), StringComparison.Ordinal), RouteTo("10.200.3.4") + RouteTo("fd20::6"));
        }
        Assert.Equal(RulesOf("10.200.0.0/20", 19300), Rules("-4")); // none of the interface that was deleted

        static string OldTable(string route) => route.Split("table ")[1].Split(' ')[0];
    }

    [Fact]
    public void IPv6_that_is_off_costs_IPv6_alone()
    {
        _host.SetSetting($"net.ipv6.conf.{_name}.disable_ipv6", "1");

        RoutingResult result = _router.Apply(Desired("10.200.0.0/20", "fd20::/64"));

        Assert.Equal((MissingIPv6.SwitchedOff, true), (result.MissingIPv6, result.IsUp));
        Assert.Empty(result.Failures);
        Assert.Equal(["10.200.0.5/32"], Addresses());
        Assert.Contains($"dev {_name} ", RouteTo("10.200.3.4"), StringComparison.Ordinal);
        // Another interface has IPv6, and a default route.
        Assert.Contains("unreachable", _host.TryRun("ip", "route", "get", "fd20::6").Error, StringComparison.Ordinal);

        _host.SetSetting($"net.ipv6.conf.{_name}.disable_ipv6", "0");
        Assert.Equal(MissingIPv6.None, _router.Apply(Desired("10.200.0.0/20", "fd20::/64")).MissingIPv6);
        Assert.Contains($"dev {_name} ", RouteTo("fd20::6"), StringComparison.Ordinal);

        Assert.Equal(MissingIPv6.SmallMtu, _router.Apply(Desired("10.200.0.0/20", "fd20::/64") with { Mtu = 1200 }).MissingIPv6);
    }

    [Fact]
    public void What_the_kernel_refuses_keeps_nothing_else_from_being_done()
    {
        // No interface can have a multicast address, nor can routes have it for their source.
        RoutingResult result = _router.Apply(Desired("10.200.0.0/20", "fd20::/64") with { Addresses = [IpAddress.Parse("ff02::5"), .. Desired().Addresses] });

        Assert.Equal(2, result.Failures.Count);
        Assert.True(result.IsUp);
        Assert.Equal(["10.200.0.5/32", "fd20::5/128"], Addresses());
        Assert.Equal(RulesOf("10.200.0.0/20", 19300), Rules("-4"));
        Assert.Equal(RulesOf("fd20::/64", 19300), Rules("-6"));
    }

    [Fact]
    public void Rules_of_an_interface_go_with_it()
    {
        string other = AddTun();
        _router.Apply(Desired("10.200.0.0/20"));
        _router.Apply(Desired("10.201.0.0/20") with { Interface = other, Addresses = [IpAddress.Parse("10.201.0.5")] });

        string table = Table(_name);
        _router.Remove(_name);
        Assert.Empty(Routes("-4", table));
        Assert.Equal([$"10.201.0.0/20 dev {other} proto 76 scope link src 10.201.0.5 linkdown"], Routes("-4", Table(other)));
        Assert.Empty(Addresses());
        Assert.Equal(RulesOf("10.201.0.0/20", 19300, Table(other)), Rules("-4"));

        // As in a crash: what leads to it stays, refuses, and goes with the next one that ends or starts.
        _host.Ip("link", "del", other);
        Assert.Equal(3, Rules("-4").Count);
        _router.Delete(other);
        Assert.Empty(Rules("-4"));
        Assert.Empty(Rules("-6"));
        Assert.DoesNotContain(other, _host.Ip("link").Output, StringComparison.Ordinal);

        // Again, with nothing left; and an interface that has gone by itself.
        _router.Remove(_name);
        _router.Delete(other);
    }

    [Fact]
    public void An_interface_that_is_not_there_or_is_no_TUN_is_refused()
    {
        Assert.Equal(Errno.ENODEV, Assert.Throws<LinuxException>(() => _router.Apply(Desired("10.200.0.0/20") with { Interface = "nothing0" })).Errno);
        Assert.Equal(Errno.EINVAL, Assert.Throws<LinuxException>(() => _router.Delete("eth0")).Errno);
        Assert.Contains("eth0", _host.Ip("link").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_thousand_networks_behind_peers_are_told_and_changed_and_neighbours_share_their_rules()
    {
        // Every third one is missing, so that two of three are the halves of one at most.
        string[] prefixes = [.. Enumerable.Range(0, 1_500).Where(i => i % 3 != 2).Select(i => $"10.{100 + i / 250}.{i % 250}.0/24")];
        InterfaceRouting desired = Desired("10.200.0.0/20");
        _router.Apply(desired with { ChildPrefixes = Prefixes(prefixes) });
        Assert.Equal(1_001, Routes("-4").Count);
        Assert.InRange(Rules("-4").Count, 3, 3 * 760);
        Assert.Contains($"dev {_name} ", RouteTo("10.100.1.1"), StringComparison.Ordinal);
        Assert.Contains("dev eth0 ", RouteTo("10.100.2.1"), StringComparison.Ordinal);

        string[] neighbours = [.. Enumerable.Range(0, 256).Select(i => $"10.100.{i}.0/24")];
        _router.Apply(desired with { ChildPrefixes = Prefixes(neighbours) });
        Assert.Equal(257, Routes("-4").Count);
        Assert.Equal([.. RulesOf("10.200.0.0/20", 19300), .. RulesOf("10.100.0.0/16", 19303)], Rules("-4"));
    }

    [Fact]
    public void Another_mark_takes_the_place_of_the_one_before()
    {
        _router.Apply(Desired("10.200.0.0/20"));
        _router.Apply(Desired("10.200.0.0/20") with { Mark = new FirewallMark(0x20) });

        Assert.Equal(3, Rules("-4").Count);
        Assert.All(Rules("-4"), rule => Assert.Contains(" fwmark 0/0x20 ", rule, StringComparison.Ordinal));
        Assert.Contains("dev eth0 ", RouteTo("10.200.3.4", mark: "0x20"), StringComparison.Ordinal);
        Assert.Contains($"dev {_name} ", RouteTo("10.200.3.4", mark: "0x1000"), StringComparison.Ordinal);
    }

    private static bool Listens(RunningProcess monitor) =>
        File.ReadLines($"/proc/{monitor.ProcessId}/net/netlink")
            .Any(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, "0", var id, var groups, ..]
                && id == $"{monitor.ProcessId}" && groups != "00000000");

    private InterfaceRouting Desired(params string[] prefixes) => new()
    {
        Interface = _name,
        Mtu = 1280,
        Addresses = [IpAddress.Parse(Own), IpAddress.Parse(Own6)],
        ZonePrefixes = Prefixes(prefixes),
    };

    private static IpPrefix[] Prefixes(params string[] prefixes) => [.. prefixes.Select(prefix => IpPrefix.Parse(prefix))];

    /// <summary>The table of an interface, as <c>ip</c> numbers interfaces.</summary>
    private string Table(string name) => $"{19_300_000 + int.Parse(_host.Ip("link", "show", "dev", name).Output.Split(':')[0], CultureInfo.InvariantCulture)}";

    private string[] RulesOf(string prefix, int priority, string? table = null) =>
    [
        $"{priority}: from all to {prefix} fwmark 0/0x1000 lookup main suppress_prefixlength 0 proto 76",
        $"{priority + 1}: from all to {prefix} fwmark 0/0x1000 lookup {table ?? Table(_name)} proto 76",
        $"{priority + 2}: from all to {prefix} fwmark 0/0x1000 lookup {table ?? Table(_name)} unreachable proto 76",
    ];

    private string AddTun()
    {
        string name = _net.NewInterfaceName();
        _host.Ip("tuntap", "add", "mode", "tun", "name", name);
        return name;
    }

    private string RouteTo(string address, string? mark = null) =>
        _host.Ip(["route", "get", address, .. mark is null ? (string[])[] : ["mark", mark]]).Output;

    private IReadOnlyList<string> Everything() => [.. Routes("-4"), .. Routes("-6"), .. Rules("-4"), .. Rules("-6"), .. Addresses()];

    private IReadOnlyList<string> Addresses() =>
    [
        .. from line in Lines(_host.Ip("address", "show", "dev", _name).Output)
           where line.StartsWith("inet", StringComparison.Ordinal)
           select line.Split(' ')[1],
    ];

    private IReadOnlyList<string> Routes(string family, string? table = null)
    {
        CommandResult result = _host.TryRun("ip", family, "route", "show", "table", table ?? Table(_name));
        return result.Succeeded ? Lines(result.Output) : []; // there is no such table yet
    }

    private IReadOnlyList<string> Rules(string family) =>
    [
        .. from line in Lines(_host.Ip(family, "rule", "show").Output)
           where line.StartsWith("1930", StringComparison.Ordinal)
           select line.Replace('\t', ' '),
    ];

    private static IReadOnlyList<string> Lines(string output) =>
        [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];
}
