using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Kedge.Protocol.Certificates;

namespace Kedge.Protocol.Enrolment;

/// <summary>
/// What the holder of a locked network's master key gives to a node that he lets in: the node's name, and a secret of 128 bits that the
/// controller never sees. The node authenticates its keys with it, so the holder knows whose keys he certifies, whatever the controller
/// says. Immutable; any thread.
/// </summary>
public sealed record Invitation
{
    /// <summary>Length of the secret in bytes.</summary>
    public const int SecretSize = 16;

    /// <summary>Length of a proof in bytes.</summary>
    public const int ProofSize = HMACSHA256.HashSizeInBytes;

    private const int SecretLength = 22; // characters of base64url without padding
    private const int ProofLength = 44; // characters of base64
    private static readonly byte[] ProofLabel = "kedge invitation proof 1"u8.ToArray();

    private readonly string _secret;

    private Invitation(string name, string secret) => (Name, _secret) = (name, secret);

    /// <summary>The name under which the node is let in: a DNS label (RFC 1123 section 2.1) in lower case.</summary>
    public string Name { get; }

    /// <summary>Makes an invitation.</summary>
    /// <param name="name">The node's name.</param>
    /// <param name="random">Where the secret comes from.</param>
    /// <exception cref="ArgumentException">The name is not a DNS label.</exception>
    public static Invitation Create(string name, RandomBytes random)
    {
        if (!CommonName.IsLabel(name))
            throw new ArgumentException("The name is not a DNS label.", nameof(name));
        Span<byte> secret = stackalloc byte[SecretSize];
        random(secret);
        var invitation = new Invitation(name, Base64Url.EncodeToString(secret));
        CryptographicOperations.ZeroMemory(secret);
        return invitation;
    }

    /// <summary>Reads what <see cref="ToSecretText"/> writes.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out Invitation? invitation)
    {
        invitation = null;
        int dot = text.IndexOf('.');
        if (dot < 0 || text.Length - dot - 1 != SecretLength)
            return false;
        string name = text[..dot].ToString(), secret = text[(dot + 1)..].ToString();
        Span<byte> bytes = stackalloc byte[SecretSize];
        bool valid = CommonName.IsLabel(name)
            && Base64Url.IsValid(secret, out int length)
            && length == SecretSize
            && Base64Url.TryDecodeFromChars(secret, bytes, out int written)
            && written == SecretSize
            && Base64Url.EncodeToString(bytes) == secret; // its last digit has spare bits, and there is one text for each secret
        CryptographicOperations.ZeroMemory(bytes);
        invitation = valid ? new Invitation(name, secret) : null;
        return valid;
    }

    /// <summary>The invitation as <c>NAME.SECRET</c>: a secret.</summary>
    public string ToSecretText() => $"{Name}.{_secret}";

    /// <summary>The MAC of a node's keys, which only somebody who has this invitation can make: 32 bytes in base64.</summary>
    /// <param name="keys">The keys, by <see cref="EnrolmentTranscript.OfInvited"/>.</param>
    public string Prove(EnrolmentTranscript keys)
    {
        Span<byte> proof = stackalloc byte[ProofSize];
        Prove(keys, proof);
        return Convert.ToBase64String(proof);
    }

    /// <summary>Whether <paramref name="proof"/> is what <see cref="Prove(EnrolmentTranscript)"/> gives; compared in constant time.</summary>
    public bool IsProof(EnrolmentTranscript keys, string? proof)
    {
        Span<byte> expected = stackalloc byte[ProofSize], given = stackalloc byte[ProofSize + 1];
        Prove(keys, expected);
        return proof is { Length: ProofLength }
            && Convert.TryFromBase64String(proof, given, out int length)
            && length == ProofSize
            && CryptographicOperations.FixedTimeEquals(expected, given[..ProofSize]);
    }

    /// <summary>The invitation without its secret.</summary>
    public override string ToString() => $"invitation of {Name}";

    private void Prove(EnrolmentTranscript keys, Span<byte> proof)
    {
        Span<byte> secret = stackalloc byte[SecretSize], key = stackalloc byte[32];
        Base64Url.TryDecodeFromChars(_secret, secret, out _);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, key, salt: [], info: ProofLabel);
        HMACSHA256.HashData(key, keys.Hash, proof);
        CryptographicOperations.ZeroMemory(secret);
        CryptographicOperations.ZeroMemory(key);
    }
}
