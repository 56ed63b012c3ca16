using System.Security.Cryptography;
using Kedge.Protocol.Certificates;

namespace Kedge.Tests.Certificates;

/// <summary>Authorities' certificates, and what authorities do not sign.</summary>
public sealed class AuthorityCertificateTests : IDisposable
{
    private const string AddressBlocks = "1.3.6.1.5.5.7.1.7";

    private readonly TestNetwork _network = new();
    private readonly ECDsa _key = TestNetwork.NewKey();
    private readonly CertificateForge _forge;

    public AuthorityCertificateTests() => _forge = CertificateForge.Authority(_network, _key);

    public void Dispose()
    {
        _key.Dispose();
        _network.Dispose();
    }

    [Fact]
    public void A_master_names_its_network_by_its_key()
    {
        AuthorityCertificate master = _network.Master.Certificate;
        Assert.True(master.IsMaster);
        Assert.Equal(SHA256.HashData(_network.MasterKey.ExportSubjectPublicKeyInfo()), master.NetworkId.ToArray());
        Assert.Equal(1, master.PathLength);
        Assert.Equal(Protocol.Certificates.AddressBlocks.All, master.AddressBlocks);
        Assert.Equal("Harbour master", master.Name);
        Assert.Equal("Harbour master", master.IssuerName);
        Assert.Equal(TestNetwork.End, master.NotAfter);
    }

    [Fact]
    public void An_issuer_belongs_to_its_masters_network()
    {
        AuthorityCertificate issuer = _network.Issuer.Certificate;
        Assert.False(issuer.IsMaster);
        Assert.Equal(_network.Id, issuer.NetworkId);
        Assert.Equal(0, issuer.PathLength);
        Assert.Equal("Harbour master", issuer.IssuerName);
        Assert.Equal(_network.Master.Certificate.KeyIdentifier, issuer.AuthorityKeyIdentifier);
        Assert.Equal(P256PublicKey.Of(_network.IssuerKey), issuer.Key);
    }

    [Fact]
    public void What_is_forged_without_a_change_is_accepted() => Assert.True(AuthorityCertificate.TryParse(_forge.Sign(_network.MasterKey), out _, out _));

    [Theory]
    [InlineData(AddressBlocks, CertificateRefusal.NoAddressBlocks)]
    [InlineData("2.5.29.19", CertificateRefusal.WrongUsage)]
    [InlineData("2.5.29.15", CertificateRefusal.MissingExtension)]
    [InlineData("2.5.29.14", CertificateRefusal.MissingExtension)]
    [InlineData("2.5.29.35", CertificateRefusal.MissingExtension)]
    [InlineData(ObjectIdentifiers.KedgeNetwork, CertificateRefusal.MissingExtension)]
    public void An_extension_of_the_profile_must_be_there(string identifier, CertificateRefusal refusal)
    {
        _forge.Replace(identifier, null);
        Refused(refusal);
    }

    [Theory]
    [InlineData("3000")] // no authority
    [InlineData("3003 010100")]
    [InlineData("3003 020100")]
    [InlineData("3006 0101FF 0201FF")] // a negative length
    [InlineData("3009 0101FF 020100 020100")]
    public void Other_constraints_are_refused(string constraints)
    {
        _forge.Replace("2.5.29.19", Der.Hex(constraints), isCritical: true);
        Assert.False(AuthorityCertificate.TryParse(_forge.Sign(_network.MasterKey), out _, out _));
    }

    [Fact]
    public void Constraints_that_are_not_critical_are_refused()
    {
        _forge.Replace("2.5.29.19", Der.Hex("30030101FF"), isCritical: false);
        Refused(CertificateRefusal.WrongUsage);
    }

    [Theory]
    [InlineData("03020204")] // keyCertSign alone
    [InlineData("03020186")] // digitalSignature as well
    public void Another_key_usage_is_refused(string usage)
    {
        _forge.Replace("2.5.29.15", Der.Hex(usage), isCritical: true);
        Refused(CertificateRefusal.WrongUsage);
    }

    [Fact]
    public void Another_curve_is_refused()
    {
        using ECDsa p384 = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        _forge.Key = p384.ExportSubjectPublicKeyInfo();
        Refused(CertificateRefusal.UnsupportedAlgorithm);
    }

    [Fact]
    public void What_nobody_would_accept_is_not_signed()
    {
        NodeSubject subject = _network.Subject();
        Assert.Throws<ArgumentException>(() => _network.Certify(subject with { Name = "no label" }));
        Assert.Throws<ArgumentException>(() => _network.Certify(subject with { Addresses = [] }));
        Assert.Throws<ArgumentException>(() => _network.Certify(subject with { Addresses = [subject.Addresses[0], subject.Addresses[0]] }));
        Assert.Throws<ArgumentException>(() => _network.Certify(subject with { Tags = ["bell\a"] }));
        Assert.Throws<ArgumentException>(() => _network.Certify(subject, from: TestNetwork.Start, to: TestNetwork.Start.AddSeconds(-1)));
        Assert.Throws<ArgumentException>(() => new CertificateAuthority(_network.Master.Certificate, _network.IssuerKey));
        Assert.Throws<ArgumentException>(() => CertificateAuthority.CreateMaster("", _key, _network.NextSerial(), TestNetwork.Start, TestNetwork.End));
        Assert.Throws<InvalidOperationException>(
            () => _network.Issuer.CertifyIssuer("Another", P256PublicKey.Of(_key), _network.NextSerial(), TestNetwork.Start, TestNetwork.End));
    }

    [Fact]
    public void Serial_numbers_are_positive_and_of_one_length_whatever_the_dice_say()
    {
        foreach (byte value in (byte[])[0x00, 0x7F, 0x80, 0xFF])
        {
            byte[] bytes = SerialNumber.Create(destination => destination.Fill(value)).ToArray();
            Assert.Equal(SerialNumber.Size, bytes.Length);
            Assert.InRange(bytes[0], 0x40, 0x7F);
        }
    }

    private void Refused(CertificateRefusal expected)
    {
        Assert.False(AuthorityCertificate.TryParse(_forge.Sign(_network.MasterKey), out _, out CertificateRefusal refusal), "It is accepted.");
        Assert.Equal(expected, refusal);
    }
}
