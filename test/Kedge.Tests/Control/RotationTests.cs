using System.Security.Cryptography;
using Kedge.Control.Pki;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Control;

/// <summary>New keys in place of those of a controller's authorities, in a folder without a controller.</summary>
public sealed class RotationTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kedge-test-").FullName;
    private readonly VirtualClock _clock = new();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Certificates_of_a_former_issuer_hold_beside_those_of_the_new_one()
    {
        NodeCertificate former = Certify();

        NetworkAuthority.RotateIssuer(_folder, null, Now);

        using NetworkAuthority authority = Open();
        NodeCertificate present = Certify();
        Assert.NotEqual(former.AuthorityKeyIdentifier, present.AuthorityKeyIdentifier);
        Assert.All([former, present], one => Assert.Null(authority.Trust([]).Verify(one, one.ZoneId, Now)));
    }

    [Fact]
    public void The_master_key_may_be_elsewhere_but_for_the_moment_of_a_rotation()
    {
        NodeCertificate first = Certify();
        string elsewhere = Path.Combine(_folder, "elsewhere");
        File.Move(Path.Combine(_folder, "master.key"), elsewhere);

        Assert.Equal(first.AuthorityKeyIdentifier, Certify().AuthorityKeyIdentifier);
        Assert.Contains("--master-key", Assert.Throws<UserError>(() => NetworkAuthority.RotateIssuer(_folder, null, Now)).Message, StringComparison.Ordinal);
        NetworkAuthority.RotateIssuer(_folder, elsewhere, Now);
        Assert.NotEqual(first.AuthorityKeyIdentifier, Certify().AuthorityKeyIdentifier);
        Assert.False(File.Exists(Path.Combine(_folder, "master.key")));
    }

    [Fact]
    public void Another_key_than_the_masters_makes_no_issuer()
    {
        Certify();
        string other = Path.Combine(_folder, "other.key");
        using (ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256))
            SecretFile.WriteKey(other, key);

        Assert.Contains("is not the key", Assert.Throws<UserError>(() => NetworkAuthority.RotateIssuer(_folder, other, Now)).Message, StringComparison.Ordinal);
    }

    /// <summary>Killed between the certificates and the key, a rotation has happened; killed before the certificates, it has not.</summary>
    [Fact]
    public void A_rotation_that_was_interrupted_leaves_one_issuer_or_the_other()
    {
        string before = Certify().AuthorityKeyIdentifier;
        byte[] key = File.ReadAllBytes(PathOf("issuer.key")), certificates = File.ReadAllBytes(PathOf("issuer.pem"));
        NetworkAuthority.RotateIssuer(_folder, null, Now);
        string after = Certify().AuthorityKeyIdentifier;

        File.Move(PathOf("issuer.key"), PathOf("issuer.next.key"));
        File.WriteAllBytes(PathOf("issuer.key"), key);
        byte[] rotated = File.ReadAllBytes(PathOf("issuer.pem"));
        File.WriteAllBytes(PathOf("issuer.pem"), certificates);
        Assert.Equal(before, Certify().AuthorityKeyIdentifier);
        File.WriteAllBytes(PathOf("issuer.pem"), rotated);
        Assert.Equal(after, Certify().AuthorityKeyIdentifier);
        Assert.False(File.Exists(PathOf("issuer.next.key")));
    }

    [Fact]
    public void A_locked_network_has_no_issuer_to_rotate()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateAuthority master = CertificateAuthority.CreateMaster("test", key, NewSerial(), Now.AddHours(-1), Now.AddYears(1));
        SecretFile.WriteCertificate(PathOf("given.pem"), master.Certificate.Der.Span);
        NetworkAuthority.Open(_folder, PathOf("given.pem"), Now).Dispose();

        Assert.Contains("nothing to rotate", Assert.Throws<UserError>(() => NetworkAuthority.RotateIssuer(_folder, null, Now)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_server_is_known_by_its_former_keys_until_they_are_forgotten()
    {
        Sha256Digest[] pins = [Assert.Single(Pins())];
        for (int i = 0; i < 2; i++)
        {
            _clock.Advance(TimeSpan.FromDays(1));
            pins = [ServerCertificate.Rotate(_folder, Now)[0], .. pins];
            Assert.Equal(pins, Pins());
        }

        Assert.Equal(pins[..1], ServerCertificate.ForgetFormer(_folder));
        Assert.Equal(pins[..1], Pins());
    }

    private DateTimeOffset Now => _clock.GetUtcNow();

    private static SerialNumber NewSerial() => SerialNumber.Create(RandomNumberGenerator.Fill);

    private string PathOf(string file) => Path.Combine(_folder, file);

    private NetworkAuthority Open() => NetworkAuthority.Open(_folder, null, Now);

    private IReadOnlyList<Sha256Digest> Pins()
    {
        using ServerCertificate server = ServerCertificate.Open(_folder, ["localhost"], _clock);
        return server.Pins;
    }

    private NodeCertificate Certify()
    {
        using NetworkAuthority authority = Open();
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return authority.Certify(
            new NodeSubject
            {
                Name = "one",
                ZoneId = Guid.NewGuid(),
                IdentityKey = P256PublicKey.Of(key),
                WireGuardKey = PublicKey.FromBytes(RandomNumberGenerator.GetBytes(PublicKey.Size)),
                Addresses = [IpAddress.Parse("10.200.0.1")],
            },
            Now);
    }
}
