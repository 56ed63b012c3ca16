using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Mesh;

/// <summary>
/// The map of a node whose network has no controller: it makes it itself, of the nodes that it has been introduced to. These are the frames that
/// change it, so that everything behind a map is the same in both kinds of networks.
/// </summary>
public static class OwnMap
{
    /// <summary>What a peer is called in the map: the first bytes of its WireGuard key's hash.</summary>
    public static Guid IdOf(NodeCertificate certificate) =>
        new(Sha256Digest.Of(certificate.WireGuardKey.ToArray()).ToArray().AsSpan(0, 16), bigEndian: true);

    /// <summary>The frames that begin an empty map.</summary>
    /// <param name="zone">The network's zone.</param>
    /// <param name="time">The present time.</param>
    public static IEnumerable<byte[]> Begin(ZoneResource zone, DateTimeOffset time) =>
    [
        MapFrameWriter.Open(zone.Id, zone.Id, time),
        MapFrameWriter.Snapshot(),
        MapFrameWriter.Put(zone),
        MapFrameWriter.Commit(revision: 1, sequence: 1, count: 0),
    ];

    /// <summary>The frames that put a node into a map, in place of what it was there before.</summary>
    /// <param name="map">The map, which was begun.</param>
    /// <param name="certificate">The node's certificate.</param>
    /// <param name="endpoints">Where it can be reached.</param>
    public static IEnumerable<byte[]> Put(NetworkMap map, NodeCertificate certificate, IEnumerable<PeerEndpoint> endpoints)
    {
        Guid id = IdOf(certificate);
        MapPosition position = map.Position;
        int count = map.Peers.Count + (map.Peers.ContainsKey(id) ? 0 : 1);
        return
        [
            MapFrameWriter.Open(position.Store, position.Epoch, DateTimeOffset.UnixEpoch),
            MapFrameWriter.Put(id, new PeerResource(certificate.Der.ToArray())),
            MapFrameWriter.Put(id, new EndpointsResource([.. endpoints.Select(at => new NodeEndpoint(at.Address.ToString(), at.Kind.ToText()))])),
            MapFrameWriter.Commit(position.Revision + 1, position.Sequence + 1, count),
        ];
    }
}
