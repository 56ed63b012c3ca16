using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Kedge.Protocol.Mesh;

/// <summary>
/// A map as bytes, to be kept over restarts: with the controller away a node starts from it. The first line is the format and the SHA-256 of
/// everything behind it, the second says whose map it is, and then come the frames of a snapshot. No private key is in it.
/// </summary>
public static class MapCache
{
    private static readonly byte[] Magic = "kedge-map 1 "u8.ToArray();

    /// <summary>Writes a map.</summary>
    /// <param name="map">The map; not an empty one.</param>
    /// <param name="network">The network's identifier, 32 bytes.</param>
    /// <param name="savedAt">The present time.</param>
    /// <exception cref="InvalidOperationException">The map is empty: there is nothing to keep, and what was kept before must not be lost for it.</exception>
    public static byte[] Write(NetworkMap map, ReadOnlySpan<byte> network, DateTimeOffset savedAt)
    {
        if (map.IsEmpty)
            throw new InvalidOperationException("An empty map is not kept.");
        var body = new ArrayBufferWriter<byte>();
        body.Write(JsonSerializer.SerializeToUtf8Bytes(
            new MapCacheHeader(network.ToArray(), map.Node, savedAt), MapCacheJson.Default.MapCacheHeader));
        body.Write("\n"u8);
        map.WriteSnapshot(body, savedAt);
        var file = new ArrayBufferWriter<byte>(body.WrittenCount + 128);
        file.Write(Magic);
        file.Write(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData(body.WrittenSpan))));
        file.Write("\n"u8);
        file.Write(body.WrittenSpan);
        return file.WrittenSpan.ToArray();
    }

    /// <summary>Reads a map.</summary>
    /// <param name="file">What <see cref="Write"/> made, or whatever has become of it.</param>
    /// <param name="network">The identifier of one's network, 32 bytes.</param>
    /// <param name="node">One's own identifier.</param>
    /// <param name="reason">Why there is no map in it, as a sentence.</param>
    /// <returns>The map; null when the bytes are damaged, of another version, or about another network or node.</returns>
    public static NetworkMap? Read(ReadOnlySpan<byte> file, ReadOnlySpan<byte> network, Guid node, out string reason)
    {
        int bodyStart = Magic.Length + 64 + 1;
        if (file.Length < bodyStart || !file.StartsWith(Magic) || file[bodyStart - 1] != '\n')
        {
            reason = "It is not a map that this version of Kedge has written.";
            return null;
        }
        ReadOnlySpan<byte> body = file[bodyStart..];
        if (!file.Slice(Magic.Length, 64).SequenceEqual(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData(body)))))
        {
            reason = "Its checksum is not that of its contents: it is damaged.";
            return null;
        }
        if (!TryReadHeader(ref body, out MapCacheHeader? header))
        {
            reason = "Its header cannot be read.";
            return null;
        }
        if (!network.SequenceEqual(header!.Network) || header.Node != node)
        {
            reason = "It is the map of another network or node.";
            return null;
        }
        var map = new NetworkMap(node);
        var outcome = MapOutcome.Nothing;
        while (!body.IsEmpty)
            outcome = map.Apply(NextLine(ref body));
        reason = outcome == MapOutcome.Committed ? "" : "It is not complete.";
        return outcome == MapOutcome.Committed ? map : null;
    }

    private static bool TryReadHeader(ref ReadOnlySpan<byte> body, out MapCacheHeader? header)
    {
        try
        {
            header = JsonSerializer.Deserialize(NextLine(ref body), MapCacheJson.Default.MapCacheHeader);
        }
        catch (JsonException)
        {
            header = null;
        }
        return header is not null;
    }

    private static ReadOnlySpan<byte> NextLine(ref ReadOnlySpan<byte> rest)
    {
        int end = rest.IndexOf((byte)'\n');
        ReadOnlySpan<byte> line = end < 0 ? rest : rest[..end];
        rest = end < 0 ? default : rest[(end + 1)..];
        return line;
    }
}
