using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.Tests.Certificates;

/// <summary>What is certified is what is read, and nothing else is read.</summary>
public sealed class NodeCertificateTests : IDisposable
{
    private readonly TestNetwork _network = new();

    public void Dispose() => _network.Dispose();

    [Fact]
    public void A_certificate_says_what_was_certified()
    {
        NodeSubject subject = _network.Subject("192.168.40.0/24", "fd00:40::/64") with
        {
            RosenpassKeyHash = Sha256Digest.Of("a key"u8),
            Tags = ["pier", "crane", "pier"],
        };
        SerialNumber serial = _network.NextSerial();

        NodeCertificate issued = _network.Issuer.CertifyNode(subject, serial, TestNetwork.Start, TestNetwork.Start.AddDays(7));

        Assert.True(NodeCertificate.TryParse(issued.Der.Span, out NodeCertificate? read, out _));
        Assert.Equal("buoy-7", read.Name);
        Assert.Equal(serial, read.Serial);
        Assert.Equal(TestNetwork.Zone, read.ZoneId);
        Assert.Equal(_network.Id, read.NetworkId);
        Assert.Equal(subject.IdentityKey, read.IdentityKey);
        Assert.Equal(subject.WireGuardKey, read.WireGuardKey);
        Assert.Equal(subject.RosenpassKeyHash, read.RosenpassKeyHash);
        Assert.Equal(["crane", "pier"], read.Tags);
        Assert.Equal(subject.Addresses, read.Addresses);
        Assert.Equal(["10.200.0.7/32", "192.168.40.0/24", "fd00:40::/64", "fd00:200::7/128"], read.Prefixes.Select(prefix => prefix.ToString()));
        Assert.Equal(TestNetwork.Start, read.NotBefore);
        Assert.Equal(TestNetwork.Start.AddDays(7), read.NotAfter);
        Assert.Equal("Harbour issuer", read.IssuerName);
        Assert.Equal(_network.Issuer.Certificate.KeyIdentifier, read.AuthorityKeyIdentifier);
        Assert.Equal(Sha256Digest.Of(issued.Der.Span), read.Fingerprint);
    }

    [Fact]
    public void A_certificate_with_an_address_of_each_family_is_below_640_bytes()
    {
        int size = _network.Certify().Der.Length;

        TestContext.Current.TestOutputHelper?.WriteLine($"{size} bytes");
        Assert.InRange(size, 1, 639);
    }
}
