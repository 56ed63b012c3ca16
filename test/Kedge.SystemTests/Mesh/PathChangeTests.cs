using System.Buffers.Binary;
using System.Diagnostics;
using Kedge.Demo;
using Kedge.Demo.Nat;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;
using Kedge.SystemTests.Interop;
using Kedge.SystemTests.Linux;

namespace Kedge.SystemTests.Mesh;

/// <summary>How long traffic stops when the path under it is taken away. Twenty packets a second tell.</summary>
public sealed class PathChangeTests(NatMesh mesh) : IClassFixture<NatMesh>
{
    private const double PingsPerSecond = 20;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LimitWithAnotherPath = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1 / PingsPerSecond);

    [Fact]
    public void A_NAT_that_was_switched_off_and_on_and_takes_other_ports_stops_it_for_less_than_5_s()
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);

        AssertOutage(pair, Limit, () => pair.GatewayOfA!.Reboot(keepsPorts: false));
    }

    [Fact]
    public void An_uplink_that_is_lost_is_replaced_by_another_in_less_than_5_s()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);
        Gateway other = mesh.Network.Internet!.AddGateway($"{pair.A.Label}-other");
        other.Attach(pair.A.Host, metric: 2);
        pair.AssertConnects();

        AssertOutage(pair, Limit, () => pair.GatewayOfA!.Detach(pair.A.Host));

        Assert.StartsWith($"{other.Address}:", NodePath.Of(pair.B, pair.A).Endpoint, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void A_NAT_that_was_switched_off_and_on_and_keeps_its_ports_stops_it_for_less_than_5_s()
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);

        // With both ends sending, a mapping is back with the first packet.
        AssertOutage(pair, Limit, () => pair.GatewayOfA!.Reboot(keepsPorts: true), mustStop: false);
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void A_NAT_with_another_address_stops_it_for_less_than_5_s()
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.PortRestricted, NodePlace.AcceptsInInput);

        AssertOutage(pair, Limit, () => pair.GatewayOfB!.ChangeAddress());

        Assert.StartsWith($"{pair.GatewayOfB!.Address}:", NodePath.Of(pair.A, pair.B).Endpoint, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void A_machine_that_moves_to_another_network_is_back_in_less_than_5_s()
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.SymmetricRandom, NodePlace.FullCone);
        Gateway other = mesh.Network.Internet!.AddGateway($"{pair.A.Label}-other");

        AssertOutage(pair, Limit, () =>
        {
            pair.GatewayOfA!.Detach(pair.A.Host);
            other.Attach(pair.A.Host);
        });
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void Of_two_known_paths_the_other_takes_over_in_less_than_2_s()
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.Public, NodePlace.Public);
        pair.AwaitChoice();
        bool wasIpv4 = false;

        AssertOutage(pair, LimitWithAnotherPath, () => wasIpv4 = pair.DropUdpInUse());

        Assert.NotEqual(wasIpv4, pair.IsByIpv4());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("Category", "Soak")]
    public void Traffic_that_nobody_answers_notices_a_change_at_either_end_too(bool atSender)
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);
        using UdpPort from = new(), to = new();
        pair.A.Host.Namespace.Run(() => from.Open(0));
        pair.B.Host.Namespace.Run(() => to.Open(7000));
        using var receiver = new Receiver(to);
        var destination = new Endpoint(IpAddress.Parse(pair.B.Address), 7000);
        int sent = 0;
        Send(1);
        int before = sent;

        (atSender ? pair.GatewayOfA : pair.GatewayOfB)!.Reboot(keepsPorts: false);
        Send(Limit.TotalSeconds + 2);

        int[] arrived = [.. receiver.All.Select(one => BinaryPrimitives.ReadInt32LittleEndian(one.Bytes)).Distinct()];
        Assert.InRange(arrived.Count(number => number < before), before / 2, before);
        TimeSpan outage = (sent - before - arrived.Count(number => number >= before)) * Interval;
        if (outage > Limit)
            Assert.Fail(FormattableString.Invariant($"It was away for {outage.TotalSeconds:0.00} s or longer.{pair.Logs()}"));

        void Send(double seconds)
        {
            for (int i = 0; i < seconds * PingsPerSecond; i++)
            {
                from.Sockets[0].Send([Batch.Datagram(destination, sent++)]);
                Wait.TryUntil(() => false, Interval);
            }
        }
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void Without_a_controller_a_path_lasts_and_comes_back_where_ports_stay()
    {
        using NatPair pair = NatPair.Connected(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);
        mesh.Network.KillController();
        try
        {
            AssertOutage(pair, TimeSpan.Zero, () => { }, mustStop: false);
            AssertOutage(pair, Limit, () => pair.GatewayOfA!.Reboot(keepsPorts: true), mustStop: false);
        }
        finally
        {
            mesh.Network.RestartController();
        }
    }

    [Fact]
    public void Without_a_controller_a_peer_in_common_introduces_two_nodes()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.PortRestricted, NodePlace.AcceptsInInput);
        MeshNode other = pair.AddPublicNode();
        pair.Up();
        pair.A.AwaitReach(other);
        pair.B.AwaitReach(other);
        Wait.Until(() => Knows(pair.A, pair.B, pair.GatewayOfB!) && Knows(pair.B, pair.A, pair.GatewayOfA!), MeshNetwork.Patience, "endpoints");
        mesh.Network.KillController();
        try
        {
            Wait.Until(
                () => ((MeshNode[])[pair.A, pair.B]).All(node => node.LinkStatus()?.Controller.Connected == false),
                MeshNetwork.Patience, "the controller's absence to be noticed");
            long start = Stopwatch.GetTimestamp();
            pair.B.AwaitReach(pair.A);

            Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, Limit);
        }
        finally
        {
            mesh.Network.RestartController();
        }

        static bool Knows(MeshNode node, MeshNode peer, Gateway gateway) =>
            NodePath.Of(node, peer).Text.Contains($"\"{gateway.Address}:", StringComparison.Ordinal);
    }

    /// <summary>Changes something under steady pings, and counts those that get lost.</summary>
    /// <param name="pair">A pair that is connected.</param>
    /// <param name="limit">For how long pings may get lost.</param>
    /// <param name="change">What happens.</param>
    /// <param name="mustStop">Whether none lost says that nothing has happened.</param>
    private static void AssertOutage(NatPair pair, TimeSpan limit, Action change, bool mustStop = true)
    {
        using var pings = PingStream.Start(pair.B.Host, pair.A.Address, interval: Interval.TotalSeconds);
        pings.WaitForReplies(MeshNetwork.Patience, count: 10);
        int before = pings.Answered.Max(), lostBefore = pings.Lost.Count;

        change();

        // Long enough that whatever is lost within the limit is followed by answers; the rest is for a machine that is busy.
        int last = before + (int)((limit.TotalSeconds + 2) * PingsPerSecond);
        bool isBack = Wait.TryUntil(() => pings.Answered.Max() >= last, 2 * limit + TimeSpan.FromSeconds(10));
        TimeSpan outage = (pings.Lost.Count - lostBefore) * Interval;
        string seen = FormattableString.Invariant(
            $"{outage.TotalSeconds:0.00} s; a: {NodePath.Of(pair.A, pair.B)}; b: {NodePath.Of(pair.B, pair.A)}");
        if (!isBack)
            Assert.Fail($"It does not come back: {seen}{pair.Logs()}");
        if (outage > limit)
            Assert.Fail($"It was away for {seen}{pair.Logs()}");
        Assert.True(outage > TimeSpan.Zero || !mustStop, "Nothing has happened.");
    }
}
