using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Kedge.Crypto;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Enrolment;

/// <summary>
/// What both ends of an enrolment hash, so that the proofs hold for this exchange alone: the label, the controller and the network that the
/// node means to join, the challenge, and everything that is asked for, each field with its length before it. A proof given to one
/// controller is worth nothing at another, and none can be used twice.
/// </summary>
public sealed class EnrolmentTranscript
{
    /// <summary>Length of a proof in bytes.</summary>
    public const int ProofSize = 32;

    private const string SubmissionLabel = "kedge enrolment 1";
    private const string InquiryLabel = "kedge enrolment inquiry 1";
    private const string KeysLabel = "kedge keys 1";
    private const string InvitedLabel = "kedge invited 1";
    private static readonly byte[] ProofLabel = "kedge enrolment proof 1"u8.ToArray();

    private readonly byte[] _hash;

    private EnrolmentTranscript(byte[] hash) => _hash = hash;

    /// <summary>The SHA-256 of all fields, 32 bytes: what the identity key signs and the proof covers.</summary>
    public ReadOnlySpan<byte> Hash => _hash;

    /// <summary>The transcript of a submission.</summary>
    /// <param name="network">The network's identifier, 32 bytes.</param>
    /// <param name="serverPin">The SHA-256 of the server authority's SubjectPublicKeyInfo, 32 bytes.</param>
    /// <param name="challenge">The challenge.</param>
    /// <param name="token">The token as <c>identifier.secret</c>; null without one.</param>
    /// <param name="request">What is asked for.</param>
    public static EnrolmentTranscript OfSubmission(
        ReadOnlySpan<byte> network, ReadOnlySpan<byte> serverPin, EnrolmentChallenge challenge, string? token, EnrolmentRequest request)
    {
        var fields = new Fields();
        fields.Add(SubmissionLabel);
        fields.Add(network);
        fields.Add(serverPin);
        fields.Add(challenge.Id.ToString("D"));
        fields.Add(challenge.PublicKey);
        fields.Add(token);
        fields.Add(request.Name);
        fields.Add(request.Zone);
        fields.Add(request.IdentityKey);
        fields.Add(request.WireGuardKey);
        fields.Add(request.RosenpassKeyHash);
        fields.Add(request.RequestedAddresses);
        fields.Add(request.ChildPrefixes);
        fields.Add([.. request.Endpoints.SelectMany(endpoint => new[] { endpoint.Address, endpoint.Kind })]);
        fields.Add(request.Ephemeral ? "ephemeral" : "lasting");
        if (request.IsDefaultName)
            fields.Add("default name");
        return new(fields.Hash());
    }

    /// <summary>The transcript of an inquiry.</summary>
    /// <param name="network">The network's identifier, 32 bytes.</param>
    /// <param name="serverPin">The SHA-256 of the server authority's SubjectPublicKeyInfo, 32 bytes.</param>
    /// <param name="challenge">The challenge.</param>
    /// <param name="identityKey">The identity key, as the inquiry names it.</param>
    public static EnrolmentTranscript OfInquiry(
        ReadOnlySpan<byte> network, ReadOnlySpan<byte> serverPin, EnrolmentChallenge challenge, string identityKey)
    {
        var fields = new Fields();
        fields.Add(InquiryLabel);
        fields.Add(network);
        fields.Add(serverPin);
        fields.Add(challenge.Id.ToString("D"));
        fields.Add(challenge.PublicKey);
        fields.Add(identityKey);
        return new(fields.Hash());
    }

    /// <summary>
    /// The transcript of a node's keys, which its identity key signs once for all. The signature is shown to the holder of a master key who
    /// was not there when the node enrolled: whoever gave him this identity key cannot have put another WireGuard key beside it.
    /// </summary>
    /// <param name="network">The network's identifier, 32 bytes.</param>
    /// <param name="identityKey">The identity key, as <see cref="EnrolmentRequest.IdentityKey"/> names it.</param>
    /// <param name="wireGuardKey">The WireGuard public key, as <see cref="EnrolmentRequest.WireGuardKey"/> names it.</param>
    /// <param name="rosenpassKeyHash">The Rosenpass public key's hash, as <see cref="EnrolmentRequest.RosenpassKeyHash"/> names it.</param>
    public static EnrolmentTranscript OfKeys(ReadOnlySpan<byte> network, string identityKey, string wireGuardKey, string? rosenpassKeyHash)
    {
        var fields = new Fields();
        fields.Add(KeysLabel);
        fields.Add(network);
        fields.Add(identityKey);
        fields.Add(wireGuardKey);
        fields.Add(rosenpassKeyHash);
        return new(fields.Hash());
    }

    /// <summary>
    /// The transcript of what a node that was invited vouches for by <see cref="Invitation.Prove(EnrolmentTranscript)"/>: its name, all its keys,
    /// and the networks behind it.
    /// </summary>
    /// <param name="network">The network's identifier, 32 bytes.</param>
    /// <param name="name">The node's name.</param>
    /// <param name="identityKey">The identity key, as <see cref="EnrolmentRequest.IdentityKey"/> names it.</param>
    /// <param name="wireGuardKey">The WireGuard public key, as <see cref="EnrolmentRequest.WireGuardKey"/> names it.</param>
    /// <param name="rosenpassKeyHash">The Rosenpass public key's hash, as <see cref="EnrolmentRequest.RosenpassKeyHash"/> names it.</param>
    /// <param name="childPrefixes">The networks behind the node in CIDR notation, in any order and each in any spelling.</param>
    public static EnrolmentTranscript OfInvited(
        ReadOnlySpan<byte> network, string name, string identityKey, string wireGuardKey, string? rosenpassKeyHash, IEnumerable<string> childPrefixes)
    {
        var fields = new Fields();
        fields.Add(InvitedLabel);
        fields.Add(network);
        fields.Add(name);
        fields.Add(identityKey);
        fields.Add(wireGuardKey);
        fields.Add(rosenpassKeyHash);
        fields.Add([.. childPrefixes.Select(text => IpPrefix.TryParse(text, out IpPrefix prefix) ? prefix.ToString() : text).Order(StringComparer.Ordinal)]);
        return new(fields.Hash());
    }

    /// <summary>The identity key's signature of this transcript: ECDSA with SHA-256, DER (RFC 3279 section 2.2.3) in base64.</summary>
    /// <param name="identityKey">The private key, ECDSA P-256; stays the caller's.</param>
    public string Sign(ECDsa identityKey) => Convert.ToBase64String(identityKey.SignHash(_hash, DSASignatureFormat.Rfc3279DerSequence));

    /// <summary>Whether <paramref name="signature"/> is what <see cref="Sign"/> gives for the private half of <paramref name="identityKey"/>.</summary>
    /// <param name="identityKey">The public key.</param>
    /// <param name="signature">The signature in base64; whatever is no such thing is not a signature.</param>
    public bool IsSignedBy(P256PublicKey identityKey, string? signature)
    {
        const int MaximumLength = 128; // of 72 bytes, 96 characters
        Span<byte> der = stackalloc byte[MaximumLength];
        return signature is { Length: <= MaximumLength }
            && Convert.TryFromBase64String(signature, der, out int length)
            && identityKey.IsSignatureOf(_hash, der[..length]);
    }

    /// <summary>
    /// The MAC that only the two ends of an X25519 agreement between WireGuard key and challenge can compute: the controller's ephemeral key
    /// is as fresh as the challenge, so a recorded proof proves nothing.
    /// </summary>
    /// <param name="privateKey">One's own private key, 32 bytes: the node's WireGuard key, or the challenge's.</param>
    /// <param name="publicKey">The other's public key, 32 bytes.</param>
    /// <param name="proof">Where the MAC goes, <see cref="ProofSize"/> bytes.</param>
    /// <returns>False when the public key is of low order (RFC 7748 section 6.1) and proves nothing.</returns>
    public bool TryProve(ReadOnlySpan<byte> privateKey, ReadOnlySpan<byte> publicKey, Span<byte> proof)
    {
        Span<byte> shared = stackalloc byte[X25519.KeySize];
        Span<byte> key = stackalloc byte[32];
        try
        {
            if (!X25519.TryAgree(privateKey, publicKey, shared))
                return false;
            HKDF.DeriveKey(HashAlgorithmName.SHA256, shared, key, salt: [], info: ProofLabel);
            HMACSHA256.HashData(key, _hash, proof);
            return true;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(shared);
            CryptographicOperations.ZeroMemory(key);
        }
    }

    // A null field is told from an empty one, and a list begins with its count: no two requests have the same bytes.
    private sealed class Fields
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public void Add(ReadOnlySpan<byte> field)
        {
            AddNumber(field.Length);
            _hash.AppendData(field);
        }

        public void Add(string? field)
        {
            if (field is null)
                AddNumber(-1);
            else
                Add(Encoding.UTF8.GetBytes(field));
        }

        public void Add(IReadOnlyList<string> fields)
        {
            AddNumber(fields.Count);
            foreach (string field in fields)
                Add(field);
        }

        public byte[] Hash()
        {
            using (_hash)
                return _hash.GetHashAndReset();
        }

        private void AddNumber(int number)
        {
            Span<byte> bytes = stackalloc byte[4];
            BinaryPrimitives.WriteInt32BigEndian(bytes, number);
            _hash.AppendData(bytes);
        }
    }
}
