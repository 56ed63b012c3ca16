using Kedge.Node.ControlLink;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Mesh;
using Kedge.Tests.Certificates;

namespace Kedge.Tests.ControlLink;

/// <summary>What a node keeps of whom it believes, over restarts.</summary>
public sealed class ZoneTrustTests : IDisposable
{
    private static readonly DateTimeOffset Now = TestNetwork.Start.AddDays(1);

    private readonly TestNetwork _network = new();
    private readonly NodeFolder _folder = new(Directory.CreateTempSubdirectory("kedge-test-").FullName, "kd0");
    private readonly List<string> _damage = [];

    public ZoneTrustTests() => _folder.Create();

    public void Dispose()
    {
        _network.Dispose();
        Directory.Delete(_folder.StateDirectory, recursive: true);
    }

    /// <summary>Over any sequence of what a controller may say, restarts in between, what is revoked stays so.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void The_set_of_revoked_certificates_never_shrinks_over_restarts(int seed)
    {
        var random = new Random(seed);
        CertificateAuthority[] authorities = [_network.Master, _network.Issuer];
        NodeCertificate[] nodes = [.. Enumerable.Range(0, 12).Select(i => _network.Certify(by: authorities[i % 2]))];
        HashSet<NodeCertificate> before = [];
        ZoneTrust trust = Read();
        for (int step = 0; step < 120; step++)
        {
            byte[][] told = [.. authorities.Where(_ => random.Next(3) > 0).Select(authority => authority.Certificate.Der.ToArray())];
            byte[][] lists = [.. authorities.Where(_ => random.Next(2) > 0).Select(RandomList)];
            trust.Merge(new TrustResource(told, lists));
            trust.Save();
            if (random.Next(3) == 0)
                trust = Read();

            HashSet<NodeCertificate> revoked = [.. nodes.Where(node => trust.Current.Verify(node, TestNetwork.Zone, Now) == CertificateRefusal.Revoked)];
            Assert.True(before.IsSubsetOf(revoked), $"seed {seed}, step {step}");
            before = revoked;
        }
        Assert.NotEmpty(before);
        Assert.Empty(_damage);

        byte[] RandomList(CertificateAuthority authority)
        {
            IEnumerable<NodeCertificate> chosen = nodes.Where(node => node.IssuerName == authority.Certificate.Name && random.Next(8) == 0);
            return authority.SignRevocationList(random.Next(10), Now, [.. chosen.Select(node => new RevokedCertificate(node.Serial, Now))]).Der.ToArray();
        }
    }

    [Fact]
    public void Of_a_damaged_file_the_rest_is_used_and_the_damage_is_reported()
    {
        NodeCertificate stolen = _network.Certify();
        ZoneTrust trust = Read();
        trust.Merge(new TrustResource(
            [_network.Master.Certificate.Der.ToArray(), _network.Issuer.Certificate.Der.ToArray()],
            [_network.Issuer.SignRevocationList(1, Now, [new RevokedCertificate(stolen.Serial, Now)]).Der.ToArray()]));
        trust.Save();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder.Trust));
        File.AppendAllText(_folder.Trust, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");

        Assert.Equal(CertificateRefusal.Revoked, Read().Current.Verify(stolen, TestNetwork.Zone, Now));
        Assert.Contains("cannot be used", Assert.Single(_damage), StringComparison.Ordinal);
        File.WriteAllText(_folder.Trust, "");
        _damage.Clear();
        Assert.Empty(Read().Current.Authorities);
        Assert.Single(_damage);
    }

    private ZoneTrust Read() => ZoneTrust.Read(_folder, _network.Id, new VerifiedCertificates(), (_, reason) => _damage.Add(reason));
}
