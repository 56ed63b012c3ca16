using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using static Kedge.Tests.Mesh.MapLines;

namespace Kedge.Tests.Mesh;

/// <summary>Introductions come between the frames of the map, and are no part of it.</summary>
public class PeerIntroductionTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_introduction_is_handed_on_as_it_was_sent(bool opened)
    {
        NetworkMap map = FourNodes();
        Assert.Null(map.Introduction);

        string[] endpoints = ["192.0.2.2:2", "[2001:db8::2]:2"];
        Assert.Equal(MapOutcome.Introduced, map.Apply(MapFrameWriter.Introduction(NodeId(2), Notice(opened, endpoints))));

        Assert.Equal((NodeId(2), opened), (map.Introduction!.From, map.Introduction.Opened));
        Assert.Equal(endpoints, map.Introduction.Endpoints.Select(endpoint => endpoint.Address.ToString()));
        Assert.All(map.Introduction.Endpoints, endpoint => Assert.Equal(PeerEndpointKind.Reflexive, endpoint.Kind));
    }

    [Fact]
    public void One_of_a_node_that_the_map_does_not_have_is_handed_on_too()
    {
        NetworkMap map = FourNodes();

        Assert.Equal(MapOutcome.Introduced, map.Apply(MapFrameWriter.Introduction(NodeId(77), Notice(false))));

        Assert.Equal(NodeId(77), map.Introduction!.From);
        Assert.Empty(map.Introduction.Endpoints);
        Assert.Equal("1=one 2=two 3=three", map.Described());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_is_under_way_is_committed_as_if_there_had_been_none(bool isSnapshot)
    {
        NetworkMap map = FourNodes();
        byte[] introduction = MapFrameWriter.Introduction(NodeId(3), Notice(false, "192.0.2.3:3"));

        Assert.Equal(MapOutcome.Introduced, map.ApplyAll(Open(), introduction));
        if (isSnapshot)
            Assert.Equal(MapOutcome.Introduced, map.ApplyAll(MapFrameWriter.Snapshot(), introduction));
        Assert.Equal(MapOutcome.Introduced, map.ApplyAll(Peer(0, "self"), Peer(1, "one"), introduction, Peer(2, "two anew"), introduction));
        Assert.Equal("1=one 2=two 3=three", map.Described());
        Assert.Equal(new MapPosition(Store, 10, Epoch, 5), map.Position);

        byte[][] rest = isSnapshot ? [Peer(4, "four"), Peer(5, "five"), Commit(12, 5, 6)] : [Peer(4, "four"), Remove(3), Commit(12, 4, 6)];
        Assert.Equal(MapOutcome.Committed, map.ApplyAll(rest));
        Assert.Equal(isSnapshot ? "1=one 2=two anew 4=four 5=five" : "1=one 2=two anew 4=four", map.Described());
        Assert.Equal(new MapPosition(Store, 12, Epoch, 6), map.Position);
    }

    [Fact]
    public void It_is_not_in_what_is_kept_of_a_map()
    {
        NetworkMap map = FourNodes();
        map.Apply(MapFrameWriter.Introduction(NodeId(2), Notice(false, "192.0.2.2:2")));

        NetworkMap read = MapCache.Read(MapCache.Write(map, new byte[32], Time), new byte[32], Self, out _)!;

        Assert.Equal(map.Described(), read.Described());
        Assert.Null(read.Introduction);
    }

    [Fact]
    public void Endpoints_that_make_no_sense_are_left_out_and_no_more_than_twelve_are_kept()
    {
        NetworkMap map = FourNodes();
        NodeEndpoint[] bad = [new("nowhere", "local"), new("192.0.2.1:0", "local"), new("192.0.2.1:1", "telepathic")];
        NodeEndpoint[] good = [.. Enumerable.Range(1, 20).Select(port => new NodeEndpoint($"192.0.2.1:{port}", "mapped"))];

        byte[] frame = MapFrameWriter.Introduction(NodeId(1), new IntroductionNotice([.. bad, .. good], false));
        Assert.Equal(MapOutcome.Introduced, map.Apply(frame));

        Assert.Equal(Enumerable.Range(1, 12), map.Introduction!.Endpoints.Select(endpoint => (int)endpoint.Address.Port));
        Assert.All(map.Introduction.Endpoints, endpoint => Assert.Equal(PeerEndpointKind.Mapped, endpoint.Kind));
    }

    [Fact]
    public void One_that_makes_no_sense_takes_nothing_away_from_the_one_before()
    {
        NetworkMap map = FourNodes();
        map.Apply(MapFrameWriter.Introduction(NodeId(2), Notice(true, "192.0.2.2:2")));

        string bad = $$$"""{"type":"introduction","id":"{{{NodeId(3)}}}","value":{"endpoints":7,"opened":false}}""";
        Assert.Equal(MapOutcome.Refused, map.Apply(bad));

        Assert.Equal(NodeId(2), map.Introduction!.From);
    }

    private static IntroductionNotice Notice(bool opened, params string[] endpoints) =>
        new([.. endpoints.Select(text => new NodeEndpoint(text, "reflexive"))], opened);
}
