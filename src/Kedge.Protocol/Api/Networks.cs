namespace Kedge.Protocol.Api;

/// <summary>The network that a controller runs.</summary>
public sealed record NetworkDescription
{
    /// <summary>The SHA-256 of the master certificate's SubjectPublicKeyInfo, 32 bytes in base64url: the network's identifier.</summary>
    public required string Id { get; init; }

    /// <summary><c>managed</c>: the controller certifies nodes; <c>locked</c>: only the master key does, and it is not on the controller.</summary>
    public required string Mode { get; init; }

    /// <summary>The certificates of the authorities, DER in base64: the master's and, in a managed network, the issuer's.</summary>
    public required IReadOnlyList<string> Authorities { get; init; }

    /// <summary>The revocation lists, DER in base64.</summary>
    public required IReadOnlyList<string> RevocationLists { get; init; }

    /// <summary>The SHA-256 of the server authority's SubjectPublicKeyInfo, 32 bytes in base64url: what a join line pins.</summary>
    public required string ServerPin { get; init; }

    /// <summary>The controller's address as nodes are told.</summary>
    public required string Url { get; init; }

    /// <summary>Names the store; a restored one has another name.</summary>
    public required Guid StoreId { get; init; }

    /// <summary>The last revision of the store.</summary>
    public required long Revision { get; init; }

    /// <summary>The controller's version.</summary>
    public required string Version { get; init; }
}

/// <summary>What <c>kedge ca sign</c> needs to certify a node of a locked network.</summary>
public sealed record SigningRequest
{
    /// <summary>The network's identifier, 32 bytes in base64url.</summary>
    public required string NetworkId { get; init; }

    /// <summary>The zone's identifier.</summary>
    public required Guid ZoneId { get; init; }

    /// <summary>The zone's name, for the person who signs.</summary>
    public required string ZoneName { get; init; }

    /// <summary>The node's identifier.</summary>
    public required Guid NodeId { get; init; }

    /// <summary>The node's name.</summary>
    public required string Name { get; init; }

    /// <summary>The SubjectPublicKeyInfo of the node's ECDSA P-256 key, DER in base64; null for a stock WireGuard peer, which has none.</summary>
    public string? IdentityKey { get; init; }

    /// <summary>The WireGuard public key, base64.</summary>
    public required string WireGuardKey { get; init; }

    /// <summary>The SHA-256 of the Rosenpass public key, base64; null without Rosenpass.</summary>
    public string? RosenpassKeyHash { get; init; }

    /// <summary>
    /// The identity key's signature of the node's keys, as in <see cref="EnrolmentRequest.KeysSignature"/>: the only thing here that the holder
    /// of the master key need not take on the controller's word.
    /// </summary>
    public string? KeysSignature { get; init; }

    /// <summary>
    /// The proof of a node that was invited, as in <see cref="EnrolmentRequest.InvitationProof"/>: with it nobody has to compare keys. Null
    /// without one.
    /// </summary>
    public string? InvitationProof { get; init; }

    /// <summary>The tags.</summary>
    public required IReadOnlyList<string> Tags { get; init; }

    /// <summary>The addresses that the controller keeps for the node.</summary>
    public required IReadOnlyList<string> Addresses { get; init; }

    /// <summary>The networks behind the node; signing approves them.</summary>
    public required IReadOnlyList<string> ChildPrefixes { get; init; }

    /// <summary>Whether the node has proved that it has the private keys; false for a stock WireGuard peer, which cannot.</summary>
    public required bool Proven { get; init; }

    /// <summary>Whether the node is certified already and asks for a new certificate.</summary>
    public required bool Renewal { get; init; }
}

/// <summary>Certificates that the master key signed, to be handed to the nodes they are for.</summary>
/// <param name="Certificates">Certificates, each DER in base64.</param>
/// <param name="RevocationList">
/// The master's newest revocation list, DER in base64: it takes effect after the certificates, some of which replace what it revokes. Null for
/// none.
/// </param>
public sealed record CertificateImport(IReadOnlyList<string> Certificates, string? RevocationList = null);

/// <summary>What became of imported certificates.</summary>
/// <param name="Accepted">The nodes that have a new certificate now.</param>
public sealed record CertificateImportResult(IReadOnlyList<Guid> Accepted)
{
    /// <summary>The nodes whose present certificate the revocation list names: they are removed.</summary>
    public IReadOnlyList<Guid> Removed { get; init => field = value ?? []; } = [];
}

/// <summary>A revocation list that an authority of the network signed.</summary>
/// <param name="RevocationList">The list (RFC 5280 section 5), DER in base64.</param>
public sealed record RevocationListImport(string RevocationList);

/// <summary>What became of an imported revocation list.</summary>
/// <param name="Removed">The nodes that it names: they are removed.</param>
public sealed record RevocationListImportResult(IReadOnlyList<Guid> Removed);
