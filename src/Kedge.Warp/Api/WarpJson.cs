using System.Text.Json.Serialization;
using Kedge.Protocol.Api;

namespace Kedge.Warp.Api;

/// <summary>The bodies of <c>/api/v1/warps</c>, to and from JSON.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, AllowDuplicateProperties = false, MaxDepth = 8)]
[JsonSerializable(typeof(WarpOpening))]
[JsonSerializable(typeof(WarpPortEntry))]
[JsonSerializable(typeof(WarpState))]
[JsonSerializable(typeof(Problem))]
public sealed partial class WarpJson : JsonSerializerContext;

/// <summary>The bodies of socket-warp's routes, to and from JSON; unknown members are passed over, as there.</summary>
[JsonSourceGenerationOptions(RespectNullableAnnotations = true, MaxDepth = 8)]
[JsonSerializable(typeof(LegacyOpening))]
[JsonSerializable(typeof(LegacyOpening[]))]
[JsonSerializable(typeof(LegacyClosing))]
internal sealed partial class LegacyJson : JsonSerializerContext;

/// <summary>A port, as socket-warp has it; the order of the members is that of its list.</summary>
internal sealed record LegacyOpening
{
    [JsonPropertyName("connect_address")]
    public required string ConnectAddress { get; init; }

    [JsonPropertyName("connect_port")]
    public required ushort ConnectPort { get; init; }

    [JsonPropertyName("port")]
    public required ushort Port { get; init; }

    [JsonPropertyName("uid")]
    public required string Uid { get; init; }
}

/// <summary>What socket-warp closes a port by.</summary>
internal sealed record LegacyClosing
{
    [JsonPropertyName("port")]
    public required ushort Port { get; init; }
}
