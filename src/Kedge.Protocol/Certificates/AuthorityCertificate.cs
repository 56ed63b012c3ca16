using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;

namespace Kedge.Protocol.Certificates;

/// <summary>
/// The certificate of an authority: of a network's master, or of an issuer that the master certified. It has been read strictly, but says
/// nothing until <see cref="NetworkTrust"/> has verified it. Immutable; any thread.
/// </summary>
/// <remarks>
/// An X.509 version 3 certificate (RFC 5280), ECDSA P-256 with SHA-256, with basic constraints, key usage (keyCertSign and cRLSign), subject
/// key identifier, address blocks (RFC 3779) and the network's identifier in <see cref="ObjectIdentifiers.KedgeNetwork"/>.
/// </remarks>
public sealed class AuthorityCertificate
{
    /// <summary>The largest certificate in bytes that is read.</summary>
    public const int MaximumSize = NodeCertificate.MaximumSize;

    internal const KeyUsage Usage = KeyUsage.KeyCertSign | KeyUsage.CrlSign;

    private readonly SignedStructure _signed;

    private AuthorityCertificate(byte[] der, CertificateFields fields)
    {
        Der = der;
        _signed = fields.Signed;
        Fingerprint = Sha256Digest.Of(der);
        Serial = fields.Serial;
        (Issuer, IssuerName) = (fields.Issuer, fields.IssuerName);
        (Subject, Name) = (fields.Subject, fields.Name);
        (NotBefore, NotAfter) = (fields.NotBefore, fields.NotAfter);
        Key = P256PublicKey.TryParse(fields.SubjectPublicKeyInfo.Span, out P256PublicKey? key)
            ? key
            : throw new RefusedException(CertificateRefusal.UnsupportedAlgorithm);

        Extensions extensions = fields.Extensions;
        PathLength = TakePathLength(extensions);
        extensions.TakeKeyUsage(Usage);
        KeyIdentifier = extensions.TakeSubjectKeyIdentifier();
        NetworkId = TakeNetwork(extensions);
        AddressBlocks = extensions.TakeAddressBlocks();
        // A master may name itself as its issuer, but need not (RFC 5280 section 4.2.1.1).
        AuthorityKeyIdentifier = IsMaster && !extensions.Has(ObjectIdentifiers.AuthorityKeyIdentifier)
            ? KeyIdentifier
            : extensions.TakeAuthorityKeyIdentifier();
        extensions.RefuseUnknownCritical();
    }

    /// <summary>The whole certificate.</summary>
    public ReadOnlyMemory<byte> Der { get; }

    /// <summary>The SHA-256 of <see cref="Der"/>.</summary>
    public Sha256Digest Fingerprint { get; }

    /// <summary>The serial number, unique among its issuer's certificates.</summary>
    public SerialNumber Serial { get; }

    /// <summary>The authority's common name.</summary>
    public string Name { get; }

    /// <summary>The issuer's common name; a master's own.</summary>
    public string IssuerName { get; }

    /// <summary>The authority's key.</summary>
    public P256PublicKey Key { get; }

    /// <summary>The identifier of <see cref="Key"/> in lower-case hexadecimal, by which the certificates name it that it issues.</summary>
    public string KeyIdentifier { get; }

    /// <summary>The identifier of the issuer's key in lower-case hexadecimal; a master's own.</summary>
    public string AuthorityKeyIdentifier { get; }

    /// <summary>The SHA-256 of the master key's SubjectPublicKeyInfo.</summary>
    public Sha256Digest NetworkId { get; }

    /// <summary>Whether this is the master: the network is named by its key.</summary>
    public bool IsMaster => Key.Hash == NetworkId;

    /// <summary>How many authorities may follow one another below this one (RFC 5280 section 4.2.1.9); null for any number.</summary>
    public int? PathLength { get; }

    /// <summary>The addresses that it may certify.</summary>
    public AddressBlocks AddressBlocks { get; }

    /// <summary>The first second at which it is valid.</summary>
    public DateTimeOffset NotBefore { get; }

    /// <summary>The last second at which it is valid.</summary>
    public DateTimeOffset NotAfter { get; }

    /// <summary>The issuer's name, DER.</summary>
    internal ReadOnlyMemory<byte> Issuer { get; }

    /// <summary>The authority's name, DER.</summary>
    internal ReadOnlyMemory<byte> Subject { get; }

    /// <summary>Reads a certificate. The signature and the dates are not checked.</summary>
    /// <param name="der">The certificate; copied.</param>
    /// <param name="certificate">The certificate, when the result is true.</param>
    /// <param name="refusal">Why not, when the result is false.</param>
    /// <returns>Whether it is an authority's certificate as described above, in DER to the last bit.</returns>
    public static bool TryParse(
        ReadOnlySpan<byte> der, [NotNullWhen(true)] out AuthorityCertificate? certificate, out CertificateRefusal refusal) =>
        Reading.Try(der, MaximumSize, copy => new AuthorityCertificate(copy, CertificateFields.Read(copy)), out certificate, out refusal);

    internal bool IsSignedBy(P256PublicKey key) => _signed.IsSignedBy(key);

    private static int? TakePathLength(Extensions extensions)
    {
        if (!extensions.TryTake(ObjectIdentifiers.BasicConstraints, out ReadOnlyMemory<byte> value, out bool isCritical))
            throw new RefusedException(CertificateRefusal.WrongUsage);
        var reader = new AsnReader(value, AsnEncodingRules.DER);
        AsnReader constraints = reader.ReadSequence();
        reader.ThrowIfNotEmpty();
        if (!isCritical || !constraints.HasData || !constraints.ReadBoolean())
            throw new RefusedException(CertificateRefusal.WrongUsage);
        if (!constraints.HasData)
            return null;
        bool valid = constraints.TryReadInt32(out int length) && length >= 0;
        constraints.ThrowIfNotEmpty();
        return valid ? length : throw new RefusedException(CertificateRefusal.BadExtension);
    }

    private static Sha256Digest TakeNetwork(Extensions extensions)
    {
        AsnReader reader = extensions.Take(ObjectIdentifiers.KedgeNetwork);
        byte[] identifier = reader.ReadOctetString();
        reader.ThrowIfNotEmpty();
        return identifier.Length == Sha256Digest.Size
            ? Sha256Digest.FromBytes(identifier)
            : throw new RefusedException(CertificateRefusal.BadExtension);
    }
}
