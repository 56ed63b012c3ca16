using System.Text.Json;
using System.Text.Json.Serialization;

namespace Kedge.Protocol.Api;

/// <summary>
/// Why a controller refuses a request or ends a map stream, for programs. On the wire it is the name in kebab case, such as
/// <c>node-removed</c>.
/// </summary>
[JsonConverter(typeof(RefusalReasonConverter))]
public enum RefusalReason
{
    /// <summary>None was given, or one of a later version.</summary>
    None,

    /// <summary>The node was removed from the network, and its identity key is refused for good.</summary>
    NodeRemoved,

    /// <summary>No node has this identity key: it left, expired, or never joined. It may join with a token.</summary>
    NodeUnknown,

    /// <summary>The node waits for an administrator or for the holder of the master key.</summary>
    AwaitingApproval,

    /// <summary>The node's certificate has expired, and has to be renewed first.</summary>
    CertificateExpired,

    /// <summary>Another node of the zone has the name.</summary>
    NameTaken,

    /// <summary>Another node has the WireGuard key.</summary>
    KeyTaken,

    /// <summary>The node, or the token, is of another zone.</summary>
    OtherZone,

    /// <summary>The token is unknown, used up, expired or revoked, or there is none.</summary>
    TokenInvalid,

    /// <summary>The challenge is unknown, expired or used: ask for another.</summary>
    ChallengeInvalid,

    /// <summary>The caller has sent too many requests: <c>Retry-After</c> says when to try again.</summary>
    TooManyRequests,

    /// <summary>The zone has no active node of the identifier that the caller names.</summary>
    PeerUnknown,

    /// <summary>The node that the caller names has no map stream open now, so nothing can be passed on to it.</summary>
    PeerNotConnected,
}

/// <summary>Properties of reasons.</summary>
public static class RefusalReasons
{
    /// <summary>Whether the controller does not have the node any more, so that only another enrolment makes it a member again.</summary>
    public static bool EndsMembership(this RefusalReason reason) => reason is RefusalReason.NodeRemoved or RefusalReason.NodeUnknown;

    /// <summary>The text on the wire.</summary>
    public static string Text(this RefusalReason reason) => JsonNamingPolicy.KebabCaseLower.ConvertName(reason.ToString());

    /// <summary>The reason that a text names; <see cref="RefusalReason.None"/> for a text of a later version, and for null.</summary>
    public static RefusalReason Parse(string? text) => Enum.GetValues<RefusalReason>().FirstOrDefault(reason => reason.Text() == text);
}

/// <summary>Writes a reason as its text, and reads what it does not know as <see cref="RefusalReason.None"/>.</summary>
public sealed class RefusalReasonConverter : JsonConverter<RefusalReason>
{
    /// <inheritdoc/>
    public override RefusalReason Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String ? RefusalReasons.Parse(reader.GetString()) : throw new JsonException();

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, RefusalReason value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.Text());
}
