using Kedge.Demo;
using Kedge.SystemTests.Mesh;

namespace Kedge.SystemTests.Routing;

/// <summary>
/// A machine with two providers and routing by source, another VPN with a policy as wg-quick makes it, and a rule of its own. Nothing that
/// is not for the overlay may find another way because of it.
/// </summary>
public sealed class ForeignFlowTests : IDisposable
{
    // Addresses, marks and interfaces that lookups come with.
    private static readonly string[] Flows =
    [
        "203.0.113.9",
        "203.0.113.9 from 10.1.1.2",
        "203.0.113.9 from 10.2.2.2",
        "203.0.113.9 mark 0x77",
        "203.0.113.9 mark 0x1000",
        "203.0.113.9 mark 0xca6c",
        "203.0.113.9 from 10.1.1.9 iif eth1",
        "203.0.113.9 from 10.2.2.9 iif eth2",
        "10.1.1.1",
        "10.2.2.1 from 10.2.2.2",
        "10.99.3.4",
        "10.99.3.4 from 10.2.2.2",
        "10.199.255.255",
        "10.200.16.0",
        "10.200.16.0 from 10.2.2.2",
        "10.77.1.1",
        "10.77.2.1 from 10.2.2.2",
        "192.0.2.1",
        "192.0.2.1 from 10.2.2.2",
        "172.30.1.1",
        "2001:db8:9::9",
        "2001:db8:9::9 from fd02:2::2",
        "2001:db8:9::9 mark 0x77",
        "fd99::1",
    ];

    private readonly MeshNetwork _mesh = new();

    public void Dispose() => _mesh.Dispose();

    [Fact]
    public void What_is_not_for_the_overlay_goes_where_it_went_and_nothing_is_left_of_us()
    {
        MeshNode gateway = _mesh.AddNode("gateway");
        gateway.Up("--join-file", _mesh.WriteToken("--allow-prefix", "10.77.0.0/24"), "--child-prefix", "10.77.0.0/24");
        MeshNode node = _mesh.AddNode("node");
        Host host = node.Host;
        SetUp(host);
        IReadOnlyList<string> flows = Look(host), policy = Policy(host);
        Assert.Contains("via 10.2.2.1 dev eth2", flows[2], StringComparison.Ordinal);

        node.Up("--join-file", _mesh.JoinFile);
        node.AwaitReach(gateway);
        Wait.Until(
            () => host.Ip("route", "get", "10.77.0.9").Output.Contains("dev kedge0", StringComparison.Ordinal), MeshNetwork.Patience, "the network behind the gateway");
        Assert.Equal(flows, Look(host));
        Assert.Contains("dev kedge0", host.Ip("route", "get", gateway.Address, "from", "10.2.2.2").Output, StringComparison.Ordinal);

        Assert.True(node.Try("down").Succeeded);
        Assert.Equal(flows, Look(host));
        Assert.Equal(policy, Policy(host));
    }

    private void SetUp(Host host)
    {
        Host providers = _mesh.Net.AddHost("providers");
        _mesh.Net.Connect(host, providers, ["10.1.1.2/24", "fd01:1::2/64"], ["10.1.1.1/24", "fd01:1::1/64"]);
        _mesh.Net.Connect(host, providers, ["10.2.2.2/24", "fd02:2::2/64"], ["10.2.2.1/24", "fd02:2::1/64"]);
        host.AddRoute("default", "10.1.1.1");
        host.AddRoute("default", "fd01:1::1");
        host.AddRoute("10.77.1.0/24", "10.1.1.1"); // beside a network behind a peer
        host.EnableForwarding();
        // By source.
        host.Ip("-4", "route", "add", "default", "via", "10.2.2.1", "table", "200");
        host.Ip("-6", "route", "add", "default", "via", "fd02:2::1", "table", "200");
        host.Ip("-4", "rule", "add", "from", "10.2.2.0/24", "lookup", "200");
        host.Ip("-6", "rule", "add", "from", "fd02:2::/64", "lookup", "200");
        // Another VPN, which takes a network and what has its mark.
        host.Ip("tuntap", "add", "mode", "tun", "name", "vpn0");
        host.Ip("link", "set", "vpn0", "up");
        host.AddAddress("vpn0", "10.99.0.2/32");
        host.AddAddress("vpn0", "fd99::2/128");
        foreach ((string family, string network) in ((string, string)[])[("-4", "10.99.0.0/16"), ("-6", "fd99::/64")])
        {
            host.Ip(family, "route", "add", network, "dev", "vpn0", "table", "52");
            host.Ip(family, "rule", "add", "priority", "5270", "lookup", "52");
            host.Ip(family, "route", "add", "default", "dev", "vpn0", "table", "77");
            host.Ip(family, "rule", "add", "priority", "32000", "fwmark", "0x77", "lookup", "77");
        }
        host.Ip("-4", "rule", "add", "priority", "19400", "to", "172.30.0.0/16", "prohibit");
    }

    private static IReadOnlyList<string> Look(Host host) =>
    [
        .. from flow in Flows
           let found = host.TryRun(["ip", "route", "get", .. flow.Split(' ')])
           select $"{flow}: {found.Output}{found.Error}",
    ];

    // What the kernel learns by itself, such as from neighbours, is not the question.
    private static IReadOnlyList<string> Policy(Host host) =>
    [
        .. host.Ip("-4", "rule").Output.Split('\n'),
        .. host.Ip("-6", "rule").Output.Split('\n'),
        .. host.Ip("-4", "route", "show", "table", "all").Output.Split('\n').Order(StringComparer.Ordinal),
        .. host.Ip("-6", "route", "show", "table", "all").Output.Split('\n').Order(StringComparer.Ordinal),
    ];
}
