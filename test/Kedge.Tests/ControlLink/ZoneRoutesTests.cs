using Kedge.Node.ControlLink;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.ControlLink;

public class ZoneRoutesTests
{
    [Theory]
    [InlineData("10.200.0.0/20", true)]
    [InlineData("10.0.0.0/8", true)]
    [InlineData("8.0.0.0/6", false)] // larger than any private network
    [InlineData("0.0.0.0/0", false)]
    [InlineData("::/0", false)]
    [InlineData("10.201.0.0/20", false)] // this node is not in it
    [InlineData("192.0.2.0/24", false)]
    [InlineData("10.200.0.0", true)]
    [InlineData("nonsense", false)]
    [InlineData("fd00:200::/64", true)]
    [InlineData("fd00::/8", false)]
    public void A_map_draws_no_more_into_the_tunnel_than_the_network_that_this_node_is_certified_in(string prefix, bool usable)
    {
        IpAddress own = prefix == "10.200.0.0" ? IpAddress.Parse("10.200.0.0") : IpAddress.Parse("10.200.0.7");
        Assert.Equal(usable ? 1 : 0, ZoneRoutes.Usable([prefix], [own, IpAddress.Parse("fd00:200::7")], []).Count);
    }

    [Fact]
    public void What_the_controller_is_reached_by_is_never_routed_into_the_tunnel() =>
        Assert.Empty(ZoneRoutes.Usable(["10.200.0.0/20"], [IpAddress.Parse("10.200.0.7")], [IpAddress.Parse("10.200.9.9")]));

    [Theory]
    [InlineData("Harbour-7.example.com", "harbour-7")]
    [InlineData("my_machine", "my-machine")]
    [InlineData("-.-", "node")]
    [InlineData("", "node")]
    public void A_machines_name_becomes_a_label(string machine, string name) => Assert.Equal(name, Joining.DefaultName(machine));

    [Fact]
    public void A_long_name_is_cut_to_a_label() => Assert.Equal(63, Joining.DefaultName(new string('a', 100)).Length);
}
