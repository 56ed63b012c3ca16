using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;

namespace Kedge.Protocol.Certificates;

/// <summary>A certificate that its issuer has revoked.</summary>
/// <param name="Serial">Its serial number.</param>
/// <param name="RevokedAt">Since when.</param>
public sealed record RevokedCertificate(SerialNumber Serial, DateTimeOffset RevokedAt);

/// <summary>
/// The certificates that an authority has revoked: an X.509 version 2 certificate revocation list (RFC 5280 section 5), complete, and only
/// of the authority's own certificates. It has been read strictly, but says nothing until <see cref="NetworkTrust"/> has verified it.
/// Immutable; any thread.
/// </summary>
/// <remarks>
/// It has the extensions authority key identifier and CRL number. Of two lists of one authority the one with the higher number is the newer
/// one, and it holds however old it is: the authority may be off line for years, and that must not stop the network.
/// </remarks>
public sealed class RevocationList
{
    /// <summary>The largest list in bytes that is read, good for more than 20,000 certificates.</summary>
    public const int MaximumSize = 1 << 20;

    private static readonly Asn1Tag ExtensionsTag = new(TagClass.ContextSpecific, 0, isConstructed: true);

    private readonly SignedStructure _signed;
    private readonly HashSet<SerialNumber> _serials;

    private RevocationList(byte[] der)
    {
        Der = der;
        Fingerprint = Sha256Digest.Of(der);
        _signed = SignedStructure.Read(der);
        AsnReader fields = new AsnReader(_signed.Content, AsnEncodingRules.DER).ReadSequence();
        if (!fields.TryReadInt32(out int version) || version != 1) // version 2
            throw new RefusedException(CertificateRefusal.Malformed);
        SignedStructure.ReadAlgorithm(fields);
        Issuer = fields.ReadEncodedValue();
        IssuerName = CommonName.TryDecode(Issuer, out string? name) ? name : throw new RefusedException(CertificateRefusal.BadName);
        ThisUpdate = Dates.Read(fields);
        NextUpdate = Dates.Read(fields); // demanded by section 5.1.2.5
        // A list without entries is left out altogether (section 5.1.2.6).
        Entries = fields.HasData && fields.PeekTag() == Asn1Tag.Sequence ? ReadEntries(fields.ReadSequence()) : [];
        AsnReader wrapper = fields.ReadSequence(ExtensionsTag);
        var extensions = new Extensions(wrapper);
        wrapper.ThrowIfNotEmpty();
        fields.ThrowIfNotEmpty();
        AuthorityKeyIdentifier = extensions.TakeAuthorityKeyIdentifier();
        AsnReader number = extensions.Take(ObjectIdentifiers.RevocationListNumber);
        Number = number.TryReadInt64(out long value) && value >= 0 ? value : throw new RefusedException(CertificateRefusal.BadExtension);
        number.ThrowIfNotEmpty();
        extensions.RefuseUnknownCritical();
        _serials = [.. Entries.Select(entry => entry.Serial)];
    }

    /// <summary>The whole list.</summary>
    public ReadOnlyMemory<byte> Der { get; }

    /// <summary>The SHA-256 of <see cref="Der"/>.</summary>
    public Sha256Digest Fingerprint { get; }

    /// <summary>The common name of the authority that signed it.</summary>
    public string IssuerName { get; }

    /// <summary>The identifier of that authority's key, in lower-case hexadecimal.</summary>
    public string AuthorityKeyIdentifier { get; }

    /// <summary>The CRL number (section 5.2.3): each list of an authority has a higher one than the list before.</summary>
    public long Number { get; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset ThisUpdate { get; }

    /// <summary>When the next one is due. Kedge does not ask: see the remarks.</summary>
    public DateTimeOffset NextUpdate { get; }

    /// <summary>The revoked certificates, in the order of the list.</summary>
    public IReadOnlyList<RevokedCertificate> Entries { get; }

    /// <summary>The issuer's name, DER.</summary>
    internal ReadOnlyMemory<byte> Issuer { get; }

    /// <summary>Reads a list. The signature is not checked.</summary>
    /// <param name="der">The list; copied.</param>
    /// <param name="list">The list, when the result is true.</param>
    /// <param name="refusal">Why not, when the result is false.</param>
    /// <returns>Whether it is a list as described above, in DER to the last bit.</returns>
    public static bool TryParse(ReadOnlySpan<byte> der, [NotNullWhen(true)] out RevocationList? list, out CertificateRefusal refusal) =>
        Reading.Try(der, MaximumSize, copy => new RevocationList(copy), out list, out refusal);

    /// <summary>Whether a certificate of this authority is revoked.</summary>
    public bool Contains(SerialNumber serial) => _serials.Contains(serial);

    internal static void Write(
        AsnWriter writer, AuthorityCertificate issuer, long number, DateTimeOffset thisUpdate, DateTimeOffset nextUpdate, IReadOnlyCollection<RevokedCertificate> entries)
    {
        using AsnWriter.Scope list = writer.PushSequence();
        writer.WriteInteger(1); // version 2
        SignedStructure.WriteAlgorithm(writer);
        writer.WriteEncodedValue(issuer.Subject.Span);
        Dates.Write(writer, thisUpdate);
        Dates.Write(writer, nextUpdate);
        if (entries.Count > 0)
        {
            using AsnWriter.Scope revoked = writer.PushSequence();
            foreach (RevokedCertificate entry in entries)
            {
                using AsnWriter.Scope certificate = writer.PushSequence();
                writer.WriteInteger(entry.Serial.ToArray());
                Dates.Write(writer, entry.RevokedAt);
            }
        }
        using AsnWriter.Scope wrapper = writer.PushSequence(ExtensionsTag);
        using AsnWriter.Scope sequence = writer.PushSequence();
        var extensions = new ExtensionWriter(writer);
        extensions.WriteAuthorityKeyIdentifier(issuer.KeyIdentifier);
        extensions.Write(ObjectIdentifiers.RevocationListNumber, value => value.WriteInteger(number));
    }

    internal bool IsSignedBy(P256PublicKey key) => _signed.IsSignedBy(key);

    private static List<RevokedCertificate> ReadEntries(AsnReader reader)
    {
        if (!reader.HasData)
            throw new RefusedException(CertificateRefusal.Malformed);
        List<RevokedCertificate> entries = [];
        while (reader.HasData)
        {
            AsnReader entry = reader.ReadSequence();
            if (!SerialNumber.TryRead(entry.ReadIntegerBytes().Span, out SerialNumber serial))
                throw new RefusedException(CertificateRefusal.BadSerialNumber);
            entries.Add(new(serial, Dates.Read(entry)));
            if (entry.HasData) // reasons and the like, which change nothing
                new Extensions(entry).RefuseUnknownCritical();
            entry.ThrowIfNotEmpty();
        }
        return entries;
    }
}
