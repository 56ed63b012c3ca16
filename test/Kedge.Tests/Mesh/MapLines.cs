using System.Text;
using Kedge.Protocol.Api;
using Kedge.Protocol.Mesh;

namespace Kedge.Tests.Mesh;

/// <summary>Frames and identifiers that tests of the map share.</summary>
internal static class MapLines
{
    public static readonly Guid Store = Guid.Parse("5a5a5a5a-0000-0000-0000-000000000001");
    public static readonly Guid Epoch = Guid.Parse("e0e0e0e0-0000-0000-0000-000000000001");
    public static readonly Guid Self = NodeId(0);
    public static readonly DateTimeOffset Time = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public static Guid NodeId(int number) => new(number, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);

    public static byte[] Open() => MapFrameWriter.Open(Store, Epoch, Time);

    /// <summary>A record whose certificate is the text's bytes.</summary>
    public static byte[] Peer(int number, string certificate) =>
        MapFrameWriter.Put(NodeId(number), new PeerResource(Encoding.UTF8.GetBytes(certificate)));

    public static byte[] Endpoints(int number, params string[] endpoints) =>
        MapFrameWriter.Put(NodeId(number), new EndpointsResource([.. endpoints.Select(text => new NodeEndpoint(text, "reflexive"))]));

    public static byte[] Remove(int number) => MapFrameWriter.Remove(MapResource.Peer(NodeId(number)));

    public static byte[] Commit(long revision, int count, long endpoints = 0) => MapFrameWriter.Commit(revision, endpoints, count);

    public static byte[] Bookmark(long revision, int count, long endpoints = 0) => MapFrameWriter.Bookmark(revision, endpoints, count, Time);

    /// <summary>The map of node 0 at revision 10, with nodes 0 to 3.</summary>
    public static NetworkMap FourNodes()
    {
        var map = new NetworkMap(Self);
        map.ApplyAll(
            Open(), MapFrameWriter.Snapshot(), Peer(0, "self"), Peer(1, "one"), Peer(2, "two"), Peer(3, "three"),
            Endpoints(1, "192.0.2.1:1"), Commit(10, 4, 5));
        return map;
    }

    /// <summary>Applies frames, and returns what the last did.</summary>
    public static MapOutcome ApplyAll(this NetworkMap map, params byte[][] frames) => frames.Select(frame => map.Apply(frame)).ToList()[^1];

    public static MapOutcome Apply(this NetworkMap map, string line) => map.Apply(Encoding.UTF8.GetBytes(line));

    /// <summary>The peers as <c>number=certificate</c>, in order.</summary>
    public static string Described(this NetworkMap map) => string.Join(' ', map.Peers.Values
        .Select(peer => $"{BitConverter.ToInt32(peer.Id.ToByteArray())}={Encoding.UTF8.GetString(peer.Certificate.Span)}")
        .Order(StringComparer.Ordinal));
}
