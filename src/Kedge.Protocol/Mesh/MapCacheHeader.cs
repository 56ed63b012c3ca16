using System.Text.Json.Serialization;

namespace Kedge.Protocol.Mesh;

/// <summary>Whose map a cache holds. Store and revision are in the frames behind it.</summary>
/// <param name="Network">The network's identifier, 32 bytes.</param>
/// <param name="Node">The node's identifier.</param>
/// <param name="SavedAt">When it was written.</param>
internal sealed record MapCacheHeader(byte[] Network, Guid Node, DateTimeOffset SavedAt);

/// <summary>The cache's header in JSON.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(MapCacheHeader))]
internal sealed partial class MapCacheJson : JsonSerializerContext;
