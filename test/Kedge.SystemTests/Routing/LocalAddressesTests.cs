using Kedge.Demo;
using Kedge.Node.Routing;

namespace Kedge.SystemTests.Routing;

public sealed class LocalAddressesTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _host;

    public LocalAddressesTests() => _host = _net.AddHost("host");

    public void Dispose() => _net.Dispose();

    [Fact]
    public void Addresses_by_which_others_reach_us_are_found_those_with_a_default_route_first()
    {
        Host neighbour = _net.AddHost("neighbour");
        _net.Connect(_host, neighbour, ["192.168.8.1/24"], ["192.168.8.2/24"]);
        _net.Connect(_host, neighbour, ["192.168.7.1/24", "fd07::1/64", "169.254.3.1/16"], ["192.168.7.2/24", "fd07::2/64"]);
        _host.AddRoute("default", "192.168.7.2");
        _host.AddAddress("lo", "10.60.0.1/32");
        _host.Ip("address", "add", "fd07::dead/64", "dev", "eth1", "preferred_lft", "0", "nodad"); // deprecated
        string tun = _net.NewInterfaceName();
        _host.Ip("tuntap", "add", "mode", "tun", "name", tun);
        _host.Ip("link", "set", tun, "up");
        _host.AddAddress(tun, "10.200.0.5/32");

        Assert.Equal(["192.168.7.1", "fd07::1", "192.168.8.1"], Find());
    }

    [Fact]
    public void A_bridge_counts_when_it_leads_to_other_machines()
    {
        Host neighbour = _net.AddHost("neighbour");
        _host.Ip("link", "add", "name", "containers", "type", "bridge");
        _host.Ip("link", "add", "name", "lan", "type", "bridge");
        _net.Connect(_host, neighbour, [], ["192.168.7.2/24"]);
        _host.Ip("link", "set", "eth0", "master", "lan");
        _host.Ip("link", "set", "containers", "up");
        _host.Ip("link", "set", "lan", "up");
        _host.AddAddress("containers", "172.17.0.1/16");
        _host.AddAddress("lan", "192.168.7.1/24");
        _host.AddRoute("default", "192.168.7.2");

        Assert.Equal(["192.168.7.1"], Find());
    }

    [Fact]
    public void A_machine_without_a_network_has_none() => Assert.Empty(Find());

    private IReadOnlyList<string> Find() => [.. LocalAddresses.Find(_host.Namespace).Select(address => address.ToString())];
}
