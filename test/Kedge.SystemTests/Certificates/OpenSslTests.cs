using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Kedge.Demo;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.SystemTests.Certificates;

/// <summary>Another implementation of the same standards, in both directions: openssl reads and verifies what we make, and we what it makes.</summary>
public sealed class OpenSslTests : IDisposable
{
    private readonly Workshop _workshop = new();

    public void Dispose() => _workshop.Dispose();

    [Fact]
    public void It_verifies_a_nodes_path_of_certificates_strictly()
    {
        string node = _workshop.Write("node.pem", _workshop.Certify(_workshop.Subject()).Der);
        foreach (string purpose in (string[])["sslclient", "sslserver"])
        {
            Workshop.OpenSsl(
                "verify", "-x509_strict", "-purpose", purpose, "-CAfile", _workshop.PathOf("master.pem"), "-untrusted", _workshop.PathOf("issuer.pem"), node);
        }
        string ofMaster = _workshop.Write("locked.pem", _workshop.Certify(_workshop.Subject(), _workshop.Master).Der);
        Workshop.OpenSsl("verify", "-x509_strict", "-CAfile", _workshop.PathOf("master.pem"), ofMaster);
        string stock = _workshop.Write("stock.pem", _workshop.Certify(_workshop.Subject() with { IdentityKey = null }).Der);
        Workshop.OpenSsl("verify", "-x509_strict", "-CAfile", _workshop.PathOf("master.pem"), "-untrusted", _workshop.PathOf("issuer.pem"), stock);
    }

    [Fact]
    public void It_reads_everything_in_a_nodes_certificate()
    {
        NodeCertificate certificate = _workshop.Certify(_workshop.Subject() with { RosenpassKeyHash = Sha256Digest.Of("key"u8) });
        string text = Workshop.OpenSsl("x509", "-noout", "-text", "-in", _workshop.Write("node.pem", certificate.Der));

        string[] expected =
        [
            "Version: 3", "CN = Harbour issuer", "CN = buoy-7", "ecdsa-with-SHA256", "NIST CURVE: P-256", "Digital Signature",
            "TLS Web Server Authentication, TLS Web Client Authentication", "IP Address:10.200.0.7, IP Address:FD00:200:0:0:0:0:0:7",
            "10.200.0.7/32", "192.168.40.0-192.168.42.255", "fd00:200:0:0:0:0:0:7/128", ObjectIdentifiers.KedgeNode,
            string.Join(':', Convert.FromHexString(_workshop.Issuer.Certificate.KeyIdentifier).Select(b => b.ToString("X2", CultureInfo.InvariantCulture))),
        ];
        Assert.All(expected, part => Assert.Contains(part, text, StringComparison.Ordinal));
        string asn1 = Workshop.OpenSsl("asn1parse", "-in", _workshop.PathOf("node.pem"));
        Assert.Contains(ObjectIdentifiers.KedgeNode, asn1, StringComparison.Ordinal);
    }

    [Fact]
    public void It_sees_a_stock_peers_WireGuard_key()
    {
        NodeSubject subject = _workshop.Subject() with { IdentityKey = null };
        string file = _workshop.Write("stock.pem", _workshop.Certify(subject).Der);
        string key = Workshop.OpenSsl("x509", "-noout", "-pubkey", "-in", file);
        byte[] der = Convert.FromBase64String(string.Concat(key.Split('\n').Where(line => !line.StartsWith('-'))));
        Assert.Equal(subject.WireGuardKey.ToArray(), der[^32..]);
        Assert.Contains("X25519", Workshop.OpenSsl("x509", "-noout", "-text", "-in", file), StringComparison.Ordinal);
    }

    [Fact]
    public void It_reads_and_obeys_a_revocation_list()
    {
        NodeCertificate revoked = _workshop.Certify(_workshop.Subject(), _workshop.Master), other = _workshop.Certify(_workshop.Subject(), _workshop.Master);
        DateTimeOffset now = DateTimeOffset.UtcNow.AddMinutes(-1);
        RevocationList list = _workshop.Master.SignRevocationList(5, now, [new(revoked.Serial, now)]);
        string file = _workshop.Write("revoked.pem", list.Der, "X509 CRL");

        string text = Workshop.OpenSsl("crl", "-noout", "-text", "-in", file, "-CAfile", _workshop.PathOf("master.pem"));
        Assert.Contains($"Serial Number: {revoked.Serial.ToString().ToUpperInvariant()}", text, StringComparison.Ordinal);
        Assert.Contains("CN = Harbour master", text, StringComparison.Ordinal);
        Assert.Matches("CRL Number:\\s+5\\b", text);

        string[] check = ["verify", "-x509_strict", "-crl_check", "-CAfile", _workshop.PathOf("master.pem"), "-CRLfile", file];
        Workshop.OpenSsl([.. check, _workshop.Write("other.pem", other.Der)]);
        CommandResult refused = Workshop.TryOpenSsl([.. check, _workshop.Write("node.pem", revoked.Der)]);
        Assert.False(refused.Succeeded);
        Assert.Contains("certificate revoked", refused.Error, StringComparison.Ordinal);

        string empty = _workshop.Write("empty.pem", _workshop.Master.SignRevocationList(6, now, []).Der, "X509 CRL");
        Assert.Contains("No Revoked Certificates", Workshop.OpenSsl("crl", "-noout", "-text", "-in", empty), StringComparison.Ordinal);
    }

    /// <summary>A whole network made by openssl, to the profile that our documentation gives.</summary>
    [Fact]
    public void What_it_makes_to_the_same_profile_is_believed()
    {
        byte[] zone = RandomNumberGenerator.GetBytes(16), wireGuardKey = RandomNumberGenerator.GetBytes(32);
        foreach (string name in (string[])["m", "i", "n"])
            Workshop.OpenSsl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", _workshop.PathOf($"{name}.key"));
        Workshop.OpenSsl("pkey", "-in", _workshop.PathOf("m.key"), "-pubout", "-outform", "DER", "-out", _workshop.PathOf("m.pub"));
        Sha256Digest network = Sha256Digest.Of(File.ReadAllBytes(_workshop.PathOf("m.pub")));
        string hex = Convert.ToHexString(network.ToArray());
        string config = _workshop.WriteText("openssl.cnf", $"""
            [req]
            distinguished_name = name
            [name]
            [master]
            basicConstraints = critical, CA:TRUE
            keyUsage = critical, keyCertSign, cRLSign
            subjectKeyIdentifier = hash
            sbgp-ipAddrBlock = IPv4:0.0.0.0/0, IPv6:::/0
            {ObjectIdentifiers.KedgeNetwork} = ASN1:FORMAT:HEX,OCTETSTRING:{hex}
            [issuer]
            basicConstraints = critical, CA:TRUE, pathlen:0
            keyUsage = critical, keyCertSign, cRLSign
            subjectKeyIdentifier = hash
            authorityKeyIdentifier = keyid
            sbgp-ipAddrBlock = IPv4:10.0.0.0/8, IPv4:192.168.0.0/16, IPv6:fd00::/8
            {ObjectIdentifiers.KedgeNetwork} = ASN1:FORMAT:HEX,OCTETSTRING:{hex}
            [node]
            authorityKeyIdentifier = keyid
            keyUsage = critical, digitalSignature
            extendedKeyUsage = clientAuth, serverAuth
            subjectAltName = IP:10.200.0.7, IP:fd00:200::7
            sbgp-ipAddrBlock = IPv6:fd00:200::7, IPv4:192.168.42.0/24, IPv4:10.200.0.7, IPv4:192.168.40.0-192.168.41.255
            {ObjectIdentifiers.KedgeNode} = ASN1:SEQUENCE:binding
            [binding]
            network = FORMAT:HEX,OCTETSTRING:{hex}
            zone = FORMAT:HEX,OCTETSTRING:{Convert.ToHexString(zone)}
            key = FORMAT:HEX,OCTETSTRING:{Convert.ToHexString(wireGuardKey)}
            tags = IMPLICIT:1,SEQUENCE:tags
            [tags]
            first = UTF8:crane
            second = UTF8:pier
            """);
        string P(string file) => _workshop.PathOf(file);
        Workshop.OpenSsl("req", "-config", config, "-x509", "-new", "-key", P("m.key"), "-subj", "/CN=Their master", "-extensions", "master", "-days", "30", "-out", P("m.pem"));
        foreach ((string name, string subject, string by, string section) in ((string, string, string, string)[])[("i", "Their issuer", "m", "issuer"), ("n", "buoy-7", "i", "node")])
        {
            Workshop.OpenSsl("req", "-config", config, "-new", "-key", P($"{name}.key"), "-subj", $"/CN={subject}", "-out", P($"{name}.csr"));
            Workshop.OpenSsl(
                "x509", "-req", "-in", P($"{name}.csr"), "-CA", P($"{by}.pem"), "-CAkey", P($"{by}.key"), "-extfile", config, "-extensions", section,
                "-set_serial", "0x0123456789ABCDEF", "-days", "7", "-out", P($"{name}.pem"));
        }

        var trust = NetworkTrust.Create(network, [Der("m.pem"), Der("i.pem")], []);
        Assert.Empty(trust.Refused);
        Assert.True(NodeCertificate.TryParse(Der("n.pem"), out NodeCertificate? node, out CertificateRefusal refusal), refusal.Sentence());
        Assert.Null(trust.Verify(node, new Guid(zone, bigEndian: true), DateTimeOffset.UtcNow.AddSeconds(2)));
        Assert.Equal(["10.200.0.7/32", "192.168.40.0/23", "192.168.42.0/24", "fd00:200::7/128"], node.Prefixes.Select(prefix => prefix.ToString()));
        Assert.Equal(["10.200.0.7", "fd00:200::7"], node.Addresses.Select(address => address.ToString()));
        Assert.Equal(["crane", "pier"], node.Tags);
        Assert.Equal(wireGuardKey, node.WireGuardKey.ToArray());
        Assert.Equal("0123456789abcdef", node.Serial.ToString().PadLeft(16, '0'));

        CheckTheirRevocationList(trust, node);
    }

    [Fact]
    public void It_agrees_on_what_an_issuer_may_certify()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        P256PublicKey publicKey = P256PublicKey.Of(key);
        AuthorityCertificate wide = _workshop.Master.CertifyIssuer("Narrow issuer", publicKey, Workshop.NewSerial(), _workshop.Start, DateTimeOffset.UtcNow.AddDays(9));
        byte[] narrow = CertifyNarrowIssuer(publicKey);
        var issuer = new CertificateAuthority(wide, key);
        NodeCertificate inside = _workshop.Certify(_workshop.Subject() with { ChildPrefixes = [] }, issuer);
        NodeCertificate outside = _workshop.Certify(_workshop.Subject(), issuer); // 192.168.40.0/24
        var trust = NetworkTrust.Create(wide.NetworkId, [_workshop.Master.Certificate.Der.ToArray(), narrow], []);
        Assert.Empty(trust.Refused);
        string[] verify = ["verify", "-CAfile", _workshop.PathOf("master.pem"), "-untrusted", _workshop.Write("narrow.pem", narrow)];

        Workshop.OpenSsl([.. verify, _workshop.Write("inside.pem", inside.Der)]);
        Assert.Null(trust.Verify(inside, inside.ZoneId, DateTimeOffset.UtcNow));
        CommandResult refused = Workshop.TryOpenSsl([.. verify, _workshop.Write("outside.pem", outside.Der)]);
        Assert.Contains("RFC 3779 resource not subset of parent's resources", refused.Error, StringComparison.Ordinal);
        Assert.Equal(CertificateRefusal.GrownPrefix, trust.Verify(outside, outside.ZoneId, DateTimeOffset.UtcNow));
    }

    // For 10.0.0.0/8 and fd00::/8 alone, by the base library: our own code gives every issuer everything.
    private byte[] CertifyNarrowIssuer(P256PublicKey key)
    {
        using ECDsa publicKey = ECDsa.Create();
        publicKey.ImportSubjectPublicKeyInfo(key.SubjectPublicKeyInfo, out _);
        using X509Certificate2 master = X509CertificateLoader.LoadCertificate(_workshop.Master.Certificate.Der.Span);
        var name = new X500DistinguishedName("CN=Narrow issuer", X500DistinguishedNameFlags.ForceUTF8Encoding); // as our own code writes it
        var request = new CertificateRequest(name, publicKey, HashAlgorithmName.SHA256);
        byte[] blocks = [0x30, 0x18, .. Family(1, 0x0A), .. Family(2, 0xFD)];
        X509Extension[] extensions =
        [
            new X509BasicConstraintsExtension(true, true, 0, true),
            new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true),
            new X509SubjectKeyIdentifierExtension(Convert.FromHexString(key.KeyIdentifier), false),
            X509AuthorityKeyIdentifierExtension.CreateFromCertificate(master, true, false),
            new("1.3.6.1.5.5.7.1.7", blocks, false),
            new(ObjectIdentifiers.KedgeNetwork, [0x04, 0x20, .. _workshop.Master.Certificate.NetworkId.ToArray()], false),
        ];
        foreach (X509Extension extension in extensions)
            request.CertificateExtensions.Add(extension);
        var generator = X509SignatureGenerator.CreateForECDsa(_workshop.MasterKey);
        using X509Certificate2 made = request.Create(master.SubjectName, generator, _workshop.Start, DateTimeOffset.UtcNow.AddDays(9), [1, 2, 3]);
        return made.RawData;

        static byte[] Family(byte number, byte firstByte) => [0x30, 0x0A, 0x04, 0x02, 0x00, number, 0x30, 0x04, 0x03, 0x02, 0x00, firstByte];
    }

    private void CheckTheirRevocationList(NetworkTrust trust, NodeCertificate node)
    {
        string database = _workshop.WriteText("index.txt", "");
        _workshop.WriteText("crlnumber", "10\n");
        string config = _workshop.WriteText("ca.cnf", $"""
            [ca]
            default_ca = it
            [it]
            database = {database}
            crlnumber = {_workshop.PathOf("crlnumber")}
            default_md = sha256
            default_crl_days = 30
            crl_extensions = crl
            [crl]
            authorityKeyIdentifier = keyid
            """);
        string[] ca = ["ca", "-config", config, "-cert", _workshop.PathOf("i.pem"), "-keyfile", _workshop.PathOf("i.key")];
        Workshop.OpenSsl([.. ca, "-revoke", _workshop.PathOf("n.pem"), "-crl_reason", "keyCompromise"]);
        Workshop.OpenSsl([.. ca, "-gencrl", "-out", _workshop.PathOf("crl.pem")]);

        Assert.True(RevocationList.TryParse(Der("crl.pem"), out RevocationList? list, out CertificateRefusal refusal), refusal.Sentence());
        Assert.Equal(0x10, list.Number);
        var with = NetworkTrust.Create(trust.NetworkId, trust.Authorities.Select(authority => authority.Der.ToArray()), [list.Der.ToArray()]);
        Assert.Empty(with.Refused);
        Assert.Equal(CertificateRefusal.Revoked, with.VerifyIgnoringDates(node, node.ZoneId));
    }

    private byte[] Der(string file)
    {
        string text = File.ReadAllText(_workshop.PathOf(file));
        return Convert.FromBase64String(text[PemEncoding.Find(text).Base64Data]);
    }
}
