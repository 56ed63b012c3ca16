using System.Text.Json.Serialization;
using Kedge.Protocol.Enrolment;

namespace Kedge.Commands.Ca;

/// <summary>An invitation as the holder of the master key keeps it. It is for one node; once used, its secret is gone.</summary>
internal sealed record InvitationRecord
{
    /// <summary>The name under which the node is let in.</summary>
    public required string Name { get; init; }

    /// <summary>When it ends.</summary>
    public required DateTimeOffset ExpiresAt { get; init; }

    /// <summary>The invitation as <see cref="Invitation.ToSecretText"/> writes it, a secret; null once it is used.</summary>
    public string? Secret { get; init; }

    /// <summary>The tags that the node may have.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>The zone that the node may be in; null for any.</summary>
    public Guid? ZoneId { get; init; }

    /// <summary>When a certificate was signed for it; null before that.</summary>
    public DateTimeOffset? UsedAt { get; init; }

    /// <summary>The proof that it was used with, base64; null before that.</summary>
    public string? Proof { get; init; }

    /// <summary>The invitation itself; null once it is used.</summary>
    [JsonIgnore]
    public Invitation? Invitation => Invitation.TryParse(Secret, out Invitation? invitation) ? invitation : null;

    /// <summary>The record without its secret.</summary>
    public override string ToString() => $"invitation of {Name} until {ExpiresAt:u}";
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    WriteIndented = true)]
[JsonSerializable(typeof(InvitationRecord))]
internal sealed partial class InvitationJson : JsonSerializerContext;
