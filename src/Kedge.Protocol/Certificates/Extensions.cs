using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;

namespace Kedge.Protocol.Certificates;

/// <summary>
/// The extensions of a certificate or revocation list (RFC 5280 section 4.2) while it is read. Each one that is known is taken out; whoever
/// has taken all that he knows checks that nothing critical is left.
/// </summary>
internal sealed class Extensions
{
    /// <summary>The tag of keyIdentifier in AuthorityKeyIdentifier (RFC 5280 section 4.2.1.1).</summary>
    public static readonly Asn1Tag KeyIdentifierTag = new(TagClass.ContextSpecific, 0);

    private readonly Dictionary<string, (bool Critical, ReadOnlyMemory<byte> Value)> _extensions = [];

    /// <summary>Reads a SEQUENCE OF Extension.</summary>
    /// <exception cref="AsnContentException">It is none.</exception>
    /// <exception cref="RefusedException">One is there twice.</exception>
    public Extensions(AsnReader reader)
    {
        AsnReader list = reader.ReadSequence();
        while (list.HasData)
        {
            AsnReader extension = list.ReadSequence();
            string identifier = extension.ReadObjectIdentifier();
            bool isCritical = false;
            if (extension.PeekTag() == Asn1Tag.Boolean)
            {
                isCritical = extension.ReadBoolean();
                if (!isCritical) // The default is not written (X.690 section 11.5).
                    throw new RefusedException(CertificateRefusal.Malformed);
            }
            if (!extension.TryReadPrimitiveOctetString(out ReadOnlyMemory<byte> value))
                throw new RefusedException(CertificateRefusal.Malformed);
            extension.ThrowIfNotEmpty();
            if (!_extensions.TryAdd(identifier, (isCritical, value)))
                throw new RefusedException(CertificateRefusal.DuplicateExtension);
        }
    }

    /// <summary>Whether an extension is there, and not taken out yet.</summary>
    public bool Has(string identifier) => _extensions.ContainsKey(identifier);

    /// <summary>Takes an extension out, where it is there.</summary>
    public bool TryTake(string identifier, out ReadOnlyMemory<byte> value, out bool isCritical)
    {
        bool found = _extensions.Remove(identifier, out (bool Critical, ReadOnlyMemory<byte> Value) extension);
        (isCritical, value) = extension;
        return found;
    }

    /// <summary>Takes an extension out and opens it.</summary>
    /// <exception cref="RefusedException">It is not there.</exception>
    public AsnReader Take(string identifier) => TryTake(identifier, out ReadOnlyMemory<byte> value, out _)
        ? new AsnReader(value, AsnEncodingRules.DER)
        : throw new RefusedException(CertificateRefusal.MissingExtension);

    /// <summary>Takes the address blocks out.</summary>
    /// <exception cref="RefusedException">There are none, or they are not as <see cref="AddressBlocks"/> demands.</exception>
    public AddressBlocks TakeAddressBlocks()
    {
        if (!TryTake(ObjectIdentifiers.AddressBlocks, out ReadOnlyMemory<byte> value, out _))
            throw new RefusedException(CertificateRefusal.NoAddressBlocks);
        return AddressBlocks.TryRead(value, out AddressBlocks? blocks) ? blocks : throw new RefusedException(CertificateRefusal.BadAddressBlocks);
    }

    /// <summary>Takes the key usage out, which must be exactly <paramref name="usage"/> (RFC 5280 section 4.2.1.3).</summary>
    /// <exception cref="RefusedException">It is not there, or another one.</exception>
    public void TakeKeyUsage(KeyUsage usage)
    {
        AsnReader reader = Take(ObjectIdentifiers.KeyUsage);
        var found = reader.ReadNamedBitListValue<KeyUsage>();
        reader.ThrowIfNotEmpty();
        if (found != usage)
            throw new RefusedException(CertificateRefusal.WrongUsage);
    }

    /// <summary>Takes the identifier of the issuer's key out, in lower-case hexadecimal; there is nothing else in an AuthorityKeyIdentifier of Kedge.</summary>
    /// <exception cref="RefusedException">It is not there, or has other contents.</exception>
    public string TakeAuthorityKeyIdentifier()
    {
        AsnReader reader = Take(ObjectIdentifiers.AuthorityKeyIdentifier);
        AsnReader fields = reader.ReadSequence();
        string identifier = ReadKeyIdentifier(fields, KeyIdentifierTag);
        fields.ThrowIfNotEmpty();
        reader.ThrowIfNotEmpty();
        return identifier;
    }

    /// <summary>Takes the identifier of the certificate's own key out, in lower-case hexadecimal.</summary>
    /// <exception cref="RefusedException">It is not there, or has other contents.</exception>
    public string TakeSubjectKeyIdentifier()
    {
        AsnReader reader = Take(ObjectIdentifiers.SubjectKeyIdentifier);
        string identifier = ReadKeyIdentifier(reader, Asn1Tag.PrimitiveOctetString);
        reader.ThrowIfNotEmpty();
        return identifier;
    }

    /// <summary>Ends the reading.</summary>
    /// <exception cref="RefusedException">Something critical is left.</exception>
    public void RefuseUnknownCritical()
    {
        if (_extensions.Values.Any(extension => extension.Critical))
            throw new RefusedException(CertificateRefusal.UnknownCriticalExtension);
    }

    private static string ReadKeyIdentifier(AsnReader reader, Asn1Tag tag)
    {
        const int MaximumSize = 32;
        byte[] identifier = reader.ReadOctetString(tag);
        return identifier.Length is > 0 and <= MaximumSize
            ? Convert.ToHexStringLower(identifier)
            : throw new RefusedException(CertificateRefusal.BadExtension);
    }
}

/// <summary>The bits of KeyUsage (RFC 5280 section 4.2.1.3), the first one lowest.</summary>
[Flags]
[SuppressMessage("Design", "CA1008", Justification = "A key usage without any bit is not allowed.")]
internal enum KeyUsage
{
    DigitalSignature = 1 << 0,
    KeyAgreement = 1 << 4,
    KeyCertSign = 1 << 5,
    CrlSign = 1 << 6,
}
