using Kedge.Protocol.Certificates;
using Kedge.Protocol.Discovery;
using Kedge.Tests.Discovery.Simulation;

namespace Kedge.Tests.Discovery;

/// <summary>Revocation lists, which go from node to node.</summary>
public sealed class RevocationSpreadTests : IDisposable
{
    private readonly SimulatedNetwork _network = new(21);

    public void Dispose() => _network.Dispose();

    [Fact]
    public void A_list_that_one_node_has_comes_to_all_and_the_revoked_node_is_no_peer_any_more()
    {
        _network.Add(40);
        _network.KnockInLine();
        _network.Run(5);
        SimulatedNode revoked = _network.Nodes[20];
        _network.Nodes[0].Protocol.UseTrust(_network.Now, With(List(1, revoked)));
        _network.Nodes[0].Pump();
        _network.Run(5);

        // It is left alone before it hears of that itself.
        Assert.All(_network.Nodes.Where(node => node != revoked), node => Assert.Equal([1], node.Trust.RevocationLists.Select(list => list.Number)));
        foreach (SimulatedNode node in _network.Nodes.Where(node => node != revoked))
        {
            Assert.DoesNotContain(revoked.Key, node.Sessions);
            Assert.DoesNotContain(revoked.Certificate.Name, node.Protocol.Anchors.Select(anchor => anchor.Name));
        }
    }

    [Fact]
    public void Lists_only_go_forward()
    {
        _network.Add(2);
        (SimulatedNode a, SimulatedNode b) = (_network.Nodes[0], _network.Nodes[1]);
        _network.Add(1);
        SimulatedNode revoked = _network.Nodes[2];
        a.Protocol.UseTrust(_network.Now, With(List(7, revoked)));
        b.Protocol.UseTrust(_network.Now, With(List(3)));
        a.Knock(b);
        _network.Run(2);

        Assert.All([a, b], node => Assert.Equal(7, node.Protocol.Trust.RevocationLists.Max(list => list.Number)));
        Assert.All([a, b], node => Assert.NotNull(node.Protocol.Trust.Verify(
            revoked.Certificate, NetworkZone.IdOf(_network.Master.Certificate.NetworkId), _network.Time)));
        Assert.Empty(a.Outcomes.OfType<TrustChanged>().Skip(1));
    }

    [Fact]
    public void A_list_of_a_thousand_certificates_comes_in_parts_also_where_datagrams_are_lost()
    {
        _network.Add(5);
        _network.Loss = 0.1;
        _network.KnockInLine();
        _network.Run(5);
        RevokedCertificate[] entries = [.. Enumerable.Range(0, 1000).Select(_ => new RevokedCertificate(_network.NextSerial(), SimulatedNetwork.Start))];
        RevocationList list = _network.Master.SignRevocationList(9, SimulatedNetwork.Start, entries);
        Assert.InRange(list.Der.Length, 30_000, 40_000);
        _network.Nodes[0].Protocol.UseTrust(_network.Now, With(list));
        _network.Nodes[0].Pump();

        Assert.NotNull(_network.RunUntil(() => _network.Nodes.All(node => node.Protocol.Trust.RevocationLists.Any(one => one.Number == 9)), 120));
    }

    [Fact]
    public void Where_the_one_who_tells_of_a_list_goes_another_one_is_asked()
    {
        _network.Add(3);
        (SimulatedNode a, SimulatedNode b, SimulatedNode c) = (_network.Nodes[0], _network.Nodes[1], _network.Nodes[2]);
        RevocationList list = List(4);
        a.Protocol.UseTrust(_network.Now, With(list));
        b.Protocol.UseTrust(_network.Now, With(list));
        a.Sends = (_, frame) => frame[1] != (byte)DiscoveryFrameKind.Part; // it tells, and then says nothing
        a.Knock(c);
        _network.Run(0.5);
        b.Knock(c);
        _network.Run(20);

        Assert.Equal(4, c.Protocol.Trust.RevocationLists.Single().Number);
    }

    private RevocationList List(long number, params SimulatedNode[] revoked) => _network.Master.SignRevocationList(
        number, SimulatedNetwork.Start, [.. revoked.Select(node => new RevokedCertificate(node.Certificate.Serial, SimulatedNetwork.Start))]);

    private NetworkTrust With(RevocationList list) => _network.Trust.Merge([], [list.Der.ToArray()]);
}
