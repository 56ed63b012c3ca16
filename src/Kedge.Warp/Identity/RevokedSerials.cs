using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Kedge.Protocol;

namespace Kedge.Warp.Identity;

/// <summary>A list of revoked certificates (RFC 5280 section 5), whose signature was checked. Immutable.</summary>
internal sealed class RevokedSerials
{
    private const string Label = "X509 CRL";
    private const string EcdsaWithSha256 = "1.2.840.10045.4.3.2", EcdsaWithSha384 = "1.2.840.10045.4.3.3", EcdsaWithSha512 = "1.2.840.10045.4.3.4";
    private const string RsaWithSha256 = "1.2.840.113549.1.1.11", RsaWithSha384 = "1.2.840.113549.1.1.12", RsaWithSha512 = "1.2.840.113549.1.1.13";

    private readonly byte[] _issuer;
    private readonly HashSet<BigInteger> _serials;

    private RevokedSerials(byte[] issuer, HashSet<BigInteger> serials) => (_issuer, _serials) = (issuer, serials);

    /// <summary>Reads a file with one list in DER, or any number in PEM.</summary>
    /// <exception cref="UserError">It is not that, or a list is not signed by one of the authorities.</exception>
    public static IReadOnlyList<RevokedSerials> Read(string file, X509Certificate2Collection authorities)
    {
        try
        {
            byte[] bytes = File.ReadAllBytes(file);
            if (bytes.AsSpan().IndexOf("-----BEGIN"u8) < 0)
                return [Parse(bytes, authorities, file)];
            var lists = new List<RevokedSerials>();
            ReadOnlySpan<char> text = File.ReadAllText(file);
            while (PemEncoding.TryFind(text, out PemFields fields))
            {
                if (text[fields.Label].SequenceEqual(Label))
                    lists.Add(Parse(Convert.FromBase64String(text[fields.Base64Data].ToString()), authorities, file));
                text = text[fields.Location.End..];
            }
            return lists.Count > 0 ? lists : throw new UserError($"{file} has no list of revoked certificates (X509 CRL).");
        }
        catch (Exception e) when (e is AsnContentException or CryptographicException or IOException or UnauthorizedAccessException or FormatException)
        {
            throw new UserError($"{file} is no list of revoked certificates that can be read: {e.Message}", e);
        }
    }

    /// <summary>Whether the list revokes a certificate.</summary>
    public bool Revokes(X509Certificate2 certificate) =>
        certificate.IssuerName.RawData.AsSpan().SequenceEqual(_issuer)
        && _serials.Contains(new BigInteger(certificate.SerialNumberBytes.Span, isUnsigned: true, isBigEndian: true));

    private static RevokedSerials Parse(byte[] bytes, X509Certificate2Collection authorities, string file)
    {
        AsnReader list = new AsnReader(bytes, AsnEncodingRules.DER).ReadSequence();
        ReadOnlyMemory<byte> signed = list.PeekEncodedValue();
        AsnReader body = list.ReadSequence();
        string algorithm = list.ReadSequence().ReadObjectIdentifier();
        byte[] signature = list.ReadBitString(out _);

        if (body.PeekTag() == Asn1Tag.Integer)
            _ = body.ReadInteger(); // the version
        _ = body.ReadSequence(); // the algorithm again
        byte[] issuer = body.ReadEncodedValue().ToArray();
        _ = body.ReadEncodedValue(); // when it was made
        if (body.HasData && body.PeekTag() is { TagClass: TagClass.Universal } tag && tag != Asn1Tag.Sequence)
            _ = body.ReadEncodedValue(); // when the next one comes: an old list revokes all the same
        var serials = new HashSet<BigInteger>();
        if (body.HasData && body.PeekTag() == Asn1Tag.Sequence)
        {
            AsnReader entries = body.ReadSequence();
            while (entries.HasData)
                serials.Add(new BigInteger(entries.ReadSequence().ReadIntegerBytes().Span, isUnsigned: true, isBigEndian: true));
        }
        bool isSigned = authorities.Any(authority =>
            authority.SubjectName.RawData.AsSpan().SequenceEqual(issuer) && IsSignedBy(authority, signed.Span, signature, algorithm));
        return isSigned
            ? new RevokedSerials(issuer, serials)
            : throw new UserError($"{file} has a list of revoked certificates that none of the trusted authorities has signed.");
    }

    private static bool IsSignedBy(X509Certificate2 authority, ReadOnlySpan<byte> data, byte[] signature, string algorithm)
    {
        HashAlgorithmName? hash = algorithm switch
        {
            EcdsaWithSha256 or RsaWithSha256 => HashAlgorithmName.SHA256,
            EcdsaWithSha384 or RsaWithSha384 => HashAlgorithmName.SHA384,
            EcdsaWithSha512 or RsaWithSha512 => HashAlgorithmName.SHA512,
            _ => null,
        };
        if (hash is null)
            return false;
        if (authority.GetECDsaPublicKey() is { } ecdsa)
        {
            using (ecdsa)
                return ecdsa.VerifyData(data, signature, hash.Value, DSASignatureFormat.Rfc3279DerSequence);
        }
        using RSA? rsa = authority.GetRSAPublicKey();
        return rsa is not null && rsa.VerifyData(data, signature, hash.Value, RSASignaturePadding.Pkcs1);
    }
}
