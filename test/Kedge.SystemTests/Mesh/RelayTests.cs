using System.Text.Json;
using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>Nodes that do not reach each other directly, and a node of their zone that relays.</summary>
public sealed class RelayTests(NatMesh mesh) : IClassFixture<NatMesh>
{
    // To reach are 3 s; the machine that runs tests has much else to do.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    [Theory]
    [InlineData(NodePlace.SymmetricRandom, NodePlace.SymmetricSequential)]
    [InlineData(NodePlace.SymmetricRandom, NodePlace.PortRestricted)]
    [InlineData(NodePlace.Ipv6Only, NodePlace.PortRestricted)]
    public void A_pair_that_cannot_be_direct_is_relayed(NodePlace a, NodePlace b)
    {
        using var pair = NatPair.Create(mesh.Network, a, b);
        MeshNode relay = pair.AddRelay();

        NatPairResult result = pair.Connect(Limit);

        Assert.True(result.AnsweredAfter < Limit, $"{result}{pair.Logs()}{relay.Try("status", MeshNode.Interface).Output}");
        Assert.Equal("relayed", result.OfA.State);
        Assert.Equal("relayed", result.OfB.State);
        Assert.Equal(relay.Label, NodePath.Of(pair.A, pair.B).Relay);
        Assert.Contains($"by {relay.Label}", pair.A.Try("status", MeshNode.Interface).Output, StringComparison.Ordinal);
        Assert.NotEqual(0, BytesFor(relay, pair.A));
        Assert.NotEqual(0, BytesFor(relay, pair.B));
    }

    [Fact]
    public void A_pair_that_can_be_direct_is_though_there_is_a_relay()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.PortRestricted, NodePlace.PortRestricted);
        pair.AddRelay();

        NatPairResult result = pair.Connect(Limit);

        Assert.NotNull(result.AnsweredAfter);
        Wait.Until(() => NodePath.Of(pair.A, pair.B).State == "direct" && NodePath.Of(pair.B, pair.A).State == "direct", Limit, "a direct path");
    }

    [Fact]
    public void A_node_without_the_tag_relays_nothing_and_says_so()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.SymmetricRandom, NodePlace.SymmetricRandom);
        MeshNode other = pair.AddPublicNode();
        CommandResult set = other.Try("set", "--interface", MeshNode.Interface, "--relay");
        Assert.Equal(0, set.ExitCode);

        NatPairResult result = pair.Connect(TimeSpan.FromSeconds(4));

        Assert.Null(result.AnsweredAfter);
        Wait.Until(
            () => other.Try("status", MeshNode.Interface).Output.Contains("no tag 'relay'", StringComparison.Ordinal), Limit, "that it says so");
    }

    [Fact]
    public void A_relay_that_is_killed_is_replaced_by_another()
    {
        using var pair = NatPair.Create(mesh.Network, NodePlace.SymmetricRandom, NodePlace.SymmetricRandom);
        MeshNode[] relays = [pair.AddRelay(), pair.AddRelay()];
        Assert.NotNull(pair.Connect(Limit).AnsweredAfter);
        MeshNode used = relays.Single(relay => relay.Label == NodePath.Of(pair.B, pair.A).Relay);
        using RunningProcess ping = pair.B.Host.Start("stdbuf", "-oL", "ping", "-n", "-D", "-i", "0.05", "-w", "20", pair.A.Address);
        ping.WaitForLine("bytes from", Limit);

        // Nobody may start it again: the machine is gone.
        foreach (string link in (string[])["lo", "eth0"])
            used.Host.TryRun("ip", "link", "set", link, "down");
        DateTimeOffset cut = DateTimeOffset.UtcNow;

        Wait.Until(() => NodePath.Of(pair.B, pair.A).Relay is { } now && now != used.Label, TimeSpan.FromSeconds(10), "the other relay");
        Wait.Until(() => LastAnswer(ping) > cut + TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(10), "an answer by it");
        TimeSpan outage = Gap(ping, cut);
        Assert.True(outage < TimeSpan.FromSeconds(5), $"Nothing came for {outage}.{pair.Logs()}");
    }

    private static DateTimeOffset LastAnswer(RunningProcess ping) => Answers(ping).DefaultIfEmpty(default).Last();

    private static TimeSpan Gap(RunningProcess ping, DateTimeOffset from)
    {
        DateTimeOffset[] times = [from, .. Answers(ping).Where(time => time > from)];
        return times.Zip(times.Skip(1), (one, next) => next - one).DefaultIfEmpty(TimeSpan.MaxValue).Max();
    }

    // [1700000000.123456] 64 bytes from ...
    private static IEnumerable<DateTimeOffset> Answers(RunningProcess ping) =>
        from line in ping.Output.Split('\n')
        where line.StartsWith('[') && line.Contains("bytes from", StringComparison.Ordinal)
        select DateTimeOffset.UnixEpoch + TimeSpan.FromSeconds(double.Parse(line[1..line.IndexOf(']')], System.Globalization.CultureInfo.InvariantCulture));

    private static long BytesFor(MeshNode relay, MeshNode node) => Peer(relay, node).GetProperty("relayedBytes").GetInt64();

    private static JsonElement Peer(MeshNode node, MeshNode peer) =>
        node.StatusJson().GetProperty("peers").EnumerateArray().Single(one => one.GetProperty("name").GetString() == peer.Label);
}
