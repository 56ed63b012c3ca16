using System.Text.Json;
using System.Text.Json.Serialization;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;
using Kedge.Protocol.Mesh;

namespace Kedge.Node.ControlLink;

/// <summary>
/// The map on disk, and the certificates that had been admitted from it: what a node starts from when nobody tells it anything. The
/// generation before stays beside the newest one, and is taken where that is damaged.
/// </summary>
/// <param name="folder">The node's folder.</param>
/// <param name="network">The network's identifier.</param>
/// <param name="node">The node's identifier.</param>
public sealed class MapFile(NodeFolder folder, Sha256Digest network, Guid node)
{
    /// <summary>Reads the newest map that is whole and this node's; null where there is none.</summary>
    /// <param name="damaged">Told the file and what is wrong with it, for each that is passed over.</param>
    public NetworkMap? Read(Action<string, string> damaged)
    {
        foreach (string path in (string[])[folder.Map, folder.PreviousMap])
        {
            try
            {
                if (NodeFolder.Read(path) is not { } contents)
                    continue;
                if (MapCache.Read(contents, network.ToArray(), node, out string reason) is { } map)
                    return map;
                damaged(path, reason);
            }
            catch (LinuxException exception)
            {
                damaged(path, exception.Message);
            }
        }
        return null;
    }

    /// <summary>Reads which certificates had been admitted.</summary>
    /// <inheritdoc cref="Read"/>
    public IReadOnlyList<Sha256Digest> ReadKnown(Action<string, string> damaged)
    {
        try
        {
            return NodeFolder.Read(folder.Known) is { } json
                ? [.. JsonSerializer.Deserialize(json, MapFileJson.Default.StringArray)!.Select(text => Sha256Digest.Parse(text))]
                : [];
        }
        catch (Exception e) when (e is LinuxException or JsonException or FormatException)
        {
            damaged(folder.Known, e.Message);
            return [];
        }
    }

    /// <summary>Writes a map and who is admitted from it, and returns when both are on the disk.</summary>
    /// <exception cref="LinuxException">They could not be written; what was there is still there.</exception>
    public void Write(NetworkMap map, IEnumerable<AdmittedPeer> admitted, DateTimeOffset now)
    {
        // Who is known first: a crash in between costs nothing, since who is not in the map is not admitted.
        string[] known = [.. admitted.Select(peer => peer.Certificate.Fingerprint.ToString()).Order(StringComparer.Ordinal)];
        PrivateFile.Write(folder.Known, JsonSerializer.SerializeToUtf8Bytes(known, MapFileJson.Default.StringArray));
        if (map.IsEmpty)
            return;
        byte[] contents = MapCache.Write(map, network.ToArray(), now);
        KeepPrevious();
        PrivateFile.Write(folder.Map, contents);
    }

    private void KeepPrevious()
    {
        try
        {
            if (File.Exists(folder.Map))
                PrivateFile.Link(folder.Map, folder.PreviousMap);
        }
        catch (LinuxException)
        {
            // Without the generation before there is still the newest one.
        }
    }
}

[JsonSerializable(typeof(string[]))]
internal sealed partial class MapFileJson : JsonSerializerContext;
