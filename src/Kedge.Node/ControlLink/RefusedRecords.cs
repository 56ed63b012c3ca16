using Kedge.Protocol.Api;
using Kedge.Protocol.Mesh;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Which records of a map are not used, and why: each is logged once, and the controller is told with its map's acknowledgement. One thread
/// at a time.
/// </summary>
/// <param name="map">The map.</param>
/// <param name="peers">The nodes that are admitted from it.</param>
/// <param name="log">Receives records that are refused.</param>
internal sealed class RefusedRecords(NetworkMap map, ZonePeers peers, ILogger log)
{
    private const int Maximum = 100;

    private Dictionary<string, string> _logged = [];

    /// <summary>The acknowledgement of a map that is applied and on the disk.</summary>
    /// <param name="saved">The position of the map on the disk.</param>
    /// <param name="acknowledged">What was acknowledged last; null for nothing.</param>
    /// <returns>The acknowledgement; null if it says nothing new.</returns>
    public MapAcknowledgement? AcknowledgementAfter(MapPosition saved, MapAcknowledgement? acknowledged)
    {
        RefusedResource[] refused =
            [.. ZoneReport.Refusals(map, peers).Take(Maximum).Select(refusal => new RefusedResource(refusal.Resource, refusal.Reason))];
        bool isNew = acknowledged is null
            || acknowledged.Store != saved.Store
            || acknowledged.Revision != saved.Revision
            || !acknowledged.Refused.SequenceEqual(refused);
        return isNew && saved.Revision > 0 ? new MapAcknowledgement(saved.Store, saved.Revision, refused) : null;
    }

    /// <summary>Logs records that are refused, or for another reason than before.</summary>
    public void LogNew()
    {
        Dictionary<string, string> refusals = ZoneReport.Refusals(map, peers)
            .Take(Maximum)
            .DistinctBy(refusal => refusal.Resource)
            .ToDictionary(refusal => refusal.Resource, refusal => refusal.Reason);
        foreach ((string resource, string reason) in refusals)
            if (_logged.GetValueOrDefault(resource) != reason)
                Log.PeerRefused(log, resource, reason);
        _logged = refusals;
    }
}
