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
        _router.Apply(Desired("10.200.0.0/20", "fd20::/64", "10.77.0.0/16"));

        string link = _host.Ip("link", "show", "dev", _name).Output;
        Assert.Contains("mtu 1280", link, StringComparison.Ordinal);
        Assert.Contains(",UP", link, StringComparison.Ordinal);
        Assert.Equal(["10.200.0.5/32", "fd20::5/128"], Addresses());
        Assert.Equal(
            [
                $"10.77.0.0/16 dev {_name} proto 76 scope link src {Own} linkdown",
                $"10.200.0.0/20 dev {_name} proto 76 scope link src {Own} linkdown",
            ],
            Routes("-4"));
        Assert.Equal([$"fd20::/64 dev {_name} proto 76 src {Own6} metric 1024 linkdown pref medium"], Routes("-6"));
        foreach (string family in (string[])["-4", "-6"])
        {
            Assert.Equal(
                [
                    "19300: from all lookup main suppress_prefixlength 0 proto 76",
                    "19301: not from all fwmark 0x6b650000/0xffff0000 lookup 19301 proto 76",
                ],
                Rules(family));
        }
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
        Assert.Contains("dev eth0 ", RouteTo("198.51.100.1", mark: "0x6b650000"), StringComparison.Ordinal);
        Assert.Contains("dev eth0 ", RouteTo("198.51.100.1", mark: "0x6b651234"), StringComparison.Ordinal);
        Assert.Contains($"dev {_name} ", RouteTo("198.51.100.1", mark: "0x1"), StringComparison.Ordinal);
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
        _host.Ip("route", "add", "10.88.0.0/16", "dev", _name, "table", "19301");
        _host.Ip("rule", "add", "priority", "19300", "lookup", "77");

        _router.Apply(Desired("10.200.0.0/20", "10.78.0.0/16") with { Addresses = [IpAddress.Parse("10.200.0.6")] });

        Assert.Equal(["10.9.9.9/32", "10.200.0.6/32"], Addresses());
        Assert.Equal(["10.78.0.0/16", "10.88.0.0/16", "10.200.0.0/20"], Routes("-4").Select(route => route.Split(' ')[0]));
        Assert.Contains(Routes("-4"), route => route.StartsWith("10.200.0.0/20", StringComparison.Ordinal) && route.Contains("src 10.200.0.6 ", StringComparison.Ordinal));
        Assert.Empty(Routes("-6"));
        Assert.Contains("19300: from all lookup 77", Rules("-4"));
    }

    [Fact]
    public void What_somebody_else_has_taken_away_comes_back()
    {
        _router.Apply(Desired("10.200.0.0/20", "fd20::/64"));
        IReadOnlyList<string> before = Everything();
        _host.Ip("-4", "route", "flush", "table", "19301");
        _host.Ip("-6", "rule", "del", "priority", "19301");
        _host.Ip("address", "del", $"{Own}/32", "dev", _name);
        _host.Ip("link", "set", _name, "down");

        _router.Apply(Desired("10.200.0.0/20", "fd20::/64"));

        Assert.Equal(before, Everything());
    }

    [Fact]
    public void Rules_go_with_the_last_interface()
    {
        string other = AddTun();
        _router.Apply(Desired("10.200.0.0/20"));
        _router.Apply(Desired("10.201.0.0/20") with { Interface = other, Addresses = [IpAddress.Parse("10.201.0.5")] });

        _router.Remove(_name);
        Assert.Equal([$"10.201.0.0/20 dev {other} proto 76 scope link src 10.201.0.5 linkdown"], Routes("-4"));
        Assert.Empty(Addresses());
        Assert.Equal(2, Rules("-4").Count);

        _router.Delete(other);
        Assert.Empty(Routes("-4"));
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
    public void A_thousand_routes_are_told_and_changed()
    {
        string[] prefixes = [.. Enumerable.Range(0, 1_000).Select(i => $"10.{100 + i / 250}.{i % 250}.0/24")];
        _router.Apply(Desired(prefixes));
        Assert.Equal(1_000, Routes("-4").Count);
        _router.Apply(Desired(prefixes[..10]));
        Assert.Equal(10, Routes("-4").Count);
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
        Prefixes = [.. prefixes.Select(prefix => IpPrefix.Parse(prefix))],
    };

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

    private IReadOnlyList<string> Routes(string family)
    {
        CommandResult result = _host.TryRun("ip", family, "route", "show", "table", "19301");
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
