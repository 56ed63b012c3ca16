using Kedge.Demo.Nat;

namespace Kedge.SystemTests.Mesh;

/// <summary>
/// How long a busy transfer stops when the path under it is taken away, until data arrives again. TCP asks again later and later, so that
/// this is more than the time without a path.
/// </summary>
public sealed class PathChangeThroughputTests(NatMesh mesh) : IClassFixture<NatMesh>
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LimitWithAnotherPath = TimeSpan.FromSeconds(2);

    // No change of path takes so little; on a machine that is busy, iperf3's turn may come later than it should.
    private static readonly TimeSpan Nothing = TimeSpan.FromSeconds(0.5);

    [Fact]
    public void A_NAT_that_was_switched_off_and_on_and_takes_other_ports_stops_TCP_for_less_than_5_s()
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);

        Transfer.AssertOutage(pair, Limit, () => pair.GatewayOfA!.Reboot(keepsPorts: false));
    }

    [Fact]
    public void Of_two_known_paths_the_other_takes_TCP_over_in_less_than_2_s()
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.Public, NodePlace.Public);
        pair.AwaitChoice();
        bool wasIpv4 = false;

        Transfer.AssertOutage(pair, LimitWithAnotherPath, () => wasIpv4 = pair.DropUdpInUse());

        Assert.NotEqual(wasIpv4, pair.IsByIpv4());
    }

    [Fact]
    public void A_controller_that_is_killed_does_not_interrupt_TCP()
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);
        long before = Changes(pair);
        try
        {
            Transfer.AssertOutage(pair, Nothing, mesh.Network.KillController, mustStop: false);

            Assert.Equal(before, Changes(pair));
        }
        finally
        {
            mesh.Network.RestartController();
        }
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void A_NAT_that_was_switched_off_and_on_and_keeps_its_ports_stops_TCP_for_less_than_5_s()
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);

        Transfer.AssertOutage(pair, Limit, () => pair.GatewayOfA!.Reboot(keepsPorts: true), mustStop: false);
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void A_NAT_with_another_address_stops_TCP_for_less_than_5_s()
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);

        Transfer.AssertOutage(pair, Limit, () => pair.GatewayOfB!.ChangeAddress());

        Assert.StartsWith($"{pair.GatewayOfB!.Address}:", NodePath.Of(pair.A, pair.B).Endpoint, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void An_uplink_that_is_lost_and_replaced_by_another_stops_TCP_for_less_than_5_s()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);
        Gateway other = mesh.Network.Internet!.AddGateway($"{pair.A.Label}-other");
        other.Attach(pair.A.Host, metric: 2);
        pair.AssertConnects();

        Transfer.AssertOutage(pair, Limit, () => pair.GatewayOfA!.Detach(pair.A.Host));

        Assert.StartsWith($"{other.Address}:", NodePath.Of(pair.B, pair.A).Endpoint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("Category", "Soak")]
    public void Datagrams_that_nobody_answers_stop_for_less_than_5_s_at_either_ends_NAT(bool atSender)
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);

        Transfer.AssertOutage(pair, Limit, () => (atSender ? pair.GatewayOfB : pair.GatewayOfA)!.Reboot(keepsPorts: false), isUdp: true);
    }

    private static long Changes(NatPair pair) => ((MeshNode[])[pair.A, pair.B])
        .Sum(node => node.DeviceStatus().Gauges.Single(gauge => gauge.Name == "PathChanges").Value);
}
