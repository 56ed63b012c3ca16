using System.Text.Json.Serialization;

namespace Kedge.Protocol.Api;

/// <summary>
/// How what goes between controller, nodes and administrators is written as JSON. A reader passes over members that it does not know, so
/// that old programs understand new controllers; the controller itself refuses them in requests. The generated code sets every member that
/// can be set by <c>init</c>, also where the JSON has none: hence the members that put their default in place of null, and numbers with a
/// default that are null.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(EnrolmentChallenge))]
[JsonSerializable(typeof(EnrolmentSubmission))]
[JsonSerializable(typeof(EnrolmentInquiry))]
[JsonSerializable(typeof(EnrolmentResult))]
[JsonSerializable(typeof(CertificateRenewal))]
[JsonSerializable(typeof(IReadOnlyList<Zone>))]
[JsonSerializable(typeof(ZoneCreation))]
[JsonSerializable(typeof(ZoneChange))]
[JsonSerializable(typeof(IReadOnlyList<RegisteredNode>))]
[JsonSerializable(typeof(NodeCreation))]
[JsonSerializable(typeof(NodeChange))]
[JsonSerializable(typeof(IReadOnlyList<JoinToken>))]
[JsonSerializable(typeof(TokenCreation))]
[JsonSerializable(typeof(CreatedToken))]
[JsonSerializable(typeof(IReadOnlyList<Lease>))]
[JsonSerializable(typeof(IReadOnlyList<AuditEntry>))]
[JsonSerializable(typeof(NetworkDescription))]
[JsonSerializable(typeof(IReadOnlyList<SigningRequest>))]
[JsonSerializable(typeof(CertificateImport))]
[JsonSerializable(typeof(CertificateImportResult))]
[JsonSerializable(typeof(RevocationListImport))]
[JsonSerializable(typeof(RevocationListImportResult))]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(PeerResource))]
[JsonSerializable(typeof(EndpointsResource))]
[JsonSerializable(typeof(ZoneResource))]
[JsonSerializable(typeof(TrustResource))]
[JsonSerializable(typeof(SettingsResource))]
[JsonSerializable(typeof(EndpointReport))]
[JsonSerializable(typeof(MapAcknowledgement))]
[JsonSerializable(typeof(StreamAnswer))]
[JsonSerializable(typeof(Introduction))]
[JsonSerializable(typeof(IntroductionNotice))]
public sealed partial class ApiJson : JsonSerializerContext;
