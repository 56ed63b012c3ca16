using Kedge.Protocol.Certificates;

namespace Kedge.Tests.Certificates;

/// <summary>What was revoked stays revoked, whatever is said later.</summary>
public sealed class TrustMergeTests : IDisposable
{
    private static readonly DateTimeOffset Now = TestNetwork.Start.AddDays(1);

    private readonly TestNetwork _network = new();

    public void Dispose() => _network.Dispose();

    [Fact]
    public void A_list_that_is_left_out_later_still_holds()
    {
        NodeCertificate stolen = _network.Certify();

        NetworkTrust trust = _network.Trust(List(1, stolen)).Merge(Authorities, []);

        Assert.Equal(CertificateRefusal.Revoked, trust.Verify(stolen, TestNetwork.Zone, Now));
        Assert.Equal([1], trust.RevocationLists.Select(list => list.Number));
    }

    [Fact]
    public void An_authority_that_is_left_out_comes_back_with_what_it_has_revoked()
    {
        NodeCertificate stolen = _network.Certify();
        byte[] master = _network.Master.Certificate.Der.ToArray(), issuer = _network.Issuer.Certificate.Der.ToArray();

        NetworkTrust trust = _network.Trust(List(1, stolen)).Merge([master], []).Merge([master, issuer], []);

        Assert.Equal(CertificateRefusal.Revoked, trust.Verify(stolen, TestNetwork.Zone, Now));
    }

    [Fact]
    public void A_newer_list_does_not_bring_back_what_an_older_one_names()
    {
        NodeCertificate first = _network.Certify(), second = _network.Certify();

        NetworkTrust trust = _network.Trust(List(1, first)).Merge([], [List(2, second).Der.ToArray()]);

        Assert.Equal(CertificateRefusal.Revoked, trust.Verify(first, TestNetwork.Zone, Now));
        Assert.Equal(CertificateRefusal.Revoked, trust.Verify(second, TestNetwork.Zone, Now));
        Assert.Equal([2, 1], trust.RevocationLists.Select(list => list.Number));
        Assert.Equal([3], trust.Merge([], [List(3, first, second).Der.ToArray()]).RevocationLists.Select(list => list.Number));
    }

    [Fact]
    public void What_is_known_already_changes_nothing()
    {
        NetworkTrust trust = _network.Trust(List(1, _network.Certify()));

        Assert.Same(trust, trust.Merge(Authorities, trust.RevocationLists.Select(list => list.Der.ToArray())));
        Assert.Same(trust, trust.Merge([], []));
    }

    [Fact]
    public void An_authority_that_signs_ever_other_lists_fills_no_memory_and_takes_nothing_back()
    {
        NodeCertificate[] nodes = [.. Enumerable.Range(0, TrustedAuthority.MaximumLists + 1).Select(_ => _network.Certify())];
        NetworkTrust trust = _network.Trust();
        for (int i = 0; i < TrustedAuthority.MaximumLists; i++)
            trust = trust.Merge([], [List(i, nodes[i]).Der.ToArray()]);

        NetworkTrust full = trust.Merge([], [List(100, nodes[^1]).Der.ToArray()]);

        Assert.Equal([CertificateRefusal.TooMany], full.Refused.Select(refused => refused.Refusal));
        Assert.All(nodes[..^1], node => Assert.Equal(CertificateRefusal.Revoked, full.Verify(node, TestNetwork.Zone, Now)));
        NetworkTrust summed = full.Merge([], [List(101, nodes).Der.ToArray()]);
        Assert.Single(summed.RevocationLists);
        Assert.All(nodes, node => Assert.Equal(CertificateRefusal.Revoked, summed.Verify(node, TestNetwork.Zone, Now)));
    }

    /// <summary>Over any sequence of what a controller may say, the set of what is revoked never shrinks.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void The_set_of_revoked_certificates_never_shrinks(int seed)
    {
        var random = new Random(seed);
        CertificateAuthority[] authorities = [_network.Master, _network.Issuer];
        NodeCertificate[] nodes = [.. Enumerable.Range(0, 12).Select(i => _network.Certify(by: authorities[i % 2]))];
        var trust = NetworkTrust.Empty(_network.Id);
        HashSet<NodeCertificate> before = [];
        for (int step = 0; step < 200; step++)
        {
            byte[][] told = [.. Authorities.Where(_ => random.Next(3) > 0)];
            byte[][] lists = [.. authorities.Where(_ => random.Next(2) > 0).Select(authority => RandomList(authority).Der.ToArray())];

            trust = trust.Merge(told, lists);

            HashSet<NodeCertificate> revoked = [.. nodes.Where(node => trust.Verify(node, TestNetwork.Zone, Now) == CertificateRefusal.Revoked)];
            Assert.True(before.IsSubsetOf(revoked), $"seed {seed}, step {step}");
            before = revoked;
        }
        Assert.NotEmpty(before);

        RevocationList RandomList(CertificateAuthority authority)
        {
            IEnumerable<SerialNumber> serials = nodes.Where(node => node.IssuerName == authority.Certificate.Name && random.Next(8) == 0).Select(node => node.Serial);
            if (random.Next(40) == 0 && authority == _network.Master)
                serials = serials.Append(_network.Issuer.Certificate.Serial);
            return authority.SignRevocationList(random.Next(10), Now, [.. serials.Select(serial => new RevokedCertificate(serial, Now))]);
        }
    }

    private byte[][] Authorities => [_network.Master.Certificate.Der.ToArray(), _network.Issuer.Certificate.Der.ToArray()];

    private RevocationList List(int number, params NodeCertificate[] revoked) =>
        _network.Issuer.SignRevocationList(number, Now, [.. revoked.Select(node => new RevokedCertificate(node.Serial, Now))]);
}
