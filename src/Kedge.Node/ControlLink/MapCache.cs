using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kedge.Linux;
using Kedge.Linux.Files;

namespace Kedge.Node.ControlLink;

/// <summary>The first line of a cached map: whose it is, and what the rest must be.</summary>
/// <param name="Format">What this is, and in which version.</param>
/// <param name="Network">The network's identifier, base64url.</param>
/// <param name="Node">The node's WireGuard public key: the map of another node is not used.</param>
/// <param name="SavedAt">When it was written.</param>
/// <param name="Sha256">The SHA-256 of everything behind this line, lower-case hexadecimal.</param>
/// <param name="Known">The nodes that had been admitted: their certificates may have expired since.</param>
public sealed record CachedMapHeader(string Format, string Network, string Node, DateTimeOffset SavedAt, string Sha256, IReadOnlyList<Guid> Known)
{
    /// <summary>The only format so far.</summary>
    public const string Version = "kedge-map/1";
}

/// <summary>A map read from disk.</summary>
/// <param name="Frames">A map stream that makes the map: lines with a snapshot and a commit.</param>
/// <param name="Known">The nodes that had been admitted.</param>
/// <param name="SavedAt">When it was written.</param>
public sealed record CachedMap(ReadOnlyMemory<byte> Frames, IReadOnlyList<Guid> Known, DateTimeOffset SavedAt);

/// <summary>
/// The map on disk, for a start without controller. The file is a header line and then the very lines that a controller would send for a
/// snapshot, so that one parser reads both. The generation before stays beside it, and is taken where the newer one is damaged.
/// </summary>
/// <param name="path">The file; the generation before is <c>PATH.previous</c>.</param>
/// <param name="network">The network's identifier, base64url.</param>
/// <param name="node">The node's WireGuard public key, base64.</param>
public sealed class MapCache(string path, string network, string node)
{
    private string Previous => path + ".previous";

    /// <summary>Writes a map, and returns when it is on the disk.</summary>
    /// <exception cref="LinuxException">It could not be written; what was there is still there.</exception>
    public void Write(ReadOnlySpan<byte> frames, IReadOnlyList<Guid> known, DateTimeOffset now)
    {
        var header = new CachedMapHeader(
            CachedMapHeader.Version, network, node, now, Convert.ToHexStringLower(SHA256.HashData(frames)), known);
        byte[] first = JsonSerializer.SerializeToUtf8Bytes(header, MapCacheJson.Default.CachedMapHeader);
        byte[] file = new byte[first.Length + 1 + frames.Length];
        first.CopyTo(file, 0);
        file[first.Length] = (byte)'\n';
        frames.CopyTo(file.AsSpan(first.Length + 1));
        KeepPrevious();
        PrivateFile.Write(path, file);
    }

    /// <summary>Reads the newest map that is whole and this node's; null where there is none.</summary>
    /// <param name="damaged">Told the file and what is wrong with it, for each that is passed over.</param>
    public CachedMap? Read(Action<string, string> damaged)
    {
        foreach (string file in (string[])[path, Previous])
        {
            try
            {
                if (!PrivateFile.TryRead(file, out byte[]? contents))
                    continue;
                if (Interpret(contents, out string reason) is { } map)
                    return map;
                damaged(file, reason);
            }
            catch (LinuxException exception)
            {
                damaged(file, exception.Message);
            }
        }
        return null;
    }

    private CachedMap? Interpret(byte[] contents, out string reason)
    {
        int end = contents.AsSpan().IndexOf((byte)'\n');
        reason = "It has no header.";
        if (end < 0 || ReadHeader(contents.AsSpan(0, end)) is not { } header)
            return null;
        ReadOnlyMemory<byte> frames = contents.AsMemory(end + 1);
        reason = header switch
        {
            { Format: not CachedMapHeader.Version } => $"Its format is '{header.Format}', which this version does not know.",
            _ when header.Network != network => "It belongs to another network.",
            _ when header.Node != node => "It belongs to another key.",
            _ when header.Sha256 != Convert.ToHexStringLower(SHA256.HashData(frames.Span)) => "It is damaged: its checksum differs.",
            _ => "",
        };
        return reason.Length == 0 ? new CachedMap(frames, header.Known, header.SavedAt) : null;
    }

    private static CachedMapHeader? ReadHeader(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, MapCacheJson.Default.CachedMapHeader);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // The newer generation never stops being there: a link is made to it, and then its name goes to what replaces it.
    private void KeepPrevious()
    {
        try
        {
            if (File.Exists(path))
                PrivateFile.Link(path, Previous);
        }
        catch (LinuxException)
        {
            // Without the generation before there is still the newest one.
        }
    }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(CachedMapHeader))]
internal sealed partial class MapCacheJson : JsonSerializerContext;
