using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using Kedge.Protocol.WireGuard;
using Kedge.Tests.Certificates;

namespace Kedge.Tests.Mesh;

public sealed class AdmissionTests : IDisposable
{
    private static readonly DateTimeOffset Now = TestNetwork.Start.AddDays(1);
    private static readonly Guid A = new("a0000000-0000-0000-0000-000000000000"), B = new("b0000000-0000-0000-0000-000000000000");

    private readonly TestNetwork _network = new();
    private readonly VerifiedCertificates _certificates = new();
    private readonly Dictionary<Guid, PeerClaim> _claims = [];
    private readonly PublicKey _ownKey;
    private readonly Admission _admission;

    public AdmissionTests()
    {
        _ownKey = _network.NextWireGuardKey();
        _admission = NewAdmission();
        _admission.SetTrust(_network.Trust(), Now);
    }

    public void Dispose() => _network.Dispose();

    [Fact]
    public void A_certified_node_is_admitted_for_exactly_its_key_and_prefixes()
    {
        NodeCertificate certificate = Certify(2, "10.7.0.0/24");

        Put(A, certificate);

        (PublicKey key, NodeCertificate admitted) = Assert.Single(_admission.Admitted);
        Assert.Equal(certificate.WireGuardKey, key);
        Assert.Equal(certificate.WireGuardKey, admitted.WireGuardKey);
        Assert.Equal(["10.7.0.0/24", "10.200.0.2/32", "fd00:200::2/128"], admitted.Prefixes.Select(prefix => prefix.ToString()));
        Assert.Equal([key], _admission.TakeChanges());
        Assert.Empty(_admission.TakeChanges());
    }

    [Theory]
    [InlineData("10.7.0.0/24")]
    [InlineData("10.7.0.0/16")]
    [InlineData("10.7.0.128/25")]
    public void Nobody_is_admitted_for_a_prefix_of_another_overlay_on_this_machine(string prefix)
    {
        var context = new AdmissionContext
        {
            Zone = TestNetwork.Zone,
            WireGuardKey = _ownKey,
            Foreign = [new ForeignPrefix(IpPrefix.Parse("10.7.0.0/24"), "kedge7")],
        };
        _admission.SetContext(context, Now);

        Put((A, Certify(2, prefix)), (B, Certify(3, "10.8.0.0/24")));

        Assert.Equal([B], Admitted);
        string reason = Assert.Single(Refusals).Value;
        Assert.Contains(prefix, reason, StringComparison.Ordinal);
        Assert.Contains("10.7.0.0/24, a prefix of the overlay on kedge7", reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Nobody_is_admitted_before_it_is_known_whom_to_believe()
    {
        Admission admission = NewAdmission();
        PeerClaim claim = new(), restored = new(Certify(3));
        admission.Update([(claim, Certify(2).Der), (restored, new byte[] { 1, 2, 3 })], [], Now);
        Assert.Empty(admission.Admitted);

        admission.SetTrust(_network.Trust(), Now);

        Assert.Equal(2, admission.Admitted.Count);
        Assert.Null(claim.Refusal);
        Assert.NotNull(restored.Refusal);
    }

    [Fact]
    public void What_is_not_certified_by_ones_own_network_and_for_ones_own_zone_is_refused()
    {
        using var other = new TestNetwork();
        Put(A, other.Certify(Subject(2)));
        Refused(A, "another network");

        Put(A, _network.Certify(Subject(2) with { ZoneId = Guid.NewGuid() }));
        Refused(A, "another zone");

        byte[] forged = Certify(2).Der.ToArray();
        forged[^1] ^= 1;
        Put(A, forged);
        Assert.Empty(_admission.Admitted);

        Put(A, [1, 2, 3]);
        Refused(A, "not the DER form");
    }

    [Fact]
    public void A_refused_record_is_forgotten_with_its_node()
    {
        Put(A, [1, 2, 3]);
        Remove(A);
        Assert.Empty(Refusals);
        Assert.Equal(0, _admission.RefusedCount);
    }

    [Fact]
    public void An_expired_node_is_not_admitted_and_one_that_is_known_stays()
    {
        NodeCertificate certificate = Certify(2);
        DateTimeOffset later = certificate.NotAfter.AddDays(1);

        Put(A, certificate, later);
        Refused(A, "no longer valid");

        Put(A, certificate);
        Put(A, certificate, later);
        Put(B, Certify(3), later);
        _admission.SetTrust(_network.Trust(), later);

        Assert.Equal([A], Admitted);
    }

    [Fact]
    public void A_node_that_was_known_before_a_restart_stays_though_it_has_expired_since()
    {
        NodeCertificate certificate = Certify(2);
        Restore(A, certificate);

        Put(A, certificate, certificate.NotAfter.AddDays(30));

        Assert.Equal([A], Admitted);
    }

    [Fact]
    public void A_known_node_may_come_with_another_expired_certificate_but_not_with_more_in_it()
    {
        PublicKey key = _network.NextWireGuardKey();
        Put(A, _network.Certify(Subject(2, "10.7.0.0/24") with { WireGuardKey = key }));
        DateTimeOffset later = Now.AddDays(100);

        Put(A, _network.Certify(Subject(2) with { WireGuardKey = key }), later);
        Assert.Empty(Refusals);
        Assert.Equal(2, CertificateOf(A).Prefixes.Count);

        Put(A, _network.Certify(Subject(2, "10.8.0.0/24") with { WireGuardKey = key }), later);
        Assert.Contains("no longer valid", Refusals[A], StringComparison.Ordinal);
        Assert.Equal(2, CertificateOf(A).Prefixes.Count); // as it was

        using var strangersKey = TestNetwork.NewKey();
        Put(A, _network.Certify(Subject(2) with { WireGuardKey = key, IdentityKey = P256PublicKey.Of(strangersKey) }), later);
        Assert.Contains(A, Refusals);
    }

    [Fact]
    public void A_node_whose_time_has_not_come_is_admitted_when_it_has()
    {
        NodeCertificate certificate = _network.Certify(Subject(2), from: Now.AddHours(1), to: Now.AddDays(7));
        Put(A, certificate);
        Refused(A, "not valid yet");

        _admission.RetryRefused(Now.AddHours(2));

        Assert.Equal([A], Admitted);
    }

    [Fact]
    public void A_revoked_node_goes_and_does_not_come_back()
    {
        NodeCertificate certificate = Certify(2);
        Put(A, certificate);
        Put(B, Certify(3));
        _admission.TakeChanges();

        RevocationList list = Revoke(certificate);
        _admission.SetTrust(_network.Trust(list), Now);

        Assert.Equal([B], Admitted);
        Assert.Equal([certificate.WireGuardKey], _admission.TakeChanges());
        Assert.Contains("revoked", Refusals[A], StringComparison.Ordinal);
        Put(A, certificate);
        Assert.Equal([B], Admitted);
    }

    [Fact]
    public void A_revoked_node_is_not_admitted_because_it_was_known_before_a_restart()
    {
        NodeCertificate certificate = Certify(2);
        Restore(A, certificate);
        _admission.SetTrust(_network.Trust(Revoke(certificate)), Now);

        Put(A, certificate);

        Refused(A, "revoked");
    }

    [Fact]
    public void Nobody_has_this_nodes_own_key()
    {
        Put(A, _network.Certify(Subject(2) with { WireGuardKey = _ownKey }));
        Refused(A, "own WireGuard key");
    }

    [Fact]
    public void Nobody_has_the_key_of_another()
    {
        PublicKey key = _network.NextWireGuardKey();
        Put(A, _network.Certify(Subject(2) with { WireGuardKey = key, Name = "first" }));

        Put(B, _network.Certify(Subject(3) with { WireGuardKey = key }));

        Assert.Equal([A], Admitted);
        Assert.Contains("the WireGuard key of first", Refusals[B], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("10.200.0.1/32")] // this node's address
    [InlineData("10.9.0.0/16")] // around its child prefix
    [InlineData("10.9.9.128/25")] // inside it
    [InlineData("192.0.2.0/24")] // around the controller
    [InlineData("192.0.2.7/32")] // the controller
    [InlineData("0.0.0.0/0")]
    [InlineData("::/0")]
    [InlineData("127.0.0.0/8")]
    [InlineData("169.254.0.0/17")]
    [InlineData("224.0.0.0/4")]
    [InlineData("0.0.0.0/1")] // half the world, with loopback in it
    [InlineData("fe80::/64")]
    [InlineData("ff02::/16")]
    public void What_no_peer_may_have_is_refused_whoever_has_certified_it(string prefix)
    {
        Put(A, Certify(2, prefix));

        Assert.Empty(_admission.Admitted);
        Assert.Contains("It claims", Refusals[A], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("10.7.0.0/24", "10.7.0.0/24")]
    [InlineData("10.7.0.0/24", "10.7.0.0/16")]
    [InlineData("10.7.0.0/16", "10.7.200.0/24")]
    [InlineData("fd07::/64", "fd07::/48")]
    [InlineData("10.7.0.0/24", "10.200.0.2/32")]
    public void The_first_one_keeps_a_prefix_that_two_claim(string first, string second)
    {
        Put(A, _network.Certify(Subject(2, first) with { Name = "first" }));

        Put(B, Certify(3, second));

        Assert.Equal([A], Admitted);
        Assert.Contains("which first has or touches", Refusals[B], StringComparison.Ordinal);
    }

    [Fact]
    public void Who_was_known_before_a_restart_counts_as_first()
    {
        NodeCertificate known = Certify(2, "10.7.0.0/24");
        Restore(B, known);

        Put((A, Certify(3, "10.7.0.0/16")), (B, known));

        Assert.Equal([B], Admitted);
    }

    [Fact]
    public void A_prefix_that_becomes_free_goes_to_who_was_refused_for_it()
    {
        NodeCertificate first = Certify(2, "10.7.0.0/24"), second = Certify(3, "10.7.0.0/16");
        Put(A, first);
        Put(B, second);
        _admission.TakeChanges();

        Remove(A);

        Assert.Equal([B], Admitted);
        Assert.Empty(Refusals);
        Assert.Equal(new HashSet<PublicKey> { first.WireGuardKey, second.WireGuardKey }, _admission.TakeChanges());
    }

    [Fact]
    public void A_prefix_may_move_from_one_node_to_another_in_one_commit()
    {
        // In either order of the identifiers.
        foreach ((Guid from, Guid to) in ((Guid, Guid)[])[(A, B), (B, A)])
        {
            PublicKey fromKey = _network.NextWireGuardKey(), toKey = _network.NextWireGuardKey();
            Put(from, _network.Certify(Subject(2, "10.7.0.0/24") with { WireGuardKey = fromKey }));
            Put(to, _network.Certify(Subject(3) with { WireGuardKey = toKey }));

            Put(
                (from, _network.Certify(Subject(2) with { WireGuardKey = fromKey })),
                (to, _network.Certify(Subject(3, "10.7.0.0/24") with { WireGuardKey = toKey })));

            Assert.Empty(Refusals);
            Assert.Equal(3, CertificateOf(to).Prefixes.Count);
            Remove(A);
            Remove(B);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Two_nodes_may_exchange_their_addresses(bool isOneCommit)
    {
        PublicKey keyOfA = _network.NextWireGuardKey(), keyOfB = _network.NextWireGuardKey();
        Put(A, _network.Certify(Subject(2) with { WireGuardKey = keyOfA }));
        Put(B, _network.Certify(Subject(3) with { WireGuardKey = keyOfB }));
        _admission.TakeChanges();

        (Guid, NodeCertificate)[] exchanged =
        [
            (A, _network.Certify(Subject(3) with { WireGuardKey = keyOfA })),
            (B, _network.Certify(Subject(2) with { WireGuardKey = keyOfB })),
        ];
        if (isOneCommit)
            Put(exchanged);
        else
            Array.ForEach(exchanged, node => Put(node));

        Assert.Empty(Refusals);
        Assert.Equal(("node-3", "node-2"), (CertificateOf(A).Name, CertificateOf(B).Name));
        Assert.Equal(new HashSet<PublicKey> { keyOfA, keyOfB }, _admission.TakeChanges());
    }

    [Fact]
    public void Two_nodes_may_exchange_their_keys()
    {
        NodeSubject a = Subject(2) with { WireGuardKey = _network.NextWireGuardKey() };
        NodeSubject b = Subject(3) with { WireGuardKey = _network.NextWireGuardKey() };
        Put((A, _network.Certify(a)), (B, _network.Certify(b)));

        Put(
            (A, _network.Certify(a with { WireGuardKey = b.WireGuardKey })),
            (B, _network.Certify(b with { WireGuardKey = a.WireGuardKey })));

        Assert.Empty(Refusals);
        Assert.Equal((b.WireGuardKey, a.WireGuardKey), (CertificateOf(A).WireGuardKey, CertificateOf(B).WireGuardKey));
    }

    [Fact]
    public void A_node_whose_new_certificate_is_refused_keeps_its_address_and_who_wants_that_keeps_its_own()
    {
        // In either order of the keys.
        foreach ((Guid bad, Guid good) in ((Guid, Guid)[])[(A, B), (B, A)])
        {
            NodeCertificate before = Certify(2), other = Certify(3);
            Put((bad, before), (good, other));

            Put((bad, _network.Certify(Subject(3), from: Now.AddDays(1), to: Now.AddDays(2))), (good, Certify(2)));

            Assert.Equal(before.Fingerprint, CertificateOf(bad).Fingerprint);
            Assert.Equal(other.Fingerprint, CertificateOf(good).Fingerprint);
            Assert.Contains("not valid yet", Refusals[bad], StringComparison.Ordinal);
            Assert.Contains("which node-2 has or touches", Refusals[good], StringComparison.Ordinal);
            Remove(A);
            Remove(B);
        }
    }

    [Fact]
    public void A_node_that_is_renewed_keeps_its_address_though_another_claims_it_in_the_same_commit()
    {
        for (int i = 0; i < 8; i++) // whichever key is the lesser one
        {
            NodeSubject subject = Subject(2) with { WireGuardKey = _network.NextWireGuardKey() };
            Put((A, _network.Certify(subject)), (B, Certify(3)));

            Put((A, _network.Certify(subject with { Name = "renewed" })), (B, Certify(2)));

            Assert.Equal("renewed", CertificateOf(A).Name);
            Assert.Contains("which renewed has or touches", Refusals[B], StringComparison.Ordinal);
            Assert.Equal("node-3", CertificateOf(B).Name);
            Remove(A);
            Remove(B);
        }
    }

    [Fact]
    public void What_was_admitted_before_stays_when_the_node_itself_changes_and_after_a_restart()
    {
        NodeCertificate good = Certify(2);
        Put(A, good);
        Put(A, [1, 2, 3]);

        _admission.SetContext(Context with { Underlay = [IpAddress.Parse("192.0.2.8")] }, Now);

        Assert.Equal(good.Fingerprint, CertificateOf(A).Fingerprint);
        Admission restarted = NewAdmission();
        restarted.SetTrust(_network.Trust(), Now);
        var claim = new PeerClaim(good);
        restarted.Update([(claim, new byte[] { 1, 2, 3 })], [], good.NotAfter.AddDays(1));
        Assert.Equal([good.WireGuardKey], restarted.Admitted.Keys);
        Assert.NotNull(claim.Refusal);
        restarted.SetTrust(_network.Trust(Revoke(good)), Now);
        Assert.Empty(restarted.Admitted);
    }

    [Fact]
    public void What_was_admitted_before_a_restart_goes_when_the_node_itself_has_its_address_or_it_is_revoked()
    {
        NodeCertificate own = Certify(1), revoked = Certify(2);
        _admission.SetTrust(_network.Trust(Revoke(revoked)), Now);
        foreach (NodeCertificate certificate in (NodeCertificate[])[own, revoked])
        {
            var claim = new PeerClaim(certificate);
            _admission.Update([(claim, new byte[] { 1, 2, 3 })], [], Now);
            Assert.Null(claim.Admitted);
        }
        Assert.Empty(_admission.Admitted);
    }

    [Fact]
    public void A_record_that_is_refused_leaves_what_was_admitted_before()
    {
        NodeCertificate good = Certify(2);
        Put(A, good);
        _admission.TakeChanges();

        Put(A, [1, 2, 3]);

        Assert.Equal(good.Fingerprint, CertificateOf(A).Fingerprint);
        Assert.Contains(A, Refusals);
        Assert.Empty(_admission.TakeChanges());
    }

    [Fact]
    public void A_node_may_come_with_another_key()
    {
        NodeCertificate former = Certify(2), renewed = Certify(2);
        Put(A, former);

        Put(A, renewed);
        Assert.Equal(renewed.WireGuardKey, CertificateOf(A).WireGuardKey);

        // And the old one is free again.
        Put(B, _network.Certify(Subject(3) with { WireGuardKey = former.WireGuardKey }));
        Assert.Equal(2, _admission.Admitted.Count);
    }

    [Fact]
    public void What_is_admitted_never_overlaps_whatever_comes_and_goes()
    {
        const int Seed = 20260301;
        var random = new Random(Seed);
        Guid[] ids = [.. Enumerable.Range(1, 12).Select(n => new Guid(n, 0, 0, new byte[8]))];
        NodeCertificate[] certificates =
            [.. Enumerable.Range(0, 60).Select(n => Certify(random.Next(2, 8), $"10.{random.Next(4)}.{random.Next(2) * 128}.0/{random.Next(9, 26)}"))];
        for (int step = 0; step < 2000; step++)
        {
            Guid id = ids[random.Next(ids.Length)];
            if (random.Next(4) == 0)
                Remove(id);
            else
                Put(id, certificates[random.Next(certificates.Length)]);

            (Guid Id, NodeCertificate Certificate)[] admitted = [.. Admitted.Select(node => (node, CertificateOf(node)))];
            (Guid Id, IpPrefix Prefix)[] prefixes =
                [.. admitted.SelectMany(peer => peer.Certificate.Prefixes.Select(prefix => (peer.Id, prefix)))];
            bool overlaps = prefixes.Any(one => prefixes.Any(other => one.Id != other.Id && ReservedPrefixes.Overlap(one.Prefix, other.Prefix)));
            Assert.False(overlaps, $"seed {Seed}, step {step}");
            Assert.Equal(admitted.Select(peer => peer.Certificate.WireGuardKey).ToHashSet(), [.. _admission.Admitted.Keys]);
            Assert.All(_claims.Values, claim => Assert.True(claim.Admitted is not null || claim.Refusal is not null));
            Assert.Equal(Refusals.Count, _admission.RefusedCount);
        }
    }

    [Fact]
    public void The_same_trust_is_the_same_object_and_another_one_is_not()
    {
        byte[][] authorities = [_network.Issuer.Certificate.Der.ToArray(), _network.Master.Certificate.Der.ToArray()];
        byte[] list = Revoke(Certify(2)).Der.ToArray();

        var nobody = NetworkTrust.Empty(_network.Id);
        NetworkTrust trust = _certificates.Merge(nobody, new(authorities, []));

        Assert.Same(trust, _certificates.Merge(nobody, new([.. authorities.Select(der => der.ToArray())], [])));
        Assert.Same(trust, _certificates.Merge(trust, new(authorities, [])));
        Assert.NotSame(trust, _certificates.Merge(trust, new(authorities, [list])));
        Assert.NotSame(trust, _certificates.Merge(NetworkTrust.Empty(Kedge.Protocol.Sha256Digest.Of([1])), new(authorities, [])));
    }

    private IEnumerable<Guid> Admitted => _claims.Where(claim => claim.Value.Admitted is not null).Select(claim => claim.Key);

    private Dictionary<Guid, string> Refusals =>
        _claims.Where(claim => claim.Value.Refusal is not null).ToDictionary(claim => claim.Key, claim => claim.Value.Refusal!);

    private AdmissionContext Context => new()
    {
        Zone = TestNetwork.Zone,
        WireGuardKey = _ownKey,
        Prefixes = [IpPrefix.Parse("10.200.0.1/32"), IpPrefix.Parse("fd00:200::1/128"), IpPrefix.Parse("10.9.9.0/24")],
        Underlay = [IpAddress.Parse("192.0.2.7")],
    };

    private NodeCertificate CertificateOf(Guid id) => _claims[id].Admitted!;

    private Admission NewAdmission() => new(Context, _certificates);

    private NodeSubject Subject(int host, params string[] childPrefixes) => _network.Subject(childPrefixes) with
    {
        Name = $"node-{host}",
        Addresses = [IpAddress.Parse($"10.200.0.{host}"), IpAddress.Parse($"fd00:200::{host}")],
    };

    private NodeCertificate Certify(int host, params string[] childPrefixes) => _network.Certify(Subject(host, childPrefixes));

    private RevocationList Revoke(NodeCertificate certificate) => _network.Issuer.SignRevocationList(1, Now, [new RevokedCertificate(certificate.Serial, Now)]);

    private void Put(Guid id, NodeCertificate certificate, DateTimeOffset? now = null) => Put(id, certificate.Der.ToArray(), now);

    private void Put(Guid id, byte[] der, DateTimeOffset? now = null) => _admission.Update([(ClaimOf(id), der)], [], now ?? Now);

    /// <summary>Offers certificates of several nodes in one commit.</summary>
    private void Put(params (Guid Id, NodeCertificate Certificate)[] nodes) =>
        _admission.Update([.. nodes.Select(node => (ClaimOf(node.Id), node.Certificate.Der))], [], Now);

    private void Restore(Guid id, NodeCertificate certificate) => _claims[id] = new PeerClaim(certificate);

    private void Remove(Guid id)
    {
        if (_claims.Remove(id, out PeerClaim? claim))
            _admission.Update([], [claim], Now);
    }

    private PeerClaim ClaimOf(Guid id)
    {
        if (!_claims.TryGetValue(id, out PeerClaim? claim))
            _claims[id] = claim = new PeerClaim();
        return claim;
    }

    private void Refused(Guid id, string why)
    {
        Assert.DoesNotContain(id, Admitted);
        Assert.Contains(why, Refusals[id], StringComparison.Ordinal);
    }
}
