using Kedge.Demo;
using Kedge.Node.Routing;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Routing;

/// <summary>A machine with a LAN (192.168.7.0/24, fd07::/64), a static route (10.50.0.0/16) and a default route.</summary>
public sealed class RoutingConflictTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _host;
    private readonly string _name;

    public RoutingConflictTests()
    {
        _host = _net.AddHost("host");
        _net.Connect(_host, _net.AddHost("neighbour"), ["192.168.7.1/24", "fd07::1/64"], ["192.168.7.2/24", "fd07::2/64"]);
        _host.AddRoute("default", "192.168.7.2");
        _host.AddRoute("default", "fd07::2");
        _host.AddRoute("10.50.0.0/16", "192.168.7.2");
        _host.AddAddress("lo", "10.60.0.1/32");
        _name = AddTun();
    }

    public void Dispose() => _net.Dispose();

    [Theory]
    [InlineData("10.200.0.0/20", null, null)]
    [InlineData("192.168.6.0/24", null, null)]
    [InlineData("192.168.7.0/24", "192.168.7.0/24", "eth0")]
    [InlineData("192.168.0.0/16", "192.168.7.0/24", "eth0")]
    [InlineData("192.168.7.128/25", "192.168.7.0/24", "eth0")]
    [InlineData("10.50.1.0/24", "10.50.0.0/16", "eth0")]
    [InlineData("10.60.0.0/24", "10.60.0.1/32", "lo")]
    [InlineData("fd07::/48", "fd07::/64", "eth0")]
    [InlineData("fd08::/64", null, null)]
    public void A_prefix_conflicts_with_what_it_overlaps(string prefix, string? existing, string? owner)
    {
        RoutingConflict? conflict = RoutingConflict.Find([IpPrefix.Parse(prefix)], _name, _host.Namespace);
        Assert.Equal(existing, conflict?.Existing.ToString());
        Assert.Equal(owner, conflict?.Interface);
    }

    [Fact]
    public void An_interfaces_own_routes_are_no_conflict_and_another_overlays_are()
    {
        string other = AddTun();
        using (Router router = Router.Open(_host.Namespace))
        {
            router.Apply(new InterfaceRouting
            {
                Interface = _name,
                Mtu = 1420,
                Addresses = [IpAddress.Parse("10.200.0.5"), IpAddress.Parse("fd20::5")],
                ZonePrefixes = [IpPrefix.Parse("10.200.0.0/20"), IpPrefix.Parse("fd20::/64")],
            });
        }
        IpPrefix[] wanted = [IpPrefix.Parse("10.200.0.0/20"), IpPrefix.Parse("fd20::/64")];
        Assert.Null(RoutingConflict.Find(wanted, _name, _host.Namespace));

        RoutingConflict conflict = Assert.IsType<RoutingConflict>(RoutingConflict.Find(wanted, other, _host.Namespace));
        Assert.True(conflict.IsOverlay);
        string message = conflict.ToError("blue").Message;
        foreach (string part in (string[])["blue", "10.200.0.0/20", _name, "--netns"])
            Assert.Contains(part, message, StringComparison.Ordinal);
    }

    private string AddTun()
    {
        string name = _net.NewInterfaceName();
        _host.Ip("tuntap", "add", "mode", "tun", "name", name);
        return name;
    }
}
