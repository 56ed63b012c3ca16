using System.Text.Json.Serialization;

namespace Kedge.Protocol.Api;

/// <summary>How everything that goes between nodes, controllers and people is written in JSON: camelCase, and what is null is left out.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(EnrolmentChallenge))]
[JsonSerializable(typeof(EnrolmentSubmission))]
[JsonSerializable(typeof(EnrolmentInquiry))]
[JsonSerializable(typeof(EnrolmentResult))]
[JsonSerializable(typeof(PeerResource))]
[JsonSerializable(typeof(EndpointsResource))]
[JsonSerializable(typeof(ZoneResource))]
[JsonSerializable(typeof(TrustResource))]
[JsonSerializable(typeof(SettingsResource))]
[JsonSerializable(typeof(EndpointReport))]
[JsonSerializable(typeof(MapAcknowledgement))]
public sealed partial class ApiJson : JsonSerializerContext;
