using Kedge.Demo;
using Kedge.Demo.Nat;
using Kedge.Protocol.Ip;

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

        AssertOutage(pair, Limit, () => pair.GatewayOfA!.Reboot(keepsPorts: false));
    }

    [Fact]
    public void Of_two_known_paths_the_other_takes_TCP_over_in_less_than_2_s()
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.Public, NodePlace.Public);
        bool isIpv4 = pair.HasChosenIpv4();

        AssertOutage(pair, LimitWithAnotherPath, () => pair.DropUdp(isIpv4));

        Assert.NotEqual(isIpv4, Endpoint.Parse(NodePath.Of(pair.B, pair.A).Endpoint!).Address.IsIPv4);
    }

    [Fact]
    public void A_controller_that_is_killed_does_not_interrupt_TCP()
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);
        long before = Changes(pair);
        try
        {
            AssertOutage(pair, Nothing, mesh.Network.KillController, mustStop: false);

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

        AssertOutage(pair, Limit, () => pair.GatewayOfA!.Reboot(keepsPorts: true), mustStop: false);
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void A_NAT_with_another_address_stops_TCP_for_less_than_5_s()
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);

        AssertOutage(pair, Limit, () => pair.GatewayOfB!.ChangeAddress());

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

        AssertOutage(pair, Limit, () => pair.GatewayOfA!.Detach(pair.A.Host));

        Assert.StartsWith($"{other.Address}:", NodePath.Of(pair.B, pair.A).Endpoint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("Category", "Soak")]
    public void Datagrams_that_nobody_answers_stop_for_less_than_5_s_at_either_ends_NAT(bool atSender)
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);

        AssertOutage(pair, Limit, () => (atSender ? pair.GatewayOfB : pair.GatewayOfA)!.Reboot(keepsPorts: false), isUdp: true);
    }

    /// <summary>Changes something under a steady transfer from B to A, and counts for how long it stops.</summary>
    /// <param name="pair">A pair that is connected.</param>
    /// <param name="limit">After how long it must flow again.</param>
    /// <param name="change">What happens.</param>
    /// <param name="mustStop">Whether a transfer that does not stop says that nothing has happened.</param>
    /// <param name="isUdp">Whether traffic is one way.</param>
    private static void AssertOutage(NatPair pair, TimeSpan limit, Action change, bool mustStop = true, bool isUdp = false)
    {
        const int Steady = 10;
        using var transfer = Transfer.Start(pair.B.Host, pair.A.Host, pair.A.Address, isUdp);
        transfer.AwaitFlow();
        int before = transfer.Flows.Count;

        change();

        // It is back when it has flowed for a second; one that need not stop is watched for as long as it might take.
        int watched = mustStop ? Steady : (int)((Limit + TimeSpan.FromSeconds(1)) / Transfer.Interval);
        bool isBack = Wait.TryUntil(IsBack, Limit + TimeSpan.FromSeconds(6));
        TimeSpan outage = (After().LastIndexOf(false) + 1) * Transfer.Interval;
        string seen = FormattableString.Invariant(
            $"{outage.TotalSeconds:0.0} s; a: {NodePath.Of(pair.A, pair.B)}; b: {NodePath.Of(pair.B, pair.A)}\n{transfer}");
        TestContext.Current.TestOutputHelper?.WriteLine(FormattableString.Invariant($"Away for {outage.TotalSeconds:0.0} s."));
        if (!isBack)
            Assert.Fail($"It does not come back: {seen}{pair.Logs()}");
        if (outage > limit)
            Assert.Fail($"It was away for {seen}{pair.Logs()}");

        List<bool> After() => [.. transfer.Flows.Skip(before)];

        bool IsBack()
        {
            List<bool> after = After();
            return after.Count >= watched && (!mustStop || after.Contains(false)) && after.TakeLast(Steady).All(flows => flows);
        }
    }

    private static long Changes(NatPair pair) => ((MeshNode[])[pair.A, pair.B])
        .Sum(node => node.DeviceStatus().Gauges.Single(gauge => gauge.Name == "PathChanges").Value);
}
