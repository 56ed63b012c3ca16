using Kedge.Protocol.Discovery;
using Kedge.Protocol.Ip;
using Kedge.Tests.Discovery.Simulation;

namespace Kedge.Tests.Discovery;

/// <summary>Many nodes that find each other, on a virtual clock.</summary>
public sealed class DiscoveryTests
{
    [Fact]
    public void Two_nodes_that_a_third_knows_find_each_other_and_both_are_told()
    {
        using var network = new SimulatedNetwork(1);
        network.Add(3);
        network.KnockInLine();
        network.Run(2);
        (SimulatedNode a, SimulatedNode b) = (network.Nodes[0], network.Nodes[2]);
        a.LookUp(b.Address);
        network.Run(1);

        Assert.True(a.HasFound(b));
        Assert.True(a.IsConnected(b));
    }

    [Fact]
    public void A_hundred_nodes_in_a_line_of_knocks_all_reach_each_other()
    {
        using var network = new SimulatedNetwork(2);
        network.Add(100);
        network.KnockInLine();

        double? seconds = network.RunUntil(() => network.CountUnfindable() == 0, atMost: 30);
        Assert.True(seconds <= 3, $"It took {seconds} s.");
        AssertAllFind(network, 300);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public void With_a_tenth_of_all_datagrams_lost_they_still_do(int seed)
    {
        using var network = new SimulatedNetwork(seed) { Loss = 0.1 };
        network.Add(100);
        network.KnockInLine();

        Assert.NotNull(network.RunUntil(() => network.CountUnfindable() == 0, atMost: 60));
        AssertAllFind(network, 300);
    }

    [Fact]
    public void Where_nobody_can_be_knocked_at_they_are_introduced()
    {
        using var network = new SimulatedNetwork(5) { AllowsKnocks = false };
        network.Add(100);
        network.KnockInLine();

        Assert.NotNull(network.RunUntil(() => network.CountUnfindable() == 0, atMost: 60));
        AssertAllFind(network, 300);
    }

    [Fact]
    public void Nodes_whose_certificates_are_longer_than_a_frame_find_and_are_found()
    {
        using var network = new SimulatedNetwork(7) { AllowsKnocks = false };
        for (int i = 0; i < 12; i++)
            network.Add(tags: [.. Enumerable.Range(0, 30).Select(tag => $"{tag:D2}{new string('t', 60)}")]);
        network.KnockInLine();
        network.Run(20);

        Assert.All(network.Nodes, node => Assert.InRange(node.Certificate.Der.Length, 2400, 4096));
        AssertAllFind(network, 40);
    }

    [Fact]
    public void Nobody_is_found_who_does_not_exist_and_that_is_said_within_five_seconds()
    {
        using var network = new SimulatedNetwork(6);
        network.Add(10);
        network.KnockInLine();
        network.Run(5);
        SimulatedNode a = network.Nodes[0];
        a.LookUp(IpAddress.Parse("10.99.0.1"));
        network.Run(5);

        MemberNotFound failed = Assert.Single(a.Outcomes.OfType<MemberNotFound>());
        Assert.Equal(LookupFailure.Unknown, failed.Why);
        Assert.Equal(0, a.Protocol.LookupCount);
    }

    private static void AssertAllFind(SimulatedNetwork network, int pairs) =>
        Assert.Empty(network.LookUpAtRandom(pairs).Select(pair => $"{pair.From.Certificate.Name} -> {pair.To.Certificate.Name}"));
}
