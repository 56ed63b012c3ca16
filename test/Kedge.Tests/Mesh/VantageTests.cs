using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;

namespace Kedge.Tests.Mesh;

public class VantageTests
{
    private static readonly Vantage BehindNat = new() { Own = [Local("192.168.1.10:7000"), Reflexive("198.51.100.1:7000")] };

    [Fact]
    public void Peers_behind_the_same_nat_are_tried_at_their_local_addresses_first() => Assert.Equal(
        [At("192.168.1.20:7001"), At("198.51.100.1:7001")],
        BehindNat.Order([Reflexive("198.51.100.1:7001"), Local("192.168.1.20:7001")]));

    [Fact]
    public void Peers_elsewhere_are_tried_where_they_are_seen_from_outside_first() => Assert.Equal(
        [At("203.0.113.9:7001"), At("192.168.1.20:7001")],
        BehindNat.Order([Local("192.168.1.20:7001"), Reflexive("203.0.113.9:7001")]));

    [Fact]
    public void In_an_internal_network_local_addresses_come_first() => Assert.Equal(
        [At("192.168.1.20:7001"), At("203.0.113.9:7001")],
        (BehindNat with { InternalNetwork = true }).Order([Reflexive("203.0.113.9:7001"), Local("192.168.1.20:7001")]));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_a_person_has_told_comes_before_all(bool internalNetwork) => Assert.Equal(
        At("203.0.113.77:1"),
        (BehindNat with { InternalNetwork = internalNetwork })
            .Order([Local("192.168.1.20:7001"), Reflexive("198.51.100.1:7001"), new(At("203.0.113.77:1"), PeerEndpointKind.Fixed)])[0]);

    [Theory]
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
    [InlineData("192.168.1.10:7000")] // this node
    public void No_peer_is_tried_where_none_can_be(string endpoint) => Assert.Empty(
        (BehindNat with { Overlay = [IpPrefix.Parse("10.200.0.0/20")] })
            .Order([Local(endpoint), Reflexive(endpoint), new(At(endpoint), PeerEndpointKind.Fixed)]));

    [Fact]
    public void A_family_that_this_node_does_not_have_comes_last() => Assert.Equal(
        [At("192.168.1.20:7001"), At("[2001:db8::5]:7001")],
        BehindNat.Order([Reflexive("[2001:db8::5]:7001"), Local("192.168.1.20:7001")]));

    [Fact]
    public void A_peer_that_names_thousands_of_endpoints_gets_few_tried()
    {
        IReadOnlyList<Endpoint> order = BehindNat.Order(
            Enumerable.Range(0, 5000).Select(n => Local($"192.168.{n / 250}.{n % 250 + 1}:7001")));

        Assert.Equal(Vantage.MaximumCandidates, order.Count);
    }

    [Fact]
    public void A_node_is_behind_a_nat_when_it_is_seen_under_an_address_that_it_does_not_have()
    {
        Assert.True(BehindNat.IsBehindNat);
        Assert.False(new Vantage().IsBehindNat);
        Assert.False(new Vantage { Own = [Local("203.0.113.5:7000")] }.IsBehindNat);
        Assert.False(new Vantage { Own = [Local("203.0.113.5:7000"), Reflexive("203.0.113.5:7000")] }.IsBehindNat);
        // One address of several is translated: that is enough.
        Assert.True(new Vantage { Own = [Local("[2001:db8::1]:1"), Reflexive("[2001:db8::1]:1"), Local("10.0.0.2:1"), Reflexive("203.0.113.5:1")] }.IsBehindNat);
    }

    private static Endpoint At(string text) => Endpoint.Parse(text);

    private static PeerEndpoint Local(string text) => new(At(text), PeerEndpointKind.Local);

    private static PeerEndpoint Reflexive(string text) => new(At(text), PeerEndpointKind.Reflexive);
}
