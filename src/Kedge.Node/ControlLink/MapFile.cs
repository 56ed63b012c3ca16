using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;
using Kedge.Protocol.Mesh;

namespace Kedge.Node.ControlLink;

/// <summary>
/// The map on disk: what a node starts from when nobody tells it anything. The generation before stays beside the newest one, and is used
/// if that is damaged.
/// </summary>
/// <param name="folder">The node's folder.</param>
/// <param name="network">The network's identifier.</param>
/// <param name="node">The node's identifier.</param>
public sealed class MapFile(NodeFolder folder, Sha256Digest network, Guid node)
{
    /// <summary>Reads the newest map that is whole and this node's; null where there is none.</summary>
    /// <param name="damaged">Called for each file that is skipped, with the reason.</param>
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

    /// <summary>Writes a map, not an empty one, and returns when it is on the disk.</summary>
    /// <exception cref="LinuxException">It could not be written; what was there is still there.</exception>
    public void Write(NetworkMap map, DateTimeOffset now)
    {
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
