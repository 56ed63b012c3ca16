using System.Security.Cryptography;
using Kedge.Protocol.Certificates;

namespace Kedge.Tests.Certificates;

/// <summary>
/// A certificate in its parts, each of which a test may replace, put together and signed again: what it says is as its forger likes, the
/// signature is right. Independent of the code under test.
/// </summary>
internal sealed class CertificateForge
{
    public static readonly byte[] EcdsaWithSha256 = Der.Sequence(Der.Oid("1.2.840.10045.4.3.2"));

    public byte[] Version { get; set; } = Der.Tagged(0xA0, Der.Integer(2));

    public byte[] Serial { get; set; } = Der.Integer(0x40, 0x01);

    public byte[] InnerAlgorithm { get; set; } = EcdsaWithSha256;

    public byte[] OuterAlgorithm { get; set; } = EcdsaWithSha256;

    public byte[] Issuer { get; set; } = Der.Name(0x0C, "Harbour issuer");

    public byte[] Validity { get; set; } = Der.Sequence(Der.UtcTime("260301120000Z"), Der.UtcTime("260308120000Z"));

    public byte[] Subject { get; set; } = Der.Name(0x0C, "buoy-7");

    public required byte[] Key { get; set; }

    /// <summary>What stands between key and extensions, such as the identifiers of RFC 5280 section 4.1.2.8.</summary>
    public byte[] BeforeExtensions { get; set; } = [];

    /// <summary>Identifier, whether it is critical, and the contents of the value.</summary>
    public List<(string Identifier, bool Critical, byte[] Value)> Extensions { get; } = [];

    public byte[] AfterExtensions { get; set; } = [];

    /// <summary>A node's certificate that everybody accepts.</summary>
    public static CertificateForge Node(TestNetwork network, byte[]? zone = null)
    {
        var forge = new CertificateForge { Key = P256PublicKey.Of(network.NodeKey).SubjectPublicKeyInfo.ToArray() };
        byte[] wireGuardKey = network.NextWireGuardKey().ToArray();
        forge.Extensions.AddRange(
            ("2.5.29.35", false, AuthorityKeyIdentifier(network.Issuer.Certificate)),
            ("2.5.29.15", true, Der.Hex("03 02 07 80")),
            ("2.5.29.37", false, Der.Sequence(Der.Oid("1.3.6.1.5.5.7.3.1"), Der.Oid("1.3.6.1.5.5.7.3.2"))),
            ("2.5.29.17", false, Der.Sequence(Der.Tagged(0x87, [10, 200, 0, 7]))),
            ("1.3.6.1.5.5.7.1.7", false, Blocks(Der.Hex("03 05 00 0AC80007"))),
            (ObjectIdentifiers.KedgeNode, false, Der.Sequence(
                Der.Octets(network.Id.ToArray()),
                Der.Octets(zone ?? TestNetwork.Zone.ToByteArray(bigEndian: true)),
                Der.Octets(wireGuardKey))));
        return forge;
    }

    /// <summary>An issuer's certificate that everybody accepts.</summary>
    public static CertificateForge Authority(TestNetwork network, ECDsa key)
    {
        var forge = new CertificateForge
        {
            Key = P256PublicKey.Of(key).SubjectPublicKeyInfo.ToArray(),
            Issuer = Der.Name(0x0C, "Harbour master"),
            Subject = Der.Name(0x0C, "Second issuer"),
        };
        forge.Extensions.AddRange(
            ("2.5.29.19", true, Der.Sequence(Der.Hex("01 01 FF"), Der.Integer(0))),
            ("2.5.29.15", true, Der.Hex("03 02 01 06")),
            ("2.5.29.14", false, Der.Octets([1, 2, 3, 4])),
            ("2.5.29.35", false, AuthorityKeyIdentifier(network.Master.Certificate)),
            ("1.3.6.1.5.5.7.1.7", false, Der.Hex("3016 3009 0402 0001 3003 030100 3009 0402 0002 3003 030100")),
            (ObjectIdentifiers.KedgeNetwork, false, Der.Octets(network.Id.ToArray())));
        return forge;
    }

    /// <summary>IPAddrBlocks with IPv4 addresses or ranges only.</summary>
    public static byte[] Blocks(params byte[][] addressesOrRanges) => Der.Sequence(Der.Sequence(Der.Octets([0, 1]), Der.Sequence(addressesOrRanges)));

    public CertificateForge Replace(string identifier, byte[]? value, bool isCritical = false)
    {
        int at = Extensions.FindIndex(extension => extension.Identifier == identifier);
        if (value is null)
            Extensions.RemoveAt(at);
        else
            Extensions[at] = (identifier, isCritical, value);
        return this;
    }

    public byte[] Sign(ECDsa issuerKey)
    {
        byte[] content = Der.Sequence(
            Version, Serial, InnerAlgorithm, Issuer, Validity, Subject, Key, BeforeExtensions,
            Der.Tagged(0xA3, Der.Sequence([.. Extensions.Select(Extension)])), AfterExtensions);
        return Der.Sequence(content, OuterAlgorithm, Der.Bits(Der.Sign(issuerKey, content)));
    }

    private static byte[] Extension((string Identifier, bool Critical, byte[] Value) extension) =>
        Der.Sequence(Der.Oid(extension.Identifier), extension.Critical ? Der.Hex("01 01 FF") : [], Der.Octets(extension.Value));

    private static byte[] AuthorityKeyIdentifier(AuthorityCertificate issuer) =>
        Der.Sequence(Der.Tagged(0x80, Convert.FromHexString(issuer.KeyIdentifier)));
}
