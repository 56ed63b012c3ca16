using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Mesh;

namespace Kedge.Node.ControlLink;

/// <summary>
/// When a map goes to the disk: some seconds after a change, at once after a removal, and again and again where the disk cannot be
/// written. Whom the node believes goes before it: a map is acknowledged, and so asked for no more, only once its revocations are kept.
/// One thread at a time.
/// </summary>
/// <param name="file">The map's file.</param>
/// <param name="admitted">The file of the admitted certificates.</param>
/// <param name="trust">Whom the node believes.</param>
/// <param name="saved">What is in the file.</param>
/// <param name="problems">Receives write failures.</param>
public sealed class MapSaver(MapFile file, AdmittedFile admitted, ZoneTrust trust, MapPosition saved, Problems problems)
{
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(10);

    private Instant _at = Instant.Never;

    /// <summary>How far the map on the disk is.</summary>
    public MapPosition Saved { get; private set; } = saved;

    /// <summary>Whether there is something that is not on the disk.</summary>
    public bool HasMore => _at != Instant.Never;

    /// <summary>The map has changed.</summary>
    /// <param name="isRemoval">Whether something is gone or revoked, which must not come back by a restart.</param>
    public void Plan(bool isRemoval) => _at = Instant.Earlier(_at, BootClock.Now + (isRemoval ? TimeSpan.Zero : Delay));

    /// <summary>Whether it is time to write.</summary>
    public bool IsDue(Instant now) => now >= _at;

    /// <summary>
    /// Writes the map and the admitted certificates. If the disk cannot be written, that is reported as a problem, and everything goes on.
    /// </summary>
    public void Save(NetworkMap map, IEnumerable<ZonePeer> peers)
    {
        try
        {
            trust.Save();
            // The certificates first: a crash in between costs nothing, since a node that is not in the map is not admitted.
            admitted.Write(peers, map);
            file.Write(map, DateTimeOffset.UtcNow);
            Saved = map.Position;
            _at = Instant.Never;
            problems.Set("map", null);
        }
        catch (LinuxException exception)
        {
            _at = BootClock.Now + Retry;
            problems.Set("map", $"The map could not be kept: {exception.Message}. Everything goes on; after a restart an older one is used.");
        }
    }
}
