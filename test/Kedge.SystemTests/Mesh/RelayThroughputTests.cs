using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>What TCP by a relay notices of changes on the way. A person waits for 5 s at most.</summary>
public sealed class RelayThroughputTests(NatMesh mesh) : IClassFixture<NatMesh>
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    [Fact]
    public void A_relay_that_is_gone_stops_TCP_for_less_than_5_s()
    {
        using NatPair pair = NatPair.Create(mesh.Network, NodePlace.SymmetricRandom, NodePlace.SymmetricRandom);
        MeshNode[] relays = [pair.AddRelay(), pair.AddRelay()];
        pair.AssertConnects();

        Transfer.AssertOutage(pair, Limit, () =>
        {
            MeshNode used = relays.Single(relay => relay.Label == NodePath.Of(pair.B, pair.A).Relay);
            foreach (string link in (string[])["lo", "eth0"])
                used.Host.TryRun("ip", "link", "set", link, "down");
        });
    }

    [Fact]
    public void A_relay_with_another_address_stops_TCP_for_less_than_5_s()
    {
        using NatPair pair = NatPair.Create(mesh.Network, NodePlace.SymmetricRandom, NodePlace.SymmetricRandom);
        MeshNode relay = pair.AddRelay();
        pair.AssertConnects();

        Transfer.AssertOutage(pair, Limit, () => pair.MoveToAnotherAddress(relay), mustStop: false);

        Assert.Equal(relay.Label, NodePath.Of(pair.B, pair.A).Relay);
    }

    [Fact]
    public void UDP_that_is_blocked_in_the_middle_stops_TCP_for_less_than_5_s_and_is_used_again_afterwards()
    {
        using NatPair pair = NatPair.Create(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);
        pair.AssertConnects();

        Transfer.AssertOutage(pair, Limit, pair.GatewayOfA!.BlockUdp);

        Assert.Equal("controller", NodePath.Of(pair.B, pair.A).Relay);
        using RunningProcess ping = pair.B.Host.Start("ping", "-n", "-q", "-i", "0.1", "-w", "120", pair.A.Address);
        pair.GatewayOfA.AllowUdp();
        Wait.Until(() => NodePath.Of(pair.A, pair.B).State == "direct", TimeSpan.FromSeconds(90), "a direct path");
    }
}
