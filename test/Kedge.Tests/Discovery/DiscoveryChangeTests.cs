using Kedge.Protocol.Discovery;
using Kedge.Protocol.Ip;
using Kedge.Tests.Discovery.Simulation;

namespace Kedge.Tests.Discovery;

/// <summary>Nodes that move, go, come back, and forget.</summary>
public sealed class DiscoveryChangeTests
{
    [Fact]
    public void A_node_whose_address_has_changed_is_found_where_it_is_and_its_peers_are_told()
    {
        using SimulatedNetwork network = Begin(30, 40);
        SimulatedNode moving = network.Nodes[17];
        moving.Move();
        network.Run(3);

        foreach (SimulatedNode node in network.Nodes.Where(node => node != moving && node.IsConnected(moving)))
            Assert.Contains(node.Outcomes.OfType<EndpointsTold>(), told => told.Endpoints.Any(endpoint => endpoint.Address == moving.Place));
        foreach (SimulatedNode node in network.Nodes.Where(node => node != moving))
            node.LookUp(moving.Address);
        network.Run(6);
        Assert.All(network.Nodes.Where(node => node != moving), node => Assert.True(node.HasFound(moving), node.Certificate.Name));
    }

    [Fact]
    public void Two_that_move_at_once_find_each_other_within_five_seconds_by_their_homes()
    {
        using SimulatedNetwork network = Begin(31, 100);
        network.Run(30);
        (SimulatedNode a, SimulatedNode b) = (network.Nodes[3], network.Nodes[90]);
        a.LookUp(b.Address);
        network.Run(2);
        a.Move();
        b.Move();
        network.Run(2);
        a.LookUp(b.Address);
        network.Run(3);

        Assert.True(a.HasFound(b));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_node_that_is_started_again_is_found_with_and_without_what_it_kept(bool keepsState)
    {
        using SimulatedNetwork network = Begin(32, 80);
        SimulatedNode node = network.Nodes[40];
        node.Restart(keepsState);
        if (!keepsState)
            node.Knock(network.Nodes[5]);
        network.Run(10);
        SimulatedNode other = network.Nodes[70];
        other.LookUp(node.Address);
        node.LookUp(network.Nodes[60].Address);
        network.Run(3);

        Assert.True(other.HasFound(node));
        Assert.True(node.HasFound(network.Nodes[60]));
    }

    [Fact]
    public void A_network_that_was_switched_off_as_a_whole_finds_itself_by_what_its_nodes_kept()
    {
        using SimulatedNetwork network = Begin(33, 70);
        foreach (SimulatedNode node in network.Nodes)
            node.Stop();
        network.Run(86_400); // all records are too old by then
        foreach (SimulatedNode node in network.Nodes)
            node.Restart(keepsState: true);

        Assert.NotNull(network.RunUntil(() => network.CountUnfindable() == 0, atMost: 60));
    }

    [Fact]
    public void Whoever_leaves_is_forgotten_by_its_peers_at_once()
    {
        using SimulatedNetwork network = Begin(34, 10);
        SimulatedNode leaving = network.Nodes[4];
        SimulatedNode[] peers = [.. network.Nodes.Where(node => node.IsConnected(leaving))];
        leaving.Protocol.Leave(network.Now);
        leaving.Pump();
        network.Run(0.1);

        Assert.NotEmpty(peers);
        Assert.All(peers, peer => Assert.DoesNotContain(leaving.Certificate.Name, peer.Protocol.Anchors.Select(anchor => anchor.Name)));
        Assert.All(peers, peer => Assert.Contains(peer.Outcomes.OfType<MemberLeft>(), left => left.Key == leaving.Key));
    }

    [Fact]
    public void With_half_of_the_anchors_gone_most_are_found_at_once_and_all_within_one_refresh()
    {
        using SimulatedNetwork network = Begin(35, 200, isCheap: true);
        network.Run(120);
        HashSet<string> anchors = [.. network.Nodes[0].Protocol.Anchors.Select(anchor => anchor.Name)];
        SimulatedNode[] ending = [.. network.Nodes.Where(node => anchors.Contains(node.Certificate.Name))];
        foreach (SimulatedNode node in ending.Take(32))
            node.Stop();

        Assert.InRange(Share(network, 300), 0.85, 1);
        network.Run(600);
        Assert.Equal(1, Share(network, 300));
    }

    [Fact]
    public void While_nodes_come_go_and_move_the_others_are_found()
    {
        using SimulatedNetwork network = Begin(36, 200, isCheap: true);
        double found = 0;
        for (int minute = 0; minute < 15; minute++)
        {
            network.Churn(2);
            network.Run(60);
            found += Share(network, 50) / 15;
        }
        Assert.InRange(found, 0.98, 1);
    }

    [Fact]
    public void An_address_in_a_network_behind_a_node_is_found_by_the_smallest_network_that_it_is_in()
    {
        using var network = new SimulatedNetwork(37);
        network.Add(90);
        SimulatedNode wide = network.Add(childPrefixes: ["10.96.0.0/12"]), narrow = network.Add(childPrefixes: ["10.100.0.0/16"]);
        network.KnockAtRandom();
        network.Run(60);
        SimulatedNode asking = network.Nodes[8];
        asking.LookUp(IpAddress.Parse("10.97.3.4"));
        asking.LookUp(IpAddress.Parse("10.100.3.4"));
        network.Run(6);

        Dictionary<IpAddress, string> found = asking.Outcomes.OfType<MemberFound>().GroupBy(one => one.Address).ToDictionary(
            group => group.Key, group => group.Last().Certificate.Name);
        Assert.Equal(wide.Certificate.Name, found[IpAddress.Parse("10.97.3.4")]);
        Assert.Equal(narrow.Certificate.Name, found[IpAddress.Parse("10.100.3.4")]);
    }

    [Fact]
    public void Nodes_with_the_tag_are_anchors_before_all_others()
    {
        using var network = new SimulatedNetwork(38, isCheap: true);
        network.Add(150);
        for (int i = 0; i < 5; i++)
            network.Add(tags: ["anchor"]);
        network.KnockAtRandom();
        network.Run(20);

        Assert.All(network.Nodes, node => Assert.All(node.Protocol.Anchors.Take(5), anchor => Assert.Contains("anchor", anchor.Tags)));
        Assert.All(network.Nodes, node => Assert.Equal(64, node.Protocol.Anchors.Count()));
    }

    [Fact]
    public void Private_addresses_are_told_to_peers_and_nobody_else()
    {
        using SimulatedNetwork network = Begin(39, 2);
        (SimulatedNode a, SimulatedNode b) = (network.Nodes[0], network.Nodes[1]);
        PeerEndpoint shown = new(a.Place, PeerEndpointKind.Reflexive), hidden = new(Endpoint.Parse("192.168.1.7:7891"), PeerEndpointKind.Local);
        a.Protocol.SetEndpoints(network.Now, [hidden, shown]);
        a.Pump();
        Assert.Equal([shown], a.Protocol.Record!.Endpoints);

        b.Restart(keepsState: true);
        network.Run(5);
        Assert.Contains(b.Outcomes.OfType<EndpointsTold>(), told => told.Endpoints.Contains(hidden));

        a.Protocol.SetEndpoints(network.Now, [hidden]);
        a.Pump();
        network.Run(10);
        Assert.Equal([hidden], a.Protocol.Record!.Endpoints); // it has no other
    }

    private static SimulatedNetwork Begin(int seed, int count, bool isCheap = false)
    {
        var network = new SimulatedNetwork(seed, isCheap);
        network.Add(count);
        network.KnockAtRandom();
        network.Run(10);
        return network;
    }

    private static double Share(SimulatedNetwork network, int count) => 1 - (double)network.LookUpAtRandom(count).Count / count;
}
