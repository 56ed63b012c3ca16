using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Mesh;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// What a zone keeps on disk: its map, the admitted certificates, and whom the node believes. They are written some seconds after a change,
/// at once after a removal, and again and again if the disk cannot be written. Trust is written before the map: a map is acknowledged, and
/// so not asked for again, only once its revocations are kept. One thread at a time.
/// </summary>
internal sealed class ZoneFiles
{
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(10);

    private readonly MapFile _file;
    private readonly AdmittedFile _admittedFile;
    private readonly Problems _problems;
    private Instant _at = Instant.Never;

    /// <summary>Reads what is on disk. A file that cannot be used is logged and skipped.</summary>
    /// <param name="folder">The node's folder.</param>
    /// <param name="membership">What it has joined.</param>
    /// <param name="certificates">What has been checked already.</param>
    /// <param name="problems">Receives write failures.</param>
    /// <param name="log">Receives what cannot be read.</param>
    public ZoneFiles(NodeFolder folder, Membership membership, VerifiedCertificates certificates, Problems problems, ILogger log)
    {
        _problems = problems;
        Sha256Digest network = Sha256Digest.Parse(membership.Network);
        _file = new MapFile(folder, network, membership.NodeId);
        _admittedFile = new AdmittedFile(folder);
        Trust = ZoneTrust.Read(folder, network, certificates, Skip); // before the map: that may leave out what was revoked
        Map = _file.Read(Skip) ?? new NetworkMap(membership.NodeId);
        Admitted = _admittedFile.Read(Skip);
        Saved = Map.Position;

        void Skip(string path, string reason) => Log.FileNotUsed(log, path, reason);
    }

    /// <summary>Whom the node believes.</summary>
    public ZoneTrust Trust { get; }

    /// <summary>The map, as it was read and as it has become since; an empty one if there was none.</summary>
    public NetworkMap Map { get; }

    /// <summary>The certificates that had been admitted when the files were written last, by node.</summary>
    public IReadOnlyDictionary<Guid, NodeCertificate> Admitted { get; }

    /// <summary>The position of the map on the disk.</summary>
    public MapPosition Saved { get; private set; }

    /// <summary>Whether there is something that is not on the disk.</summary>
    public bool HasMore => _at != Instant.Never;

    /// <summary>Plans to write, because something has changed.</summary>
    /// <param name="isRemoval">Whether something is gone or revoked, which must not come back by a restart.</param>
    public void Plan(bool isRemoval) => _at = Instant.Earlier(_at, BootClock.Now + (isRemoval ? TimeSpan.Zero : Delay));

    /// <summary>Whether it is time to write.</summary>
    public bool IsDue(Instant now) => now >= _at;

    /// <summary>Writes everything. If the disk cannot be written, that is reported as a problem, and everything goes on.</summary>
    /// <param name="admitted">The nodes that are admitted now.</param>
    public void Save(IEnumerable<ZonePeer> admitted)
    {
        try
        {
            Trust.Save();
            if (!Map.IsEmpty) // without a map nothing is known, and what is on disk waits for one
            {
                // The certificates first: a crash in between costs nothing, since a node that is not in the map is not admitted.
                _admittedFile.Write(admitted, Map);
                _file.Write(Map, DateTimeOffset.UtcNow);
            }
            Saved = Map.Position;
            _at = Instant.Never;
            _problems.Set("map", null);
        }
        catch (LinuxException exception)
        {
            _at = BootClock.Now + Retry;
            _problems.Set(
                "map", $"The map could not be kept: {exception.Message}. Everything goes on; after a restart an older one is used.");
        }
    }
}
