using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Kedge.Protocol.Certificates;

/// <summary>The fields that every X.509 version 3 certificate has (RFC 5280 section 4.1), read strictly.</summary>
internal sealed class CertificateFields
{
    private static readonly Asn1Tag VersionTag = new(TagClass.ContextSpecific, 0, isConstructed: true);
    private static readonly Asn1Tag ExtensionsTag = new(TagClass.ContextSpecific, 3, isConstructed: true);

    private CertificateFields(SignedStructure signed, AsnReader fields)
    {
        Signed = signed;
        ReadVersion(fields);
        if (!SerialNumber.TryRead(fields.ReadIntegerBytes().Span, out SerialNumber serial))
            throw new RefusedException(CertificateRefusal.BadSerialNumber);
        Serial = serial;
        SignedStructure.ReadAlgorithm(fields);
        Issuer = fields.ReadEncodedValue();
        (NotBefore, NotAfter) = ReadValidity(fields);
        Subject = fields.ReadEncodedValue();
        if (!CommonName.TryDecode(Issuer, out string? issuerName) || !CommonName.TryDecode(Subject, out string? name))
            throw new RefusedException(CertificateRefusal.BadName);
        (IssuerName, Name) = (issuerName, name);
        SubjectPublicKeyInfo = fields.ReadEncodedValue();
        AsnReader extensions = fields.ReadSequence(ExtensionsTag);
        Extensions = new Extensions(extensions);
        extensions.ThrowIfNotEmpty();
        fields.ThrowIfNotEmpty();
    }

    public SignedStructure Signed { get; }

    public SerialNumber Serial { get; }

    /// <summary>The issuer's name, DER.</summary>
    public ReadOnlyMemory<byte> Issuer { get; }

    public string IssuerName { get; }

    /// <summary>The subject's name, DER.</summary>
    public ReadOnlyMemory<byte> Subject { get; }

    public string Name { get; }

    public DateTimeOffset NotBefore { get; }

    public DateTimeOffset NotAfter { get; }

    public ReadOnlyMemory<byte> SubjectPublicKeyInfo { get; }

    public Extensions Extensions { get; }

    /// <summary>Reads a certificate's fields.</summary>
    /// <exception cref="AsnContentException">It is no certificate.</exception>
    /// <exception cref="RefusedException">It is none that Kedge accepts.</exception>
    public static CertificateFields Read(ReadOnlyMemory<byte> der)
    {
        var signed = SignedStructure.Read(der);
        return new CertificateFields(signed, new AsnReader(signed.Content, AsnEncodingRules.DER).ReadSequence());
    }

    /// <summary>Writes and signs a certificate.</summary>
    /// <param name="issuer">The issuer's name, DER.</param>
    /// <param name="issuerKey">The issuer's private key.</param>
    /// <param name="serial">The serial number.</param>
    /// <param name="notBefore">The first second of validity.</param>
    /// <param name="notAfter">The last second of validity.</param>
    /// <param name="subject">The subject's name, DER.</param>
    /// <param name="subjectPublicKeyInfo">The subject's key, DER.</param>
    /// <param name="writeExtensions">Writes the extensions.</param>
    public static byte[] Sign(
        ReadOnlyMemory<byte> issuer,
        ECDsa issuerKey,
        SerialNumber serial,
        DateTimeOffset notBefore,
        DateTimeOffset notAfter,
        ReadOnlyMemory<byte> subject,
        ReadOnlySpan<byte> subjectPublicKeyInfo,
        Action<ExtensionWriter> writeExtensions)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            using (writer.PushSequence(VersionTag))
                writer.WriteInteger(2); // version 3
            writer.WriteInteger(serial.ToArray());
            SignedStructure.WriteAlgorithm(writer);
            writer.WriteEncodedValue(issuer.Span);
            using (writer.PushSequence())
            {
                Dates.Write(writer, notBefore);
                Dates.Write(writer, notAfter);
            }
            writer.WriteEncodedValue(subject.Span);
            writer.WriteEncodedValue(subjectPublicKeyInfo);
            using (writer.PushSequence(ExtensionsTag))
            using (writer.PushSequence())
                writeExtensions(new ExtensionWriter(writer));
        }
        return SignedStructure.Sign(writer, issuerKey);
    }

    private static void ReadVersion(AsnReader fields)
    {
        AsnReader version = fields.ReadSequence(VersionTag);
        if (!version.TryReadInt32(out int number) || number != 2)
            throw new RefusedException(CertificateRefusal.Malformed);
        version.ThrowIfNotEmpty();
    }

    private static (DateTimeOffset NotBefore, DateTimeOffset NotAfter) ReadValidity(AsnReader fields)
    {
        AsnReader validity = fields.ReadSequence();
        DateTimeOffset notBefore = Dates.Read(validity);
        DateTimeOffset notAfter = Dates.Read(validity);
        validity.ThrowIfNotEmpty();
        return notBefore <= notAfter ? (notBefore, notAfter) : throw new RefusedException(CertificateRefusal.BadDates);
    }
}
