using System.Globalization;
using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>Nodes whose UDP is blocked: they are reached by the controller, over TLS.</summary>
public sealed class StreamTests(NatMesh mesh) : IClassFixture<NatMesh>
{
    // What is promised to a person; the machine that runs tests has much else to do.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    [Theory]
    [InlineData(NodePlace.UdpBlocked, NodePlace.Public)]
    [InlineData(NodePlace.Public, NodePlace.UdpBlocked)]
    [InlineData(NodePlace.UdpBlocked, NodePlace.PortRestricted)]
    [InlineData(NodePlace.UdpBlocked, NodePlace.UdpBlocked)]
    public void A_node_whose_UDP_is_blocked_is_reached_by_the_controller(NodePlace a, NodePlace b)
    {
        using var pair = NatPair.Create(mesh.Network, a, b);

        NatPairResult result = pair.Connect(Patience);

        TestContext.Current.TestOutputHelper?.WriteLine($"{result.AnsweredAfter}");
        Assert.True(result.AnsweredAfter < Limit, $"{result}{pair.Logs()}");
        Assert.Equal("relayed", result.OfA.State);
        Assert.Equal("relayed", result.OfB.State);
        Assert.Equal("controller", NodePath.Of(pair.A, pair.B).Relay);
        Assert.Contains("by the controller (TLS)", pair.A.Try("status", MeshNode.Interface).Output, StringComparison.Ordinal);
        // What nodes ask of the controller meanwhile goes on, on the same listener.
        Assert.Equal(0, mesh.Network.Administer("node", "list").ExitCode);
    }

    [Fact]
    public void The_stream_outlives_the_control_link()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.UdpBlocked, NodePlace.Public);
        Assert.NotNull(pair.Connect(Patience).AnsweredAfter);
        using RunningProcess ping = pair.B.Host.Start("stdbuf", "-oL", "ping", "-n", "-i", "0.05", "-w", "60", pair.A.Address);
        ping.WaitForLine("bytes from", Limit);

        MeshNode.Kill(pair.A.ControlLink);
        MeshNode.Kill(pair.B.ControlLink);
        int before = Answers(ping);
        Wait.Until(() => Answers(ping) > before + 60, Patience, "answers by the stream");

        Assert.Equal(Enumerable.Range(0, Answers(ping)).Select(i => i + 1).Last(), LastSequence(ping));
    }

    [Fact]
    public void A_pair_leaves_the_stream_when_UDP_is_let_through()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.UdpBlocked, NodePlace.PortRestricted);
        Assert.Equal("relayed", pair.Connect(Patience).OfA.State);
        using RunningProcess ping = pair.B.Host.Start("stdbuf", "-oL", "ping", "-n", "-i", "0.1", "-w", "120", pair.A.Address);

        pair.GatewayOfA!.AllowUdp();

        Wait.Until(
            () => NodePath.Of(pair.A, pair.B).State == "direct" && NodePath.Of(pair.B, pair.A).State == "direct",
            TimeSpan.FromSeconds(90), "a direct path");
    }

    [Fact]
    public void While_the_controller_is_away_a_relay_takes_its_place()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.UdpBlocked, NodePlace.PortRestricted);
        MeshNode relay = pair.AddRelay("--listen-port", "443");
        Assert.Equal("relayed", pair.Connect(Patience).OfA.State);
        using RunningProcess ping = pair.B.Host.Start("stdbuf", "-oL", "ping", "-n", "-i", "0.1", "-w", "120", pair.A.Address);
        ping.WaitForLine("bytes from", Limit);
        try
        {
            mesh.Network.KillController();
            int before = Answers(ping);

            Wait.Until(() => Answers(ping) > before + 10 && NodePath.Of(pair.B, pair.A).Relay == relay.Label, Patience, "answers by the relay");

            string status = pair.A.Try("status", MeshNode.Interface).Output;
            Assert.Contains($"by {relay.Label} (TLS)", status, StringComparison.Ordinal);
            Assert.Contains($"by {relay.Label} (TLS)", relay.Try("status", MeshNode.Interface).Output, StringComparison.Ordinal);
        }
        finally
        {
            mesh.Network.RestartController();
        }
        // Others may only have a stream there.
        Wait.Until(
            () => pair.A.Try("status", MeshNode.Interface).Output.Contains("by the controller (TLS)", StringComparison.Ordinal),
            TimeSpan.FromSeconds(60), "the stream to the controller");
    }

    private static int Answers(RunningProcess ping) =>
        ping.Output.Split('\n').Count(line => line.Contains("bytes from", StringComparison.Ordinal));

    // 64 bytes from 10.77.0.1: icmp_seq=7 ttl=64 time=0.5 ms
    private static int LastSequence(RunningProcess ping)
    {
        string last = ping.Output.Split('\n').Last(line => line.Contains("bytes from", StringComparison.Ordinal));
        string number = last.Split("icmp_seq=")[1].Split(' ')[0];
        return int.Parse(number, CultureInfo.InvariantCulture);
    }
}
