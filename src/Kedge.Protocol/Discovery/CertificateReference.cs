using Kedge.Protocol.Certificates;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// Which certificate of a network one is: by issuer and serial number (RFC 5280 section 4.1.2.2). The hash of its bytes would be none, because
/// every ECDSA signature has a second form that is as good.
/// </summary>
/// <param name="Issuer">The identifier of the issuer's key, in lower-case hexadecimal.</param>
/// <param name="Serial">The serial number.</param>
public readonly record struct CertificateReference(string Issuer, SerialNumber Serial)
{
    /// <summary>Bytes of an issuer's identifier, as Kedge writes them (RFC 7093 section 2).</summary>
    public const int IssuerSize = 20;

    /// <summary>The reference of a certificate.</summary>
    public static CertificateReference Of(NodeCertificate certificate) => new(certificate.AuthorityKeyIdentifier, certificate.Serial);

    /// <summary>Writes <c>issuer(20) length(1) serial</c>.</summary>
    internal void Write(FrameWriter writer)
    {
        writer.AddBytes(Convert.FromHexString(Issuer));
        byte[] serial = Serial.ToArray();
        writer.AddByte((byte)serial.Length);
        writer.AddBytes(serial);
    }

    /// <summary>Reads what <see cref="Write"/> writes.</summary>
    internal static bool TryRead(ref FrameReader reader, out CertificateReference reference)
    {
        string issuer = Convert.ToHexStringLower(reader.Bytes(IssuerSize));
        bool isNumber = SerialNumber.TryRead(reader.Bytes(reader.Byte()), out SerialNumber serial);
        reference = new CertificateReference(issuer, serial);
        return isNumber && reader.IsValid;
    }
}
