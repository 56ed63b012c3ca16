using System.Diagnostics;
using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>Another program takes away what the kernel was given.</summary>
public sealed class RouteRepairTests(MeshPair pair) : IClassFixture<MeshPair>
{
    /// <summary>Well before routes are looked at without a reason.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    private MeshNode Alpha => pair.Alpha;

    [Fact]
    public void Rules_routes_addresses_and_the_link_itself_are_put_back_at_once_and_that_is_logged()
    {
        Alpha.AwaitReach(pair.Beta);
        string table = Policy().Split("lookup 193")[1].Split(' ')[0];
        IReadOnlyList<string> before = Everything();
        foreach (string line in (string[])
            [
                "-4 rule del priority 19301",
                "-6 rule del priority 19302",
                $"-4 route flush table 193{table}",
                $"-6 route flush table 193{table}",
                "address flush dev kedge0",
                "link set kedge0 down",
                "link set kedge0 mtu 1300",
            ])
        {
            Alpha.Host.Ip(line.Split(' '));
            Wait.Until(() => Everything().SequenceEqual(before), Soon, $"what it was before '{line}'");
        }
        string log = File.ReadAllText(Alpha.Run.LinkLog);
        Assert.Contains("Put back 1 rule of kedge0, which another program had deleted", log, StringComparison.Ordinal);
        Assert.True(Ping.Run(Alpha.Host, pair.Beta.Address, count: 1).AllReceived);
        Assert.True(Ping.Run(Alpha.Host, pair.Beta.Addresses[1], count: 1).AllReceived);
    }

    [Fact]
    public void A_fight_with_another_program_costs_little()
    {
        Alpha.AwaitReach(pair.Beta);
        using Process link = Process.GetProcessById(Alpha.ControlLink!.Value.Id);
        TimeSpan before = link.TotalProcessorTime;
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < TimeSpan.FromSeconds(4))
            Alpha.Host.TryRun("ip", "rule", "del", "priority", "19301");
        link.Refresh();
        Assert.InRange(link.TotalProcessorTime - before, TimeSpan.Zero, TimeSpan.FromSeconds(2));
        Wait.Until(() => Policy().Contains("19301:", StringComparison.Ordinal), Soon, "the rule");
    }

    [Fact]
    public void The_links_connection_to_its_controller_has_the_mark()
    {
        Wait.Until(() => Alpha.LinkStatus()?.Controller.Connected == true, MeshNetwork.Patience, "the connection");

        string sockets = Alpha.Host.Run("ss", "-Hntpe", "dport", "=", ":8443").Output;

        Assert.Contains("fwmark:0x1000", sockets, StringComparison.Ordinal);
    }

    private string Policy() => Alpha.Host.Ip("-4", "rule").Output + Alpha.Host.Ip("-6", "rule").Output;

    private IReadOnlyList<string> Everything() =>
    [
        .. Policy().Split('\n').Order(StringComparer.Ordinal),
        .. Alpha.Host.Ip("-4", "route", "show", "table", "all").Output.Split('\n').Order(StringComparer.Ordinal),
        .. Alpha.Host.Ip("-6", "route", "show", "table", "all").Output.Split('\n').Order(StringComparer.Ordinal),
        .. Alpha.Host.Ip("-o", "address", "show", "scope", "global").Output.Split('\n').Order(StringComparer.Ordinal),
        Alpha.Host.Ip("link", "show", "kedge0").Output.Split("state")[0],
    ];
}
