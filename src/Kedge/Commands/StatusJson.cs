using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Commands;

/// <summary>A device's state as a program reads it.</summary>
public static class StatusJson
{
    /// <summary>Puts a device's state in one JSON object and a line feed, without secrets. What is not there is null.</summary>
    /// <param name="name">The interface.</param>
    /// <param name="status">Its state.</param>
    /// <param name="exchanges">When keys were exchanged with its peers.</param>
    /// <param name="now">The wall clock, to which ages of exchanges are taken.</param>
    public static string Format(string name, DeviceStatus status, KeyExchangeAges exchanges, DateTimeOffset now) =>
        Write(json => Write(json, name, status, exchanges, now));

    /// <summary>Writes one JSON document and a line feed, as all commands about devices do.</summary>
    internal static string Write(Action<Utf8JsonWriter> document)
    {
        // Base64 is full of '+', which the default encoder would escape for the sake of HTML.
        var options = new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, options))
        {
            document(json);
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan) + "\n";
    }

    /// <summary>Writes a device's state as an object, with what else there is to say about it.</summary>
    internal static void Write(
        Utf8JsonWriter json, string name, DeviceStatus status, KeyExchangeAges exchanges, DateTimeOffset now, Action? more = null)
    {
        json.WriteStartObject();
        json.WriteString("interface", name);
        json.WriteString("publicKey", status.PublicKey?.ToString());
        json.WriteNumber("listenPort", status.ListenPort);
        if (status.PortProblem is { } problem)
            json.WriteString("listenPortProblem", problem);
        json.WriteNumber("fwmark", status.Fwmark);
        json.WriteNumber("mtu", status.Mtu);
        json.WriteStartArray("peers");
        foreach (PeerStatus peer in status.Peers)
            Write(json, peer, exchanges, now);
        json.WriteEndArray();
        Write(json, "drops", status.Drops);
        Write(json, "figures", status.Gauges);
        more?.Invoke();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, PeerStatus peer, KeyExchangeAges exchanges, DateTimeOffset now)
    {
        json.WriteStartObject();
        json.WriteString("publicKey", peer.PublicKey.ToString());
        json.WriteBoolean("hasPresharedKey", peer.HasPresharedKey);
        json.WriteString("endpoint", peer.Endpoint.IsNone ? null : peer.Endpoint.ToString());
        if (peer.LastHandshake is { } last)
            json.WriteString("lastHandshake", last);
        else
            json.WriteNull("lastHandshake");
        json.WriteBoolean("exchangesKeys", exchanges.Contains(peer.PublicKey));
        if (exchanges.Of(peer.PublicKey) is { } age)
            json.WriteString("lastKeyExchange", now - age);
        else
            json.WriteNull("lastKeyExchange");
        json.WriteNumber("receivedBytes", peer.ReceivedBytes);
        json.WriteNumber("sentBytes", peer.SentBytes);
        json.WriteNumber("persistentKeepaliveSeconds", peer.PersistentKeepaliveInterval);
        json.WriteStartArray("allowedIps");
        foreach (IpPrefix prefix in peer.AllowedIps)
            json.WriteStringValue(prefix.ToString());
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, IEnumerable<NamedCount> counts)
    {
        json.WriteStartObject(name);
        foreach (NamedCount count in counts)
            json.WriteNumber(JsonNamingPolicy.CamelCase.ConvertName(count.Name), count.Value);
        json.WriteEndObject();
    }
}
