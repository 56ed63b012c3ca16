using System.Security.Cryptography;
using Kedge.Protocol.Certificates;

namespace Kedge.Tests.Certificates;

/// <summary>Revocation lists in their parts, independent of the code under test.</summary>
internal static class RevocationForge
{
    public static readonly byte[] Number = Extension("2.5.29.20", Der.Integer(7));
    public static readonly byte[] ThisUpdate = Der.UtcTime("260302120000Z");
    public static readonly byte[] NextUpdate = Der.GeneralizedTime("99991231235959Z");

    public static byte[] List(AuthorityCertificate issuer, ECDsa key, params SerialNumber[] serials)
    {
        byte[] revoked = serials.Length == 0 ? [] : Der.Sequence([.. serials.Select(serial => Der.Sequence(Der.Integer(serial.ToArray()), ThisUpdate))]);
        return Sign(key, Der.Integer(1), CertificateForge.EcdsaWithSha256, Name(issuer), ThisUpdate, NextUpdate, revoked, Extensions(KeyIdentifier(issuer), Number));
    }

    public static byte[] Name(AuthorityCertificate issuer) => Der.Name(0x0C, issuer.Name);

    public static byte[] KeyIdentifier(AuthorityCertificate issuer) =>
        Extension("2.5.29.35", Der.Sequence(Der.Tagged(0x80, Convert.FromHexString(issuer.KeyIdentifier))));

    public static byte[] Extension(string identifier, byte[] value, bool isCritical = false) =>
        Der.Sequence(Der.Oid(identifier), isCritical ? Der.Hex("0101FF") : [], Der.Octets(value));

    public static byte[] Extensions(params byte[][] extensions) => Der.Tagged(0xA0, Der.Sequence(extensions));

    public static byte[] Sign(ECDsa key, params byte[][] fields)
    {
        byte[] content = Der.Sequence(fields);
        return Der.Sequence(content, CertificateForge.EcdsaWithSha256, Der.Bits(Der.Sign(key, content)));
    }
}
