using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Mesh;

/// <summary>Reads and writes the values of resources. What is wrong with one is said in a sentence; nothing is thrown.</summary>
internal static class MapValue
{
    private const int MaximumPrefixes = 16, MaximumServers = 16, MaximumText = 255;

    /// <summary>A node's record.</summary>
    public static MapPeer? ReadPeer(Guid id, ReadOnlySpan<byte> json, out string reason)
    {
        if (Read(json, ApiJson.Default.PeerResource, out reason) is not { } value)
            return null;
        reason = "";
        if (value.Certificate.Length is 0 or > MapPeer.MaximumCertificate)
            reason = $"Its certificate has {value.Certificate.Length} bytes, not 1 to {MapPeer.MaximumCertificate}.";
        Endpoint fixedEndpoint = default;
        if (value.Endpoint is not null && !Endpoint.TryParse(value.Endpoint, out fixedEndpoint))
            reason = $"'{Shown(value.Endpoint)}' is not an endpoint such as 192.0.2.1:51820.";
        return reason.Length == 0 ? new MapPeer(id, value.Certificate, fixedEndpoint) : null;
    }

    /// <summary>A node's endpoints; kinds and addresses of later versions are left out.</summary>
    public static PeerEndpoint[]? ReadEndpoints(ReadOnlySpan<byte> json, out string reason)
    {
        if (Read(json, ApiJson.Default.EndpointsResource, out reason) is not { } value)
            return null;
        return Read(value.Endpoints, EndpointReport.MaximumEndpoints);
    }

    /// <summary>What a peer asks for; kinds and addresses of later versions are left out.</summary>
    public static PeerIntroduction? ReadIntroduction(Guid from, ReadOnlySpan<byte> json, out string reason) =>
        Read(json, ApiJson.Default.IntroductionNotice, out reason) is { } value
            ? new PeerIntroduction(from, Read(value.Endpoints, PeerIntroduction.MaximumEndpoints), value.Opened)
            : null;

    /// <summary>The value that <see cref="ReadPeer"/> reads.</summary>
    public static PeerResource Write(MapPeer peer) =>
        new(peer.Certificate.ToArray(), peer.FixedEndpoint.IsNone ? null : peer.FixedEndpoint.ToString());

    /// <summary>The value that <see cref="ReadEndpoints"/> reads.</summary>
    public static EndpointsResource Write(IEnumerable<PeerEndpoint> endpoints) =>
        new([.. endpoints.Select(endpoint => new NodeEndpoint(endpoint.Address.ToString(), endpoint.Kind.ToText()))]);

    /// <summary>The zone.</summary>
    public static ZoneResource? ReadZone(ReadOnlySpan<byte> json, out string reason)
    {
        if (Read(json, ApiJson.Default.ZoneResource, out reason) is not { } zone)
            return null;
        if (zone.Prefixes.Count > MaximumPrefixes || zone.Name.Length > MaximumText)
        {
            reason = $"It has more than {MaximumPrefixes} prefixes, or a name of more than {MaximumText} characters.";
            return null;
        }
        foreach (string prefix in zone.Prefixes)
        {
            if (!IpPrefix.TryParse(prefix, out _))
            {
                reason = $"'{Shown(prefix ?? "null")}' is not a prefix such as 10.0.0.0/8.";
                return null;
            }
        }
        return zone;
    }

    /// <summary>What certificates are checked with.</summary>
    public static TrustResource? ReadTrust(ReadOnlySpan<byte> json, out string reason)
    {
        TrustResource? trust = Read(json, ApiJson.Default.TrustResource, out reason);
        if (trust is null || trust.Authorities.Concat(trust.RevocationLists).All(der => der is { Length: > 0 }))
            return trust;
        reason = "One of its certificates or lists is empty.";
        return null;
    }

    /// <summary>What all nodes of the network are told.</summary>
    public static SettingsResource? ReadSettings(ReadOnlySpan<byte> json, out string reason)
    {
        SettingsResource? settings = Read(json, ApiJson.Default.SettingsResource, out reason);
        if (settings is null || (AreServers(settings.StunServers) && AreServers(settings.ControllerUrls ?? [])))
            return settings;
        reason = $"It has more than {MaximumServers} servers, or one that is not 1 to {MaximumText} characters.";
        return null;
    }

    private static bool AreServers(IReadOnlyList<string> servers) =>
        servers.Count <= MaximumServers && servers.All(server => server is { Length: > 0 and <= MaximumText });

    private static T? Read<T>(ReadOnlySpan<byte> json, JsonTypeInfo<T> type, out string reason)
        where T : class
    {
        try
        {
            T? value = JsonSerializer.Deserialize(json, type);
            reason = value is null ? "Its value is null." : "";
            return value;
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
        {
            reason = $"Its value is not a {type.Type.Name}.";
            return null;
        }
    }

    private static PeerEndpoint[] Read(IReadOnlyList<NodeEndpoint> values, int most)
    {
        var endpoints = new List<PeerEndpoint>(Math.Min(values.Count, most));
        foreach (NodeEndpoint value in values)
        {
            if (endpoints.Count < most && TryRead(value, out PeerEndpoint read))
                endpoints.Add(read);
        }
        return [.. endpoints];
    }

    private static bool TryRead(NodeEndpoint? text, out PeerEndpoint endpoint) =>
        EndpointKinds.TryParse($"{text?.Kind} {text?.Address}", out endpoint) && endpoint.Kind.IsTold();

    private static string Shown(string text) => text.Length <= 64 ? text : text[..64] + "…";
}
