using System.Text.Json;
using System.Text.Json.Serialization;
using Kedge.Linux.Files;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Warp;

namespace Kedge.Warp.Listening;

/// <summary>The opened ports on disk, so that they come back after a restart.</summary>
/// <param name="path">The file.</param>
internal sealed partial class PortsFile(string path)
{
    /// <summary>Reads the file; nothing where there is none.</summary>
    /// <exception cref="UserError">It is damaged.</exception>
    public IReadOnlyList<WarpPort> Read()
    {
        if (!PrivateFile.TryRead(path, out byte[]? contents))
            return [];
        try
        {
            Entry[] entries = JsonSerializer.Deserialize(contents, Json.Default.EntryArray) ?? [];
            return [.. entries.Select(PortOf)];
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            throw new UserError($"{path} does not list opened ports: {e.Message} Remove it to start without any.", e);
        }
    }

    /// <summary>Writes the file, and returns when it is on the disk.</summary>
    public void Write(IEnumerable<WarpPort> ports)
    {
        Entry[] entries = [.. ports.Select(port => new Entry(port.Listen.ToString(), port.Uid, port.Target.ToString()))];
        PrivateFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(entries, Json.Default.EntryArray));
    }

    private static WarpPort PortOf(Entry entry) => WarpTarget.TryParse(entry.Target, out WarpTarget? target) && Uid.IsValid(entry.Uid)
        ? new WarpPort(Endpoint.Parse(entry.Listen), entry.Uid, target)
        : throw new FormatException($"'{entry.Uid}' or '{entry.Target}' makes no sense.");

    /// <summary>One port.</summary>
    internal sealed record Entry(string Listen, string Uid, string Target);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true)]
    [JsonSerializable(typeof(Entry[]))]
    private sealed partial class Json : JsonSerializerContext;
}
