using Kedge.Node.ControlLink;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Tests.ControlLink;

public class OwnEndpointsTests
{
    private static readonly IpAddress[] Addresses = [IpAddress.Parse("192.0.2.7")];

    [Fact]
    public void A_node_announces_what_STUN_sees_and_its_own_addresses_with_its_port()
    {
        using DeviceStatus device = Device(port: 51820);
        Assert.Equal(
            ["203.0.113.9:4000 (reflexive)", "192.0.2.7:51820 (local)"],
            OwnEndpoints.Find(device, new NodeSettings(), default, Addresses).Select(OwnEndpoints.Describe));
    }

    [Fact]
    public void A_node_without_a_port_announces_nothing()
    {
        using DeviceStatus device = Device(port: 0);
        Assert.Empty(OwnEndpoints.Find(device, new NodeSettings(), default, Addresses));
        Assert.Empty(OwnEndpoints.Find(device, new NodeSettings { LocalEndpointAddresses = ["198.51.100.1"] }, default, Addresses));
    }

    [Fact]
    public void What_the_gateway_maps_comes_before_what_STUN_sees_unless_a_person_has_said_where_the_node_is()
    {
        var mapped = Endpoint.Parse("203.0.113.9:40100");
        using DeviceStatus device = Device(port: 51820);
        Assert.Equal(
            ["203.0.113.9:40100 (mapped)", "203.0.113.9:4000 (reflexive)", "192.0.2.7:51820 (local)"],
            OwnEndpoints.Find(device, new NodeSettings(), mapped, Addresses).Select(OwnEndpoints.Describe));
        Assert.Equal(
            ["198.51.100.1:51820 (fixed)", "192.0.2.7:51820 (local)"],
            OwnEndpoints.Find(device, new NodeSettings { LocalEndpointAddresses = ["198.51.100.1"] }, mapped, Addresses).Select(OwnEndpoints.Describe));
    }

    private static DeviceStatus Device(ushort port)
    {
        var device = new DeviceStatus { ListenPort = port };
        device.StunResults.Add(new StunResult(Endpoint.Parse("192.0.2.9:3478"), Endpoint.Parse("203.0.113.9:4000")));
        return device;
    }
}
