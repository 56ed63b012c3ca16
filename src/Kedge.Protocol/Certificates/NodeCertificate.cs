using System.Diagnostics.CodeAnalysis;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Certificates;

/// <summary>
/// A node's certificate: which keys, addresses and prefixes are whose, in which zone of which network. It has been read strictly, but
/// says nothing until <see cref="NetworkTrust"/> has verified it. Immutable; any thread.
/// </summary>
/// <remarks>
/// An X.509 version 3 certificate (RFC 5280), ECDSA P-256 with SHA-256. The extension <see cref="ObjectIdentifiers.KedgeNode"/> has
/// <code>
/// KedgeNode ::= SEQUENCE {
///     network           OCTET STRING (SIZE (32)),   -- SHA-256 of the master key's SubjectPublicKeyInfo
///     zone              OCTET STRING (SIZE (16)),   -- a UUID, most significant byte first
///     wireGuardKey      OCTET STRING (SIZE (32)),
///     rosenpassKeyHash  [0] IMPLICIT OCTET STRING (SIZE (32)) OPTIONAL,
///     tags              [1] IMPLICIT SEQUENCE (SIZE (1..32)) OF UTF8String OPTIONAL }  -- sorted by code point, each once
/// </code>
/// The subject alternative name has the node's own addresses, and the address blocks (RFC 3779) those and the networks behind the node. The
/// key is the identity key; of a stock WireGuard peer, which has none, it is the WireGuard key itself (RFC 8410).
/// </remarks>
public sealed class NodeCertificate
{
    /// <summary>The largest certificate in bytes that is read.</summary>
    public const int MaximumSize = 4096;

    private readonly SignedStructure _signed;

    private NodeCertificate(byte[] der, CertificateFields fields)
    {
        Der = der;
        _signed = fields.Signed;
        Fingerprint = Sha256Digest.Of(der);
        Serial = fields.Serial;
        Issuer = fields.Issuer;
        IssuerName = fields.IssuerName;
        Name = CommonName.IsLabel(fields.Name) ? fields.Name : throw new RefusedException(CertificateRefusal.BadName);
        (NotBefore, NotAfter) = (fields.NotBefore, fields.NotAfter);

        Extensions extensions = fields.Extensions;
        NodeProfile.RefuseAuthority(extensions);
        AuthorityKeyIdentifier = extensions.TakeAuthorityKeyIdentifier();
        AddressBlocks = extensions.TakeAddressBlocks();
        Addresses = NodeProfile.TakeAddresses(extensions);
        if (!Addresses.All(address => AddressBlocks.Contains(AddressBlocks.Of([new(address, address.Size * 8)]))))
            throw new RefusedException(CertificateRefusal.BadAddressBlocks);
        NodeBinding binding = NodeBinding.Read(extensions.Take(ObjectIdentifiers.KedgeNode));
        NetworkId = binding.NetworkId;
        ZoneId = binding.ZoneId;
        WireGuardKey = binding.WireGuardKey;
        RosenpassKeyHash = binding.RosenpassKeyHash;
        Tags = binding.Tags;
        IdentityKey = NodeProfile.ReadKey(fields.SubjectPublicKeyInfo.Span, WireGuardKey);
        NodeProfile.TakeUsages(extensions, isStockPeer: IdentityKey is null);
        extensions.RefuseUnknownCritical();
    }

    /// <summary>The whole certificate.</summary>
    public ReadOnlyMemory<byte> Der { get; }

    /// <summary>The SHA-256 of <see cref="Der"/>.</summary>
    public Sha256Digest Fingerprint { get; }

    /// <summary>The serial number, unique among its issuer's certificates.</summary>
    public SerialNumber Serial { get; }

    /// <summary>The issuer's common name.</summary>
    public string IssuerName { get; }

    /// <summary>The identifier of the issuer's key, in lower-case hexadecimal.</summary>
    public string AuthorityKeyIdentifier { get; }

    /// <summary>The first second at which it is valid.</summary>
    public DateTimeOffset NotBefore { get; }

    /// <summary>The last second at which it is valid.</summary>
    public DateTimeOffset NotAfter { get; }

    /// <inheritdoc cref="NodeSubject.Name"/>
    public string Name { get; }

    /// <summary>The SHA-256 of the master key's SubjectPublicKeyInfo.</summary>
    public Sha256Digest NetworkId { get; }

    /// <inheritdoc cref="NodeSubject.ZoneId"/>
    public Guid ZoneId { get; }

    /// <inheritdoc cref="NodeSubject.IdentityKey"/>
    public P256PublicKey? IdentityKey { get; }

    /// <inheritdoc cref="NodeSubject.WireGuardKey"/>
    public PublicKey WireGuardKey { get; }

    /// <inheritdoc cref="NodeSubject.RosenpassKeyHash"/>
    public Sha256Digest? RosenpassKeyHash { get; }

    /// <summary>The node's tags, sorted.</summary>
    public IReadOnlyList<string> Tags { get; }

    /// <summary>Whether the node may pass on datagrams between others.</summary>
    public bool MayRelay => Tags.Contains(NodeSubject.RelayTag);

    /// <inheritdoc cref="NodeSubject.Addresses"/>
    public IReadOnlyList<IpAddress> Addresses { get; }

    /// <summary>All that the node may send from and receive for: <see cref="Addresses"/> and the networks behind it.</summary>
    public AddressBlocks AddressBlocks { get; }

    /// <summary>The prefixes of <see cref="AddressBlocks"/>: what a peer's allowed IPs are.</summary>
    public IReadOnlyList<IpPrefix> Prefixes => AddressBlocks.Prefixes;

    /// <summary>The issuer's name, DER.</summary>
    internal ReadOnlyMemory<byte> Issuer { get; }

    /// <summary>Reads a certificate. The signature and the dates are not checked.</summary>
    /// <param name="der">The certificate; copied.</param>
    /// <param name="certificate">The certificate, when the result is true.</param>
    /// <param name="refusal">Why not, when the result is false.</param>
    /// <returns>Whether it is a node's certificate as described above, in DER to the last bit.</returns>
    public static bool TryParse(
        ReadOnlySpan<byte> der, [NotNullWhen(true)] out NodeCertificate? certificate, out CertificateRefusal refusal) =>
        Reading.Try(der, MaximumSize, copy => new NodeCertificate(copy, CertificateFields.Read(copy)), out certificate, out refusal);

    /// <summary>Whether this certificate is for these keys and for no others: what a node asks of its own.</summary>
    /// <returns>Null when it is.</returns>
    public CertificateRefusal? CheckKeys(P256PublicKey identityKey, PublicKey wireGuardKey) =>
        identityKey.Equals(IdentityKey) && wireGuardKey == WireGuardKey ? null : CertificateRefusal.WrongKey;

    /// <summary>
    /// Whether this certificate is for these keys and for no others: what a node asks of its own. Without a Rosenpass key it is one of the time
    /// before the node had any.
    /// </summary>
    /// <returns>Null when it is.</returns>
    public CertificateRefusal? CheckKeys(P256PublicKey identityKey, PublicKey wireGuardKey, Sha256Digest? rosenpassKeyHash) =>
        RosenpassKeyHash is null || RosenpassKeyHash == rosenpassKeyHash ? CheckKeys(identityKey, wireGuardKey) : CertificateRefusal.WrongKey;

    /// <summary>Whether exactly these prefixes were certified, in whatever order and pieces: nobody may announce more.</summary>
    /// <returns>Null when they were.</returns>
    public CertificateRefusal? CheckPrefixes(IReadOnlyCollection<IpPrefix> announced) =>
        announced.Count is > 0 and <= AddressBlocks.MaximumCount && AddressBlocks.Of(announced).Equals(AddressBlocks)
            ? null
            : CertificateRefusal.GrownPrefix;

    internal bool IsSignedBy(P256PublicKey key) => _signed.IsSignedBy(key);
}
