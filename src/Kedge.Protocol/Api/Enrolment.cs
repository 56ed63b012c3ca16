namespace Kedge.Protocol.Api;

/// <summary>What a controller hands out before an enrolment: an ephemeral key to prove possession against. Used once.</summary>
/// <param name="Id">Names the challenge.</param>
/// <param name="PublicKey">An X25519 public key made for this challenge alone: 32 bytes in base64.</param>
/// <param name="ExpiresAt">When it can no longer be used.</param>
public sealed record EnrolmentChallenge(Guid Id, string PublicKey, DateTimeOffset ExpiresAt);

/// <summary>
/// What a node asks for. Repeated with the same keys it replaces what was asked for before: addresses and prefixes that are no longer
/// named are released.
/// </summary>
public sealed record EnrolmentRequest
{
    /// <summary>
    /// The node's name: a DNS label (RFC 1123), unique in its zone. Where an administrator has given it another name, that stays until the node
    /// asks for one that it did not ask for the last time.
    /// </summary>
    public required string Name { get; init; }

    /// <summary>
    /// Whether nobody chose the name: where another node has it, this one gets a number behind it, such as <c>web-2</c>, and is not refused.
    /// </summary>
    public bool IsDefaultName { get; init; }

    /// <summary>The zone by its name or identifier; null for the token's zone, or the one that the node is in.</summary>
    public string? Zone { get; init; }

    /// <summary>The SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) of the node's ECDSA P-256 key, DER in base64.</summary>
    public required string IdentityKey { get; init; }

    /// <summary>The WireGuard public key: 32 bytes in base64.</summary>
    public required string WireGuardKey { get; init; }

    /// <summary>The SHA-256 of the Rosenpass public key, 32 bytes in base64; null without Rosenpass.</summary>
    public string? RosenpassKeyHash { get; init; }

    /// <summary>
    /// The identity key's signature of its keys (<see cref="Enrolment.EnrolmentTranscript.OfKeys"/>): ECDSA with SHA-256, DER in base64. In a
    /// locked network it goes to the holder of the master key with the request; null from a node that does not make one.
    /// </summary>
    public string? KeysSignature { get; init; }

    /// <summary>
    /// What a node that the holder of the master key invited proves its name and keys with (<see cref="Enrolment.Invitation"/>): 32 bytes in
    /// base64. The controller cannot check it, and hands it on with the request; null without an invitation.
    /// </summary>
    public string? InvitationProof { get; init; }

    /// <summary>Addresses of the zone that the node wants to have. For a family without one the controller chooses.</summary>
    public IReadOnlyList<string> RequestedAddresses { get; init => field = value ?? []; } = [];

    /// <summary>Networks behind the node, in CIDR notation.</summary>
    public IReadOnlyList<string> ChildPrefixes { get; init => field = value ?? []; } = [];

    /// <summary>Where the node can be reached, best first: the others learn it together with the node.</summary>
    public IReadOnlyList<NodeEndpoint> Endpoints { get; init => field = value ?? []; } = [];

    /// <summary>Whether the node is to vanish some time after it was last seen.</summary>
    public bool Ephemeral { get; init; }
}

/// <summary>Where a node can be reached by UDP.</summary>
/// <param name="Address">Address and port, as <see cref="Ip.Endpoint"/> writes them.</param>
/// <param name="Kind">How it is known: <c>local</c> (an address of its machine), <c>reflexive</c> (seen by STUN), <c>mapped</c> (by its gateway), <c>fixed</c> (told by a person).</param>
public sealed record NodeEndpoint(string Address, string Kind);

/// <summary>A request with its proofs.</summary>
/// <param name="Challenge">The challenge it answers.</param>
/// <param name="Request">What is asked for.</param>
/// <param name="Proof">The MAC that shows possession of the WireGuard private key: 32 bytes in base64. See <see cref="Enrolment.EnrolmentTranscript"/>.</param>
/// <param name="Signature">The identity key's signature of the transcript: ECDSA with SHA-256, DER (RFC 3279 section 2.2.3) in base64.</param>
/// <param name="Token">
/// A token as <c>identifier.secret</c>; null for a node that is enrolled with the same identity key, which needs none.
/// </param>
public sealed record EnrolmentSubmission(Guid Challenge, EnrolmentRequest Request, string Proof, string Signature, string? Token = null);

/// <summary>The question of a pending node what has become of its request, under the request's key.</summary>
/// <param name="Challenge">The challenge it answers.</param>
/// <param name="IdentityKey">The request's identity key, as in <see cref="EnrolmentRequest.IdentityKey"/>.</param>
/// <param name="Signature">The identity key's signature of the transcript: ECDSA with SHA-256, DER in base64.</param>
public sealed record EnrolmentInquiry(Guid Challenge, string IdentityKey, string Signature);

/// <summary>What a node that asks for a new certificate has that it did not have before.</summary>
/// <param name="RosenpassKeyHash">As <see cref="EnrolmentRequest.RosenpassKeyHash"/>; null for the one that is known.</param>
/// <param name="KeysSignature">As <see cref="EnrolmentRequest.KeysSignature"/>, of the keys with that hash; null without one.</param>
public sealed record CertificateRenewal(string? RosenpassKeyHash = null, string? KeysSignature = null);

/// <summary>What became of a request.</summary>
public sealed record EnrolmentResult
{
    /// <summary>The node's identifier.</summary>
    public required Guid NodeId { get; init; }

    /// <summary>What the node is called: what it asked for, or what an administrator has called it since.</summary>
    public required string Name { get; init; }

    /// <summary><c>active</c>, or <c>pending</c> until it is certified or approved.</summary>
    public required string Status { get; init; }

    /// <summary>
    /// What is still waited for, in words: a pending node's approval or certificate, or that of prefixes which an active node has asked
    /// for in addition. Null for nothing.
    /// </summary>
    public string? Reason { get; init; }

    /// <summary>Whether the node is removed some time after it was last seen.</summary>
    public bool Ephemeral { get; init; }

    /// <summary>The zone's identifier.</summary>
    public required Guid ZoneId { get; init; }

    /// <summary>The zone's name.</summary>
    public required string ZoneName { get; init; }

    /// <summary>The zone's prefixes, one a family, in CIDR notation.</summary>
    public required IReadOnlyList<string> ZonePrefixes { get; init; }

    /// <summary>The node's addresses in the zone.</summary>
    public IReadOnlyList<string> Addresses { get; init => field = value ?? []; } = [];

    /// <summary>The networks behind the node that it may announce.</summary>
    public IReadOnlyList<string> ChildPrefixes { get; init => field = value ?? []; } = [];

    /// <summary>The node's certificate, DER in base64; null while pending.</summary>
    public string? Certificate { get; init; }

    /// <summary>The certificates of the network's authorities, DER in base64: the master's and, in a managed network, the issuer's.</summary>
    public IReadOnlyList<string> Authorities { get; init => field = value ?? []; } = [];
}
