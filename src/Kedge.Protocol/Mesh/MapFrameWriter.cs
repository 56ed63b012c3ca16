using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Kedge.Protocol.Api;

namespace Kedge.Protocol.Mesh;

/// <summary>Writes frames of the map stream, each with its line feed. The other half of <see cref="MapFrame"/>.</summary>
public static class MapFrameWriter
{
    /// <summary>The first frame of a stream.</summary>
    public static byte[] Open(Guid store, Guid epoch, DateTimeOffset time) => Write("open", json =>
    {
        json.WriteString("store"u8, store);
        json.WriteString("epoch"u8, epoch);
        json.WriteString("time"u8, time);
    });

    /// <summary>A snapshot begins.</summary>
    public static byte[] Snapshot() => Write("snapshot", _ => { });

    /// <summary>A node's record.</summary>
    public static byte[] Put(Guid node, PeerResource peer) => Put(MapResource.Peer(node), peer, ApiJson.Default.PeerResource);

    /// <summary>A node's endpoints.</summary>
    public static byte[] Put(Guid node, EndpointsResource endpoints) =>
        Put(MapResource.Endpoints(node), endpoints, ApiJson.Default.EndpointsResource);

    /// <summary>The zone.</summary>
    public static byte[] Put(ZoneResource zone) => Put(MapResource.Zone, zone, ApiJson.Default.ZoneResource);

    /// <summary>What certificates are checked with.</summary>
    public static byte[] Put(TrustResource trust) => Put(MapResource.Trust, trust, ApiJson.Default.TrustResource);

    /// <summary>What all nodes of the network are told.</summary>
    public static byte[] Put(SettingsResource settings) => Put(MapResource.Settings, settings, ApiJson.Default.SettingsResource);

    /// <summary>A resource is gone.</summary>
    public static byte[] Remove(string resource) => Write("remove", json => json.WriteString("resource"u8, resource));

    /// <summary>Everything since the last commit holds.</summary>
    /// <param name="revision">The revision, above 0.</param>
    /// <param name="sequence">The number in the epoch's sequence.</param>
    /// <param name="count">How many nodes the zone has.</param>
    public static byte[] Commit(long revision, long sequence, int count) => Write("commit", json =>
    {
        json.WriteNumber("revision"u8, revision);
        json.WriteNumber("sequence"u8, sequence);
        json.WriteNumber("count"u8, count);
    });

    /// <summary>Nothing has happened, and the stream is alive.</summary>
    /// <param name="revision">The revision, above 0.</param>
    /// <param name="sequence">The number in the epoch's sequence.</param>
    /// <param name="count">How many nodes the zone has.</param>
    /// <param name="time">The controller's clock.</param>
    public static byte[] Bookmark(long revision, long sequence, int count, DateTimeOffset time) => Write("bookmark", json =>
    {
        json.WriteNumber("revision"u8, revision);
        json.WriteNumber("sequence"u8, sequence);
        json.WriteNumber("count"u8, count);
        json.WriteString("time"u8, time);
    });

    /// <summary>Asks whether somebody reads the stream.</summary>
    /// <param name="id">The question's identifier.</param>
    public static byte[] Question(Guid id) => Write("question", json => json.WriteString("id"u8, id));

    /// <summary>Says whether other machines use the node's keys at the same time.</summary>
    /// <param name="from">The addresses that they connect from; null for none.</param>
    public static byte[] Duplicates(string? from) => Write("duplicates", json =>
    {
        if (from is not null)
            json.WriteString("from"u8, from);
    });

    /// <summary>A peer wants a direct path to the node that reads, or has answered that.</summary>
    /// <param name="from">The peer.</param>
    /// <param name="notice">What it says.</param>
    public static byte[] Introduction(Guid from, IntroductionNotice notice) => Write("introduction", json =>
    {
        json.WriteString("id"u8, from);
        json.WritePropertyName("value"u8);
        JsonSerializer.Serialize(json, notice, ApiJson.Default.IntroductionNotice);
    });

    /// <summary>The stream ends on purpose.</summary>
    /// <param name="spread">The time within which to come back.</param>
    /// <param name="reason">Why the node gets no more; none where the controller itself ends.</param>
    public static byte[] Bye(TimeSpan spread, RefusalReason reason = RefusalReason.None) => Write("bye", json =>
    {
        json.WriteNumber("spread"u8, spread.TotalSeconds);
        if (reason != RefusalReason.None)
            json.WriteString("reason"u8, reason.Text());
    });

    private static byte[] Put<T>(string resource, T value, JsonTypeInfo<T> type) => Write("put", json =>
    {
        json.WriteString("resource"u8, resource);
        json.WritePropertyName("value"u8);
        JsonSerializer.Serialize(json, value, type);
    });

    private static byte[] Write(string type, Action<Utf8JsonWriter> members)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("type"u8, type);
            members(json);
            json.WriteEndObject();
        }
        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }
}
