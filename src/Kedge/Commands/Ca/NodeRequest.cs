using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.WireGuard;

namespace Kedge.Commands.Ca;

/// <summary>
/// What a node of a network without a controller asks the holder of the master key for, as <c>kedge cert request</c> writes it to a file.
/// Nothing in it is secret.
/// </summary>
internal sealed record NodeRequest
{
    /// <summary>The longest file in characters that is read: more than a certificate can have.</summary>
    public const int MaximumLength = 64 * 1024;

    // Base64 is full of '+', which the default encoder would escape for the sake of HTML.
    private static readonly NodeRequestJson Json = new(new JsonSerializerOptions(NodeRequestJson.Default.Options)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    /// <summary>The node's name.</summary>
    public required string Name { get; init; }

    /// <summary>The identifier of the network that it means, 32 bytes in base64url; null where it does not say.</summary>
    public string? NetworkId { get; init; }

    /// <summary>The SubjectPublicKeyInfo of its ECDSA P-256 key, DER in base64.</summary>
    public required string IdentityKey { get; init; }

    /// <summary>Its WireGuard public key, base64.</summary>
    public required string WireGuardKey { get; init; }

    /// <summary>The SHA-256 of its Rosenpass public key, base64.</summary>
    public required string RosenpassKeyHash { get; init; }

    /// <summary>The identity key's signature of all keys and the network, as in <see cref="EnrolmentRequest.KeysSignature"/>.</summary>
    public required string KeysSignature { get; init; }

    /// <summary>The addresses that it wants; empty where whoever signs is to choose.</summary>
    public IReadOnlyList<string> Addresses { get; init => field = value ?? []; } = []; // null where the JSON has none

    /// <summary>The networks behind it.</summary>
    public IReadOnlyList<string> ChildPrefixes { get; init => field = value ?? []; } = [];

    /// <summary>Makes a request, and signs it.</summary>
    /// <param name="name">The node's name.</param>
    /// <param name="network">The network that it is for; null for whichever it is shown to.</param>
    /// <param name="identity">The identity key, which stays the caller's.</param>
    /// <param name="wireGuardKey">The WireGuard public key.</param>
    /// <param name="rosenpassKeyHash">The SHA-256 of the Rosenpass public key.</param>
    public static NodeRequest Create(string name, Sha256Digest? network, ECDsa identity, PublicKey wireGuardKey, Sha256Digest rosenpassKeyHash)
    {
        var request = new NodeRequest
        {
            Name = name,
            NetworkId = network?.ToString(),
            IdentityKey = P256PublicKey.Of(identity).ToString(),
            WireGuardKey = wireGuardKey.ToString(),
            RosenpassKeyHash = Convert.ToBase64String(rosenpassKeyHash.ToArray()),
            KeysSignature = "",
        };
        return request with { KeysSignature = request.Transcript()!.Sign(identity) };
    }

    /// <summary>Whether a text is meant to be one request, and not a list of them, or PEM.</summary>
    public static bool IsMeant(ReadOnlySpan<char> text) => text.TrimStart().StartsWith('{');

    /// <summary>Reads a file. What its members say is not checked.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="text">What is in it.</param>
    /// <exception cref="UserError">It is no request.</exception>
    public static NodeRequest Parse(string path, string text)
    {
        string expected = $"{path} is no request of a node: it must be the JSON that 'kedge cert request' wrote";
        if (text.Length > MaximumLength)
            throw new UserError($"{expected}, which has at most {MaximumLength} characters, not {text.Length}.");
        try
        {
            return JsonSerializer.Deserialize(text, Json.NodeRequest) ?? throw new UserError($"{expected}.");
        }
        catch (JsonException e)
        {
            throw new UserError($"{expected}. Line {(e.LineNumber ?? 0) + 1} cannot be read ({PrintableText.Clean(e.Path ?? "$")}).", e);
        }
    }

    /// <summary>The text of the file.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json.NodeRequest) + "\n";

    /// <summary>Whether the identity key has signed the other keys, and that they are for the network that is named.</summary>
    public bool IsSigned(P256PublicKey identityKey) => Transcript()?.IsSignedBy(identityKey, KeysSignature) ?? false;

    /// <summary>The request as a controller would put it.</summary>
    /// <param name="network">The network of the master that it is shown to.</param>
    public SigningRequest ToSigningRequest(Sha256Digest network) => new()
    {
        NetworkId = NetworkId ?? network.ToString(),
        ZoneId = NetworkZone.IdOf(network),
        ZoneName = "network",
        NodeId = Guid.Empty,
        Name = Name,
        IdentityKey = IdentityKey,
        WireGuardKey = WireGuardKey,
        RosenpassKeyHash = RosenpassKeyHash,
        KeysSignature = KeysSignature,
        Tags = [],
        Addresses = Addresses,
        ChildPrefixes = ChildPrefixes,
        Proven = false,
        Renewal = false,
    };

    // A network that is not named is no bytes, and no network has an identifier of none.
    private EnrolmentTranscript? Transcript()
    {
        byte[]? network = NetworkId is null ? [] : Sha256Digest.TryParse(NetworkId, out Sha256Digest id) ? id.ToArray() : null;
        return network is null ? null : EnrolmentTranscript.OfKeys(network, IdentityKey, WireGuardKey, RosenpassKeyHash);
    }
}

/// <summary>How a node's request is written as JSON.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    WriteIndented = true)]
[JsonSerializable(typeof(NodeRequest))]
internal sealed partial class NodeRequestJson : JsonSerializerContext;
