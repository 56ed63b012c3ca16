using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;

namespace Kedge.Tests.Paths;

public class SurroundingsTests
{
    private static readonly Surroundings AtHome = new()
    {
        Addresses = [IpAddress.Parse("192.168.1.10")],
        OnLink = [IpPrefix.Parse("192.168.1.0/24")],
        Reflexive = [Endpoint.Parse("198.51.100.1:7000")],
        Port = 7000,
        Overlay = [IpPrefix.Parse("10.200.0.0/20")],
    };

    [Theory]
    [InlineData("192.168.1.20:7001")] // on the link
    [InlineData("203.0.113.9:7001")]
    public void An_endpoint_that_can_be_a_peers_is_tried(string endpoint) => Assert.Single(AtHome.Select([Local(endpoint)]));

    [Theory]
    [InlineData("192.168.2.20:7001")]
    [InlineData("10.1.2.3:7001")]
    [InlineData("172.16.0.1:7001")]
    [InlineData("100.64.0.1:7001")]
    [InlineData("127.0.0.1:7001")]
    [InlineData("[::1]:7001")]
    [InlineData("[::ffff:127.0.0.1]:7001")]
    [InlineData("0.0.0.0:7001")]
    [InlineData("[::]:7001")]
    [InlineData("224.0.0.5:7001")]
    [InlineData("255.255.255.255:7001")]
    [InlineData("[ff02::1]:7001")]
    [InlineData("169.254.3.4:7001")]
    [InlineData("[fe80::1%2]:7001")]
    [InlineData("203.0.113.1:0")]
    [InlineData("10.200.3.4:7001")] // the overlay
    [InlineData("192.168.1.10:7000")] // this device
    [InlineData("198.51.100.1:7000")] // this device, from outside
    [InlineData("[2001:db8::5]:7001")] // a family that this machine does not have
    public void No_peer_is_tried_where_none_can_be_whatever_it_says(string endpoint) => Assert.Empty(AtHome.Select(
        [Local(endpoint), At(endpoint, PeerEndpointKind.Reflexive), At(endpoint, PeerEndpointKind.Mapped), At(endpoint, PeerEndpointKind.Fixed)]));

    [Fact]
    public void Private_addresses_count_under_one_public_address() => Assert.Equal(
        ["192.168.7.20:7001", "198.51.100.1:7001"],
        AtHome.Select([Local("192.168.7.20:7001"), At("198.51.100.1:7001", PeerEndpointKind.Reflexive)]).Select(at => at.Address.ToString()));

    [Fact]
    public void Private_addresses_count_in_an_internal_network() =>
        Assert.Single((AtHome with { IsInternal = true }).Select([Local("192.168.7.20:7001")]));

    [Fact]
    public void Private_addresses_count_where_there_are_no_others() =>
        Assert.Single((AtHome with { Reflexive = [Endpoint.Parse("10.9.9.9:7000")] }).Select([Local("192.168.7.20:7001")]));

    [Fact]
    public void Private_addresses_count_where_the_machine_does_not_know_its_own() =>
        Assert.Single((AtHome with { Addresses = [], OnLink = [] }).Select([Local("192.168.7.20:7001")]));

    [Fact]
    public void Configured_and_mapped_endpoints_come_first_then_those_on_the_link() => Assert.Equal(
        ["203.0.113.77:1", "192.168.1.20:7001", "203.0.113.9:7001"],
        AtHome.Select([At("203.0.113.9:7001", PeerEndpointKind.Reflexive), Local("192.168.1.20:7001"), At("203.0.113.77:1", PeerEndpointKind.Fixed)])
            .Select(at => at.Address.ToString()));

    [Fact]
    public void A_peer_that_names_thousands_of_endpoints_gets_few_tried() => Assert.Equal(
        Surroundings.MaximumCandidates,
        AtHome.Select(Enumerable.Range(0, 5000).Select(n => Local($"192.168.1.20:{n + 1}"))).Count);

    [Fact]
    public void A_device_is_behind_a_nat_when_it_is_seen_under_an_address_that_it_does_not_have()
    {
        Assert.True(AtHome.IsBehindNat);
        Assert.False(new Surroundings().IsBehindNat);
        Assert.False((AtHome with { Addresses = [IpAddress.Parse("198.51.100.1")] }).IsBehindNat);
    }

    [Theory]
    [InlineData("", 2)]
    [InlineData("192.168.1.1 203.0.113.1 203.0.113.2 203.0.113.3", 2)]
    [InlineData("192.168.1.1 100.64.0.1 203.0.113.1", 3)]
    [InlineData("none none none none", 2)]
    [InlineData("none 100.64.0.1 none none", 3)]
    [InlineData("10.0.0.1 10.1.0.1 10.2.0.1 192.168.9.9", 5)]
    public void What_opens_the_nats_on_this_side_goes_one_router_further(string routers, byte timeToLive) => Assert.Equal(
        timeToLive,
        Surroundings.OpeningTimeToLiveOf([.. routers.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text => IpAddress.TryParse(text, out IpAddress address) ? address : default)]));

    [Theory]
    [InlineData("192.168.1.1 203.0.113.1 none none", true)]
    [InlineData("192.168.1.1 none 203.0.113.2 none", false)]
    [InlineData("192.168.1.1 100.64.0.1 none none", false)]
    [InlineData("none none none none", false)]
    public void The_first_public_router_behind_known_ones_is_enough(string routers, bool isEnough) => Assert.Equal(
        isEnough, Surroundings.AreEnough([.. routers.Split(' ').Select(text => IpAddress.TryParse(text, out IpAddress address) ? address : default)]));

    private static PeerEndpoint Local(string text) => At(text, PeerEndpointKind.Local);

    private static PeerEndpoint At(string text, PeerEndpointKind kind) => new(Endpoint.Parse(text), kind);
}
