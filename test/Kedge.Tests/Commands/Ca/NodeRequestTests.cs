using System.Security.Cryptography;
using Kedge.Commands.Ca;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Commands.Ca;

/// <summary>What the holder of a master key signs for nodes that no controller speaks for.</summary>
public sealed class NodeRequestTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 5, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly SigningTerms Attended = new(new Dictionary<string, string>(), MayAsk: true);

    private readonly string _path = Directory.CreateTempSubdirectory("kedge-test-").FullName;
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly AuthorityFolder _folder;

    public NodeRequestTests() => _folder = Create("ca", "10.20.0.0/16", "192.168.40.0/22", "fd00:20::/48");

    public void Dispose()
    {
        _key.Dispose();
        Directory.Delete(_path, recursive: true);
    }

    [Fact]
    public void A_master_is_bound_to_the_networks_prefixes_and_so_are_its_issuers()
    {
        Assert.Equal("10.20.0.0/16, 192.168.40.0/22, fd00:20::/48", _folder.Master.AddressBlocks.ToString());
        using ECDsa issuer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        AuthorityCertificate certified = _folder.Unlock(master =>
            master.CertifyIssuer("Issuer", P256PublicKey.Of(issuer), AuthorityFolder.NewSerial(), Now, Now.AddDays(1)));
        var trust = NetworkTrust.Create(_folder.Master.NetworkId, [_folder.Master.Der.ToArray(), certified.Der.ToArray()], []);

        Assert.Empty(trust.Refused);
        Assert.Equal(_folder.Master.AddressBlocks, certified.AddressBlocks);
    }

    [Fact]
    public void What_a_node_asks_for_is_certified_in_the_networks_zone()
    {
        NodeRequest request = Request("alice", "10.20.0.1", "fd00:20::1") with { ChildPrefixes = ["192.168.40.0/24"] };

        SigningCase judged = SigningCase.Judge(request, _folder, Attended, Now, [NodeSubject.RelayTag, NodeSubject.AnchorTag]);
        NodeCertificate certificate = Sign(judged);

        Assert.Null(judged.Refusal);
        Assert.Null(_folder.Trust.Verify(certificate, NetworkZone.IdOf(_folder.Master.NetworkId), Now));
        Assert.Equal("10.20.0.1/32, 192.168.40.0/24, fd00:20::1/128", certificate.AddressBlocks.ToString());
        Assert.Equal([NodeSubject.AnchorTag, NodeSubject.RelayTag], certificate.Tags);
        Assert.Equal(request.RosenpassKeyHash, Convert.ToBase64String(certificate.RosenpassKeyHash!.Value.ToArray()));
        Assert.Equal(KeyAssurance.None, judged.Assurance); // somebody has to look
    }

    [Fact]
    public void A_request_reads_as_it_was_written_also_without_a_network()
    {
        NodeRequest named = Request("alice", "10.20.0.1"), open = Make("alice", null);

        Assert.Equal(named.ToJson(), NodeRequest.Parse("f", named.ToJson()).ToJson());
        Assert.Null(NodeRequest.Parse("f", open.ToJson()).NetworkId);
        Assert.Null(Judge(open with { Addresses = ["10.20.0.1"] }).Refusal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("""{"name":null,"identityKey":"","wireGuardKey":"","rosenpassKeyHash":"","keysSignature":""}""")]
    [InlineData("""{"name":"a","identityKey":"","wireGuardKey":"","rosenpassKeyHash":"","keysSignature":"","addresses":"x"}""")]
    [InlineData("""{"name":"a","identityKey":"","wireGuardKey":"","rosenpassKeyHash":"","keysSignature":"","addresses":null}""")]
    public void What_is_no_request_is_refused_by_the_name_of_its_file(string text) =>
        Assert.StartsWith("some.file is no request of a node", Assert.Throws<UserError>(() => NodeRequest.Parse("some.file", text)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_file_that_is_too_long_is_not_read()
    {
        string text = Request("alice").ToJson();
        string fits = text + new string(' ', NodeRequest.MaximumLength - text.Length);

        Assert.Equal("alice", NodeRequest.Parse("f", fits).Name);
        Assert.Contains("at most 65536 characters, not 65537", Assert.Throws<UserError>(() => NodeRequest.Parse("f", fits + " ")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lists_that_are_left_out_are_empty()
    {
        string text = Request("alice").ToJson();

        NodeRequest request = NodeRequest.Parse("f", text[..text.IndexOf(",\n  \"addresses\"", StringComparison.Ordinal)] + "}");

        Assert.Empty(request.Addresses);
        Assert.Empty(request.ChildPrefixes);
    }

    [Fact]
    public void What_cannot_be_signed_is_refused_and_why_is_said()
    {
        NodeRequest honest = Request("alice", "10.20.0.1");
        using ECDsa otherKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        NodeRequest other = NodeRequest.Create("alice", _folder.Master.NetworkId, otherKey, NewKey(), Sha256Digest.Of("x"u8));
        (NodeRequest Request, string Reason)[] cases =
        [
            (honest with { NetworkId = Sha256Digest.Of("another"u8).ToString() }, "the network of this master is"),
            (honest with { NetworkId = "x" }, "the network of this master is"),
            (honest with { NetworkId = null }, "somebody has exchanged a key or the network"),
            (Make("alice", null) with { Addresses = ["10.20.0.1"], NetworkId = _folder.Master.NetworkId.ToString() }, "exchanged a key or the network"),
            (honest with { WireGuardKey = other.WireGuardKey }, "exchanged a key"),
            (honest with { RosenpassKeyHash = other.RosenpassKeyHash }, "exchanged a key"),
            (honest with { IdentityKey = other.IdentityKey }, "exchanged a key"),
            (honest with { KeysSignature = "" }, "exchanged a key"),
            (honest with { KeysSignature = new string('A', 5000) }, "exchanged a key"),
            (honest with { IdentityKey = "AAAA" }, "must be an ECDSA P-256 key"),
            (honest with { WireGuardKey = "AAAA" }, "must be 32 bytes"),
            (honest with { RosenpassKeyHash = "AAAA" }, "must be 32 bytes"),
            (honest with { Name = "Alice" }, "is not a name for a node"),
            (honest with { Name = new string('a', 64) }, "is not a name for a node"),
            (honest with { Name = "a\u001b[2J" }, "is not a name for a node"),
            (honest with { Addresses = ["10.21.0.1"] }, "10.21.0.1 is not in this network, whose prefixes are 10.20.0.0/16"),
            (honest with { Addresses = ["10.20.0.1", "fd00:21::1"] }, "fd00:21::1 is not in this network"),
            (honest with { ChildPrefixes = ["10.0.0.0/8"] }, "10.0.0.0/8 is not in this network"),
            (honest with { ChildPrefixes = ["0.0.0.0/0"] }, "no default route"),
            (honest with { Addresses = ["10.20.0.1", "10.20.0.2"] }, "A node has one address"),
            (honest with { Addresses = ["here"] }, "an address that a node can have"),
            (honest with { Addresses = [null!] }, "nothing in it"),
            (honest with { ChildPrefixes = [.. Enumerable.Range(0, 1100).Select(i => $"10.20.{4 + (i / 128)}.{i % 128 * 2}/32")] }, "a certificate at most 1024"),
            (honest with { Addresses = [] }, "--ip ADDRESS. 10.20.0.1 is free."),
        ];

        Assert.All(cases, one => Assert.Contains(one.Reason, Judge(one.Request).Refusal, StringComparison.Ordinal));
        Assert.Null(Judge(honest).Refusal);
    }

    [Fact]
    public void No_address_or_prefix_is_certified_for_two_nodes()
    {
        NodeRequest alice = Request("alice", "10.20.0.1") with { ChildPrefixes = ["192.168.40.0/24"] };
        NodeCertificate first = Sign(Judge(alice));
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        NodeRequest bob = NodeRequest.Create("bob", _folder.Master.NetworkId, key, NewKey(), Sha256Digest.Of("b"u8)) with { Addresses = ["10.20.0.2"] };

        Assert.Contains("10.20.0.1/32 is certified for alice", Judge(bob with { Addresses = ["10.20.0.1"] }).Refusal, StringComparison.Ordinal);
        Assert.Contains("192.168.40.0/24 is certified for alice", Judge(bob with { ChildPrefixes = ["192.168.40.128/25"] }).Refusal, StringComparison.Ordinal);
        Assert.Contains("192.168.40.0/24 is certified for alice", Judge(bob with { ChildPrefixes = ["192.168.40.0/22"] }).Refusal, StringComparison.Ordinal);
        Assert.Contains("10.20.0.2 is free", Judge(bob with { Addresses = [] }).Refusal, StringComparison.Ordinal);
        Assert.Null(Judge(bob).Refusal);

        _folder.Unlock(master =>
        {
            _folder.Revoke(master, [first.Serial], Now);
            return 0;
        });
        Assert.Null(Judge(bob with { Addresses = ["10.20.0.1"] }).Refusal);
    }

    [Fact]
    public void A_name_is_one_nodes_and_what_is_signed_anew_revokes_what_it_replaces()
    {
        NodeRequest alice = Request("alice", "10.20.0.1");
        NodeCertificate first = Sign(Judge(alice, NodeSubject.RelayTag));
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        NodeRequest another = NodeRequest.Create("alice", _folder.Master.NetworkId, key, NewKey(), Sha256Digest.Of("b"u8)) with { Addresses = ["10.20.0.1"] };

        SigningCase same = Judge(alice, NodeSubject.RelayTag);
        Assert.Equal((true, KeyAssurance.Certified), (same.IsRenewal, same.Assurance));
        Assert.Empty(same.Replaced);
        Assert.Equal([first.Serial], Judge(alice).Replaced.Select(one => one.Serial)); // without the tag that it had
        Assert.Equal([first.Serial], Judge(alice with { Addresses = ["10.20.0.9"] }).Replaced.Select(one => one.Serial));
        Assert.Equal([first.Serial], Judge(alice with { Name = "carol" }).Replaced.Select(one => one.Serial));
        SigningCase taken = Judge(another);
        Assert.Equal((null, KeyAssurance.None), (taken.Refusal, taken.Assurance));
        Assert.Equal([first.Serial], taken.Replaced.Select(one => one.Serial));
        Assert.Contains("It has 10.20.0.1 now.", Judge(alice with { Addresses = [] }).Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_nobody_looks_the_key_has_to_be_expected()
    {
        NodeRequest request = Request("alice", "10.20.0.1");
        SigningTerms unattended = Attended with { MayAsk = false };
        string hash = P256PublicKey.Of(_key).Hash.ToString();

        Assert.Contains("'kedge cert show'", SigningCase.Judge(request, _folder, unattended, Now).Refusal, StringComparison.Ordinal);
        SigningTerms expecting = unattended with { Expected = new Dictionary<string, string> { ["alice"] = hash } };
        Assert.Equal(KeyAssurance.Expected, SigningCase.Judge(request, _folder, expecting, Now).Assurance);
    }

    [Fact]
    public void A_master_that_is_not_valid_signs_nothing()
    {
        NodeRequest request = Request("alice", "10.20.0.1");

        Assert.Contains("was valid until 2046", SigningCase.Judge(request, _folder, Attended, Now.AddYears(21)).Refusal, StringComparison.Ordinal);
        Assert.Contains("is valid from 2026", SigningCase.Judge(request, _folder, Attended, Now.AddDays(-2)).Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void A_network_that_is_bound_to_no_prefixes_certifies_any_address_and_suggests_none()
    {
        AuthorityFolder open = Create("open");
        NodeRequest request = Make("alice", open.Master.NetworkId);

        Assert.Null(SigningCase.Judge(request with { Addresses = ["203.0.113.7"] }, open, Attended, Now).Refusal);
        Assert.EndsWith("--ip ADDRESS.", SigningCase.Judge(request, open, Attended, Now).Refusal, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("10.20.0.0/30", "", "10.20.0.1")]
    [InlineData("10.20.0.0/30", "10.20.0.1/32", "10.20.0.2")]
    [InlineData("10.20.0.0/30", "10.20.0.0/30", "none")]
    [InlineData("10.20.0.0/30", "10.20.0.2/32,10.20.0.1/32", "none")]
    [InlineData("10.20.0.0/30,fd00::/64", "10.20.0.0/31,10.20.0.2/32", "fd00::1")]
    [InlineData("10.20.0.4/32", "", "none")]
    [InlineData("fd00::/126", "fd00::/127", "fd00::2")]
    [InlineData("64.0.0.0/3", "64.0.0.0/4", "80.0.0.0")]
    [InlineData("0.0.0.0/1", "", "none")]
    [InlineData("8000::/2", "8000::/3", "a000::")]
    public void The_first_free_address_is_suggested(string network, string taken, string free)
    {
        IpPrefix[] certified = [.. taken.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(text => IpPrefix.Parse(text))];

        Assert.Equal(free, FreeAddress.Find(AddressBlocks.Of(network.Split(',').Select(text => IpPrefix.Parse(text))), certified).ToString());
    }

    [Fact]
    public void Two_cannot_sign_in_one_folder_at_the_same_time()
    {
        using (AuthorityFolder.Claim(_folder.Path))
            Assert.Contains("is signing or revoking", Assert.Throws<UserError>(() => AuthorityFolder.Claim(_folder.Path)).Message, StringComparison.Ordinal);
        AuthorityFolder.Claim(_folder.Path)!.Dispose();
        Assert.Null(AuthorityFolder.Claim(Path.Combine(_path, "nothing")));
    }

    [Fact]
    public void A_zones_identifier_follows_from_the_networks()
    {
        Guid zone = NetworkZone.IdOf(Sha256Digest.Of("harbour"u8));

        Assert.Equal(zone, NetworkZone.IdOf(Sha256Digest.Of("harbour"u8)));
        Assert.NotEqual(zone, NetworkZone.IdOf(Sha256Digest.Of("marina"u8)));
        Assert.Equal((8, 0x8), (zone.Version, zone.Variant & 0xC));
    }

    private static PublicKey NewKey() => PublicKey.FromBytes(RandomNumberGenerator.GetBytes(PublicKey.Size));

    private AuthorityFolder Create(string name, params string[] prefixes) => AuthorityFolder.Create(
        Path.Combine(_path, name), "Harbour", Now.AddDays(-1), prefixes.Length > 0 ? AddressBlocks.Of(prefixes.Select(text => IpPrefix.Parse(text))) : null);

    private NodeRequest Make(string name, Sha256Digest? network) => NodeRequest.Create(name, network, _key, NewKey(), Sha256Digest.Of("rosenpass"u8));

    private NodeRequest Request(string name, params string[] addresses) => Make(name, _folder.Master.NetworkId) with { Addresses = addresses };

    private SigningCase Judge(NodeRequest request, params string[] granted) => SigningCase.Judge(request, _folder, Attended, Now, granted);

    private NodeCertificate Sign(SigningCase judged)
    {
        Assert.Null(judged.Refusal);
        NodeCertificate certificate = _folder.Unlock(master => master.CertifyNode(judged.Subject!, AuthorityFolder.NewSerial(), Now, Now.AddYears(1)));
        _folder.Keep(certificate);
        return certificate;
    }
}
