using Kedge.Protocol.Api;
using Kedge.Protocol.Mesh;
using static Kedge.Tests.Mesh.MapLines;

namespace Kedge.Tests.Mesh;

public class MapCacheTests
{
    private static readonly byte[] Network = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    [Fact]
    public void A_map_is_read_as_it_was_written_and_goes_on_from_its_revision()
    {
        NetworkMap map = FourNodes();
        map.ApplyAll(
            MapFrameWriter.Put(new ZoneResource(NodeId(100), "default", ["10.200.0.0/20"])), MapFrameWriter.Put(new TrustResource([[1]], [])),
            MapFrameWriter.Put(NodeId(3), new PeerResource([3], "192.0.2.3:3")), Commit(11, 4, 6));

        NetworkMap read = MapCache.Read(MapCache.Write(map, Network, Time), Network, Self, out string reason)!;

        Assert.Empty(reason);
        Assert.Equal(map.Described(), read.Described());
        Assert.Equal(map.Position, read.Position);
        Assert.Equal(map.EndpointsOf(NodeId(1)), read.EndpointsOf(NodeId(1)));
        Assert.Equal(map.Peers[NodeId(3)].FixedEndpoint, read.Peers[NodeId(3)].FixedEndpoint);
        Assert.Equal(map.Zone!.Prefixes, read.Zone!.Prefixes);
        Assert.Equal(map.Trust!.Authorities, read.Trust!.Authorities);
        Assert.Equal(MapOutcome.Committed, read.ApplyAll(Open(), Remove(1), Commit(12, 3, 6)));
    }

    [Fact]
    public void An_empty_map_is_not_written() => Assert.Throws<InvalidOperationException>(() => MapCache.Write(new NetworkMap(Self), Network, Time));

    [Fact]
    public void The_map_of_another_node_or_network_is_refused()
    {
        byte[] file = MapCache.Write(FourNodes(), Network, Time);

        Assert.Null(MapCache.Read(file, Network, NodeId(1), out string reason));
        Assert.Contains("another network or node", reason, StringComparison.Ordinal);
        Assert.Null(MapCache.Read(file, new byte[32], Self, out _));
    }

    [Fact]
    public void Damage_anywhere_is_found()
    {
        byte[] file = MapCache.Write(FourNodes(), Network, Time);
        for (int i = 0; i < file.Length; i++)
        {
            byte[] damaged = [.. file];
            damaged[i] ^= 0x10;
            Assert.Null(MapCache.Read(damaged, Network, Self, out _));
            Assert.Null(MapCache.Read(file.AsSpan(0, i), Network, Self, out _));
        }
    }
}
