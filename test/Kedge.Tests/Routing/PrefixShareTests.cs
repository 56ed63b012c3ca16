using Kedge.Node.Routing;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.Routing;

/// <summary>Interface 5 wants prefixes that interface 4 or 6 may have.</summary>
public class PrefixShareTests
{
    [Theory]
    [InlineData("10.1.0.0/16")]
    [InlineData("10.1.5.0/24")]
    [InlineData("10.0.0.0/8")]
    public void What_another_interface_has_is_its_own(string wanted)
    {
        PrefixShare share = Share([], [wanted, "10.9.0.0/24"], Claim("10.1.0.0/16", 6, isZone: true));

        Assert.Equal(["10.9.0.0/24"], Texts(share.All));
        Assert.Equal(["10.9.0.0/24"], Texts(share.Child));
        PrefixConflict conflict = Assert.Single(share.Conflicts);
        Assert.Equal((wanted, "10.1.0.0/16"), ($"{conflict.Prefix}", $"{conflict.Claim.Prefix}"));
        Assert.Equal(["10.1.0.0/16"], Texts(share.Foreign.Select(claim => claim.Prefix)));
    }

    [Fact]
    public void A_zone_precedes_a_network_behind_a_peer_whichever_came_first()
    {
        PrefixShare zone = Share(["10.1.0.0/16"], [], Claim("10.1.5.0/24", 4, isZone: false));
        Assert.Equal(["10.1.0.0/16"], Texts(zone.Zone));
        Assert.Empty(zone.Conflicts);
        Assert.Empty(zone.Foreign); // it is the other interface that has to go

        PrefixShare child = Share([], ["10.1.5.0/24"], Claim("10.1.5.0/24", 5, isZone: false), Claim("10.1.0.0/16", 6, isZone: true));
        Assert.Empty(child.All);
        Assert.Single(child.Foreign);
    }

    [Theory]
    [InlineData(4, false)]
    [InlineData(6, true)]
    public void Of_two_that_came_at_once_the_lower_index_keeps_it(int other, bool isKept)
    {
        PrefixShare share = Share([], ["10.7.0.0/24"], Claim("10.7.0.0/24", 5, isZone: false), Claim("10.7.0.0/16", other, isZone: false));

        Assert.Equal(isKept, share.All.Count == 1);
        Assert.Equal(isKept, share.Foreign.Count == 0);
    }

    [Fact]
    public void Who_has_a_prefix_already_keeps_it_though_one_inside_it_is_wanted_later()
    {
        PrefixShare share = Share([], ["10.7.0.0/16", "10.8.1.0/24"], Claim("10.7.0.0/16", 5, isZone: false), Claim("10.8.0.0/16", 6, isZone: false));

        Assert.Equal(["10.7.0.0/16"], Texts(share.All));
        Assert.Equal(["10.8.0.0/16"], Texts(share.Foreign.Select(claim => claim.Prefix)));
    }

    [Fact]
    public void A_network_inside_the_zone_or_another_one_needs_no_rules_of_its_own()
    {
        PrefixShare share = Share(["10.200.0.0/20", "fd20::/64"], ["10.200.1.0/24", "10.7.0.0/16", "10.7.1.0/24", "10.6.0.0/16", "fd20::/80"]);

        Assert.Equal(["10.200.0.0/20", "fd20::/64"], Texts(share.Zone));
        Assert.Equal(["10.6.0.0/15"], Texts(share.Child));
        Assert.Equal(7, share.All.Count);
    }

    private static PrefixClaim Claim(string prefix, int index, bool isZone) => new(IpPrefix.Parse(prefix), index, isZone);

    private static PrefixShare Share(string[] zone, string[] child, params PrefixClaim[] claims) => PrefixShare.Of(
        new InterfaceRouting
        {
            Interface = "kedge5",
            Mtu = 1420,
            Addresses = [],
            ZonePrefixes = [.. zone.Select(text => IpPrefix.Parse(text))],
            ChildPrefixes = [.. child.Select(text => IpPrefix.Parse(text))],
        },
        5,
        claims);

    private static IEnumerable<string> Texts(IEnumerable<IpPrefix> prefixes) => prefixes.Select(prefix => prefix.ToString());
}
