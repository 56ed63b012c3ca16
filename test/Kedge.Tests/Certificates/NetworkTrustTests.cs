using System.Security.Cryptography;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.Certificates;

/// <summary>Whom a node believes that knows nothing but the hash of its network's master key.</summary>
public sealed class NetworkTrustTests : IDisposable
{
    private static readonly DateTimeOffset Now = TestNetwork.Start.AddDays(1);

    private readonly TestNetwork _network = new();

    public void Dispose() => _network.Dispose();

    [Fact]
    public void A_node_of_a_managed_network_is_believed() => Assert.Null(_network.Trust().Verify(_network.Certify(), TestNetwork.Zone, Now));

    [Fact]
    public void A_node_of_a_locked_network_is_believed()
    {
        var trust = NetworkTrust.Create(_network.Id, [_network.Master.Certificate.Der.ToArray()], []);
        Assert.Null(trust.Verify(_network.Certify(by: _network.Master), TestNetwork.Zone, Now));
        Assert.Equal(CertificateRefusal.UnknownIssuer, trust.Verify(_network.Certify(), TestNetwork.Zone, Now));
    }

    [Fact]
    public void A_stock_peer_is_believed_and_has_no_identity_key()
    {
        NodeCertificate certificate = _network.Certify(_network.Subject() with { IdentityKey = null });
        Assert.Null(certificate.IdentityKey);
        Assert.Null(_network.Trust().Verify(certificate, TestNetwork.Zone, Now));
    }

    [Fact]
    public void Another_zone_is_refused()
    {
        Assert.Equal(CertificateRefusal.WrongZone, _network.Trust().Verify(_network.Certify(), Guid.Empty, Now));
        Assert.Equal(CertificateRefusal.WrongZone, _network.Trust().VerifyIgnoringDates(_network.Certify(), Guid.Empty));
    }

    [Fact]
    public void Another_network_is_refused()
    {
        using var other = new TestNetwork();
        Assert.Equal(CertificateRefusal.WrongNetwork, _network.Trust().Verify(other.Certify(), TestNetwork.Zone, Now));
    }

    [Fact]
    public void Another_key_is_refused()
    {
        NodeSubject subject = _network.Subject();
        NodeCertificate certificate = _network.Certify(subject);
        Assert.Null(certificate.CheckKeys(subject.IdentityKey!, subject.WireGuardKey));
        Assert.Equal(CertificateRefusal.WrongKey, certificate.CheckKeys(subject.IdentityKey!, _network.NextWireGuardKey()));
        Assert.Equal(CertificateRefusal.WrongKey, certificate.CheckKeys(P256PublicKey.Of(_network.IssuerKey), subject.WireGuardKey));
    }

    /// <summary>One who has the issuer's name and key identifier, but another key.</summary>
    [Fact]
    public void Who_is_named_like_an_issuer_is_not_believed()
    {
        using ECDsa stranger = TestNetwork.NewKey();
        Assert.True(NodeCertificate.TryParse(CertificateForge.Node(_network).Sign(stranger), out NodeCertificate? forged, out _));
        Assert.Equal(CertificateRefusal.BadSignature, _network.Trust().Verify(forged, TestNetwork.Zone, Now));

        CertificateForge forge = CertificateForge.Node(_network);
        forge.Issuer = Der.Name(0x0C, "harbour issuer");
        Assert.True(NodeCertificate.TryParse(forge.Sign(_network.IssuerKey), out NodeCertificate? misnamed, out _));
        Assert.Equal(CertificateRefusal.UnknownIssuer, _network.Trust().Verify(misnamed, TestNetwork.Zone, Now));
    }

    /// <summary>Every bit of a certificate matters: changed, it is another one that nobody signed, or none.</summary>
    [Fact]
    public void No_bit_of_a_certificate_can_be_changed()
    {
        NetworkTrust trust = _network.Trust();
        byte[] der = _network.Certify(_network.Subject("192.168.0.0/24")).Der.ToArray();
        for (int bit = 0; bit < der.Length * 8; bit++)
        {
            der[bit / 8] ^= (byte)(1 << (bit % 8));
            if (NodeCertificate.TryParse(der, out NodeCertificate? changed, out _))
                Assert.NotNull(trust.VerifyIgnoringDates(changed, TestNetwork.Zone));
            der[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void A_prefix_that_grew_after_the_signature_is_refused()
    {
        byte[] der = _network.Certify(_network.Subject("192.168.40.0/24")).Der.ToArray();
        int at = der.AsSpan().IndexOf(Der.Hex("030400C0A828"));
        byte[] wider = [.. der];
        Der.Hex("030402C0A828").CopyTo(wider, at); // 192.168.40.0/22
        Assert.True(NodeCertificate.TryParse(wider, out NodeCertificate? grown, out _));
        Assert.Contains(IpPrefix.Parse("192.168.40.0/22"), grown.Prefixes);
        Assert.Equal(CertificateRefusal.BadSignature, _network.Trust().Verify(grown, TestNetwork.Zone, Now));
    }

    [Fact]
    public void A_prefix_that_is_announced_but_not_certified_is_refused()
    {
        NodeCertificate certificate = _network.Certify(_network.Subject("192.168.40.0/24"));
        Assert.Null(Announce("192.168.40.0/24", "10.200.0.7/32", "fd00:200::7/128"));
        Assert.Null(Announce("192.168.40.128/25", "192.168.40.0/25", "10.200.0.7/32", "fd00:200::7/128"));
        Assert.Equal(CertificateRefusal.GrownPrefix, Announce("192.168.40.0/23", "10.200.0.7/32", "fd00:200::7/128"));
        Assert.Equal(CertificateRefusal.GrownPrefix, Announce("192.168.40.0/24", "10.200.0.7/32", "fd00:200::7/128", "10.200.0.8/32"));
        Assert.Equal(CertificateRefusal.GrownPrefix, Announce("192.168.40.0/24", "10.200.0.7/32"));
        Assert.Equal(CertificateRefusal.GrownPrefix, Announce());

        CertificateRefusal? Announce(params string[] prefixes) => certificate.CheckPrefixes([.. prefixes.Select(prefix => IpPrefix.Parse(prefix))]);
    }

    [Fact]
    public void A_certificate_with_more_than_its_issuer_may_certify_is_refused()
    {
        using ECDsa key = TestNetwork.NewKey();
        CertificateForge narrow = CertificateForge.Authority(_network, key)
            .Replace("1.3.6.1.5.5.7.1.7", CertificateForge.Blocks(Der.Hex("0303 00 0AC9")))
            .Replace("2.5.29.14", Der.Octets(Convert.FromHexString(_network.Issuer.Certificate.KeyIdentifier)));
        narrow.Subject = Der.Name(0x0C, "Harbour issuer");
        var trust = NetworkTrust.Create(_network.Id, [_network.Master.Certificate.Der.ToArray(), narrow.Sign(_network.MasterKey)], []);
        Assert.Empty(trust.Refused);

        Assert.True(NodeCertificate.TryParse(CertificateForge.Node(_network).Sign(key), out NodeCertificate? certificate, out _));
        Assert.Equal(CertificateRefusal.GrownPrefix, trust.Verify(certificate, TestNetwork.Zone, Now));
    }

    [Fact]
    public void Dates_count_for_a_new_peer_and_not_for_one_that_is_known()
    {
        NetworkTrust trust = _network.Trust();
        DateTimeOffset from = TestNetwork.Start.AddDays(1), to = TestNetwork.Start.AddDays(8);
        NodeCertificate certificate = _network.Certify(from: from, to: to);

        Assert.Equal(CertificateRefusal.NotYetValid, trust.Verify(certificate, TestNetwork.Zone, from.AddSeconds(-1)));
        Assert.Null(trust.Verify(certificate, TestNetwork.Zone, from));
        Assert.Null(trust.Verify(certificate, TestNetwork.Zone, to));
        Assert.Equal(CertificateRefusal.Expired, trust.Verify(certificate, TestNetwork.Zone, to.AddSeconds(1)));
        Assert.Null(trust.VerifyIgnoringDates(certificate, TestNetwork.Zone));
    }

    [Fact]
    public void The_dates_of_issuer_and_master_count_for_a_new_peer()
    {
        NetworkTrust trust = _network.Trust();
        NodeCertificate ofIssuer = _network.Certify(from: TestNetwork.Start.AddYears(-1), to: TestNetwork.Start.AddYears(30));
        NodeCertificate ofMaster = _network.Certify(by: _network.Master, from: TestNetwork.Start.AddYears(-1), to: TestNetwork.Start.AddYears(30));

        Assert.Equal(CertificateRefusal.IssuerNotValid, trust.Verify(ofIssuer, TestNetwork.Zone, TestNetwork.Start.AddSeconds(-1)));
        Assert.Null(trust.Verify(ofIssuer, TestNetwork.Zone, TestNetwork.Start.AddYears(10)));
        Assert.Equal(CertificateRefusal.IssuerNotValid, trust.Verify(ofIssuer, TestNetwork.Zone, TestNetwork.Start.AddYears(10).AddSeconds(1)));
        Assert.Null(trust.Verify(ofMaster, TestNetwork.Zone, TestNetwork.End));
        Assert.Equal(CertificateRefusal.IssuerNotValid, trust.Verify(ofMaster, TestNetwork.Zone, TestNetwork.End.AddSeconds(1)));
        Assert.Null(trust.VerifyIgnoringDates(ofIssuer, TestNetwork.Zone));
    }

    [Fact]
    public void A_revoked_node_is_refused_whatever_the_dates()
    {
        NodeCertificate revoked = _network.Certify(), other = _network.Certify();
        RevocationList list = _network.Issuer.SignRevocationList(1, Now, [new(revoked.Serial, Now)]);
        NetworkTrust trust = _network.Trust(list);

        Assert.Equal(CertificateRefusal.Revoked, trust.Verify(revoked, TestNetwork.Zone, Now));
        Assert.Equal(CertificateRefusal.Revoked, trust.VerifyIgnoringDates(revoked, TestNetwork.Zone));
        Assert.Null(trust.Verify(other, TestNetwork.Zone, Now));
    }

    [Fact]
    public void An_authoritys_list_revokes_only_what_it_issued()
    {
        NodeCertificate certificate = _network.Certify();
        RevocationList ofMaster = _network.Master.SignRevocationList(9, Now, [new(certificate.Serial, Now)]);
        Assert.Null(_network.Trust(ofMaster).Verify(certificate, TestNetwork.Zone, Now));
    }

    [Fact]
    public void The_nodes_of_a_revoked_issuer_are_refused()
    {
        RevocationList list = _network.Master.SignRevocationList(1, Now, [new(_network.Issuer.Certificate.Serial, Now)]);
        NetworkTrust trust = _network.Trust(list);

        Assert.Equal(CertificateRefusal.Revoked, trust.Verify(_network.Certify(), TestNetwork.Zone, Now));
        Assert.Equal([_network.Master.Certificate.Fingerprint], trust.Authorities.Select(authority => authority.Fingerprint));
        Assert.Null(trust.Verify(_network.Certify(by: _network.Master), TestNetwork.Zone, Now));
    }

    [Fact]
    public void Of_two_lists_the_one_with_the_higher_number_holds_in_any_order()
    {
        NodeCertificate revoked = _network.Certify();
        RevocationList old = _network.Issuer.SignRevocationList(1, Now.AddDays(5), []);
        RevocationList present = _network.Issuer.SignRevocationList(2, Now, [new(revoked.Serial, Now)]);

        foreach (NetworkTrust trust in (NetworkTrust[])[_network.Trust(old, present), _network.Trust(present, old)])
        {
            Assert.Equal(CertificateRefusal.Revoked, trust.Verify(revoked, TestNetwork.Zone, Now));
            Assert.Equal([2], trust.RevocationLists.Select(list => list.Number));
        }
    }

    [Fact]
    public void A_list_that_nobody_known_signed_revokes_nothing()
    {
        using var other = new TestNetwork();
        NodeCertificate certificate = _network.Certify();
        RevocationList strange = other.Issuer.SignRevocationList(1, Now, [new(certificate.Serial, Now)]);
        byte[] forged = RevocationForge.List(_network.Issuer.Certificate, other.IssuerKey, certificate.Serial);

        var trust = NetworkTrust.Create(
            _network.Id, [_network.Master.Certificate.Der.ToArray(), _network.Issuer.Certificate.Der.ToArray()], [strange.Der.ToArray(), forged, [1, 2, 3]]);

        Assert.Null(trust.Verify(certificate, TestNetwork.Zone, Now));
        Assert.Equal(
            [CertificateRefusal.UnknownIssuer, CertificateRefusal.BadSignature, CertificateRefusal.Malformed], trust.Refused.Select(refused => refused.Refusal));
        Assert.All(trust.Refused, refused => Assert.Equal("revocation list", refused.What));
    }

    [Fact]
    public void What_cannot_be_used_is_named_and_spoils_nothing()
    {
        using var other = new TestNetwork();
        using ECDsa key = TestNetwork.NewKey();
        CertificateForge withoutBlocks = CertificateForge.Authority(_network, key).Replace("1.3.6.1.5.5.7.1.7", null);
        CertificateForge notByMaster = CertificateForge.Authority(_network, key);
        byte[][] authorities =
        [
            [0x30, 0x00],
            other.Master.Certificate.Der.ToArray(),
            withoutBlocks.Sign(_network.MasterKey),
            notByMaster.Sign(_network.IssuerKey),
            _network.Issuer.Certificate.Der.ToArray(),
            _network.Master.Certificate.Der.ToArray(),
        ];

        var trust = NetworkTrust.Create(_network.Id, authorities, []);

        Assert.Null(trust.Verify(_network.Certify(), TestNetwork.Zone, Now));
        Dictionary<Sha256Digest, CertificateRefusal> refused = trust.Refused.ToDictionary(one => one.Fingerprint, one => one.Refusal);
        Assert.Equal(4, refused.Count);
        CertificateRefusal[] expected = [CertificateRefusal.Malformed, CertificateRefusal.WrongNetwork, CertificateRefusal.NoAddressBlocks, CertificateRefusal.BadSignature];
        Assert.Equal(expected, authorities[..4].Select(der => refused[Sha256Digest.Of(der)]));
    }

    [Fact]
    public void Without_its_master_an_issuer_is_unknown()
    {
        var trust = NetworkTrust.Create(_network.Id, [_network.Issuer.Certificate.Der.ToArray()], []);
        Assert.Equal([CertificateRefusal.UnknownIssuer], trust.Refused.Select(refused => refused.Refusal));
        Assert.Equal(CertificateRefusal.UnknownIssuer, trust.Verify(_network.Certify(), TestNetwork.Zone, Now));
        Assert.Empty(trust.Authorities);
    }

    /// <summary>An issuer certifies nodes, and no issuers: otherwise a stolen controller could make successors that outlive its revocation.</summary>
    [Fact]
    public void An_issuers_issuer_is_unknown()
    {
        using ECDsa key = TestNetwork.NewKey();
        CertificateForge second = CertificateForge.Authority(_network, key)
            .Replace("2.5.29.35", Der.Sequence(Der.Tagged(0x80, Convert.FromHexString(_network.Issuer.Certificate.KeyIdentifier))));
        second.Issuer = Der.Name(0x0C, "Harbour issuer");
        var trust = NetworkTrust.Create(
            _network.Id,
            [_network.Master.Certificate.Der.ToArray(), _network.Issuer.Certificate.Der.ToArray(), second.Sign(_network.IssuerKey)],
            []);
        Assert.Equal([CertificateRefusal.UnknownIssuer], trust.Refused.Select(refused => refused.Refusal));
    }

    /// <summary>One with the master's name and identifiers, whose own key is another: the network is named by the key and by nothing else.</summary>
    [Fact]
    public void A_master_with_another_key_is_refused()
    {
        using ECDsa key = TestNetwork.NewKey();
        CertificateForge forge = CertificateForge.Authority(_network, key)
            .Replace("2.5.29.14", Der.Octets(Convert.FromHexString(_network.Master.Certificate.KeyIdentifier)));
        forge.Subject = forge.Issuer;
        var trust = NetworkTrust.Create(_network.Id, [forge.Sign(key), _network.Master.Certificate.Der.ToArray()], []);
        Assert.Equal([CertificateRefusal.BadSignature], trust.Refused.Select(refused => refused.Refusal));
        Assert.Null(trust.Verify(_network.Certify(by: _network.Master), TestNetwork.Zone, Now));
    }

    [Fact]
    public void Any_number_of_threads_may_verify_at_once()
    {
        NetworkTrust trust = _network.Trust();
        NodeCertificate good = _network.Certify();
        using ECDsa stranger = TestNetwork.NewKey();
        Assert.True(NodeCertificate.TryParse(CertificateForge.Node(_network).Sign(stranger), out NodeCertificate? forged, out _));
        Parallel.For(0, 2000, i =>
        {
            if (i % 2 == 0)
                Assert.Null(trust.VerifyIgnoringDates(good, TestNetwork.Zone));
            else
                Assert.Equal(CertificateRefusal.BadSignature, trust.VerifyIgnoringDates(forged, TestNetwork.Zone));
        });
    }

    [Fact]
    public void Every_refusal_has_its_sentence()
    {
        string[] sentences = [.. Enum.GetValues<CertificateRefusal>().Select(refusal => refusal.Sentence())];
        Assert.Equal(sentences.Length, sentences.Distinct().Count());
        Assert.All(sentences, sentence => Assert.Matches("^[A-Z].*[.]$", sentence));
    }
}
