using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Kedge.Demo;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Enrolment;

namespace Kedge.SystemTests.Certificates;

/// <summary><c>kedge ca</c> as a person runs it who holds a master key, and does not trust the controller.</summary>
public sealed class CaCommandTests : IClassFixture<CaCommandTests.NewMaster>, IDisposable
{
    private static readonly Guid Zone = Guid.NewGuid();

    private readonly Workshop _workshop = new();
    private readonly string _folder;
    private readonly Sha256Digest _network;

    public CaCommandTests(NewMaster made)
    {
        _folder = _workshop.PathOf("ca");
        made.CopyTo(_folder);
        Assert.True(AuthorityCertificate.TryParse(Der(MasterFile), out AuthorityCertificate? master, out _));
        _network = master.NetworkId;
    }

    private string MasterFile => Path.Combine(_folder, "master.pem");

    private string KeyFile => Path.Combine(_folder, "master.key");

    private string ListFile => Path.Combine(_folder, "revoked.pem");

    public void Dispose() => _workshop.Dispose();

    [Fact]
    public void A_new_master_is_its_owners_alone_and_openssl_knows_both_parts()
    {
        Assert.All(Directory.GetFiles(_folder), file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder));
        Workshop.OpenSsl("verify", "-x509_strict", "-CAfile", MasterFile, MasterFile);
        Assert.Equal(
            Workshop.OpenSsl("x509", "-noout", "-pubkey", "-in", MasterFile), Workshop.OpenSsl("pkey", "-pubout", "-in", KeyFile));
        Assert.Contains("CN = Harbour", Workshop.OpenSsl("x509", "-noout", "-subject", "-in", MasterFile), StringComparison.Ordinal);
    }

    [Fact]
    public void A_master_is_never_replaced()
    {
        byte[] key = File.ReadAllBytes(KeyFile);
        File.Delete(MasterFile);
        Fails("is there already", "ca", "init", _folder);
        Assert.Equal(key, File.ReadAllBytes(KeyFile));
        Assert.False(File.Exists(MasterFile));
    }

    [Fact]
    public void What_is_signed_is_what_was_asked_for()
    {
        SigningRequest request = Request("buoy-7", "10.200.0.7") with { ChildPrefixes = ["192.168.40.0/24"], Tags = ["pier"] };

        CommandResult result = Workshop.Kedge(["ca", "sign", "--ca", _folder, "--days", "30", .. Expecting(request)]);

        NodeCertificate certificate = Read(result.Output);
        Assert.Null(Trust().Verify(certificate, Zone, DateTimeOffset.UtcNow));
        Assert.Equal("buoy-7", certificate.Name);
        Assert.Equal(request.IdentityKey, certificate.IdentityKey!.ToString());
        Assert.Equal(request.WireGuardKey, certificate.WireGuardKey.ToString());
        Assert.Equal(["10.200.0.7/32", "192.168.40.0/24"], certificate.Prefixes.Select(prefix => prefix.ToString()));
        Assert.Equal(["pier"], certificate.Tags);
        Assert.InRange(certificate.NotAfter, DateTimeOffset.UtcNow.AddDays(29.9), DateTimeOffset.UtcNow.AddDays(30));
        Assert.InRange(certificate.NotBefore, DateTimeOffset.UtcNow.AddHours(-1.1), DateTimeOffset.UtcNow.AddMinutes(-59));
        Assert.Contains("signed by the identity key", result.Error, StringComparison.Ordinal);
        Assert.Contains(certificate.IdentityKey.Hash.ToString(), result.Error, StringComparison.Ordinal);
        string kept = Assert.Single(Directory.GetFiles(Path.Combine(_folder, "issued")));
        Assert.Equal(certificate.Der.ToArray(), Der(kept));
        Workshop.OpenSsl("verify", "-x509_strict", "-CAfile", MasterFile, kept);
    }

    [Fact]
    public void A_stock_peer_has_nobody_to_sign_for_it()
    {
        SigningRequest request = Request("stock", "10.200.0.9") with { IdentityKey = null, KeysSignature = null };
        CommandResult result = Workshop.Kedge(["ca", "sign", "--ca", _folder, .. Expecting(request)]);
        Assert.Null(Read(result.Output).IdentityKey);
        Assert.Contains("nobody has proved", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_controller_that_cheats_is_refused_and_why_is_said()
    {
        SigningRequest honest = Request("buoy-7", "10.200.0.7");
        (SigningRequest Request, string Reason)[] cases =
        [
            (honest with { WireGuardKey = NewKey() }, "has exchanged a key"),
            (honest with { RosenpassKeyHash = NewKey() }, "has exchanged a key"),
            (honest with { IdentityKey = Request("other", "10.200.0.8").IdentityKey }, "has exchanged a key"),
            (honest, "--expect buoy-7=HASH"),
            (honest with { InvitationProof = NewKey() }, "nobody was invited"),
            (honest with { KeysSignature = null }, "has not signed its other keys"),
            (honest with { KeysSignature = "AAAA" }, "has exchanged a key"),
            (honest with { NetworkId = Sha256Digest.Of("another"u8).ToString() }, "the network of this master"),
            (honest with { ChildPrefixes = ["0.0.0.0/0"] }, "no default route"),
            (honest with { ChildPrefixes = ["127.0.0.0/8"] }, "no default route"),
            (honest with { Addresses = ["224.0.0.1"] }, "an address that a node can have"),
            (honest with { Addresses = [] }, "has one address"),
            (honest with { Addresses = ["10.200.0.7", "10.200.0.8"] }, "has one address"),
            (honest with { Name = "buoy\u001b[2J" }, "not a name for a node"),
            (honest with { ZoneName = "default\u202e" }, "zone's name"),
            (honest with { Tags = ["a\nb"] }, "not a tag"),
            (honest with { IdentityKey = "AAAA" }, "must be an ECDSA P-256 key"),
            (honest with { WireGuardKey = "AAAA" }, "must be 32 bytes"),
            (honest with { Tags = [null!] }, "nothing in it"),
        ];
        CommandResult result = Workshop.TryKedge("ca", "sign", "--ca", _folder, "--yes", Save([.. cases.Select(one => one.Request)]));
        string[] refusals = [.. result.Error.Split('\n').Where(line => line.StartsWith("REFUSED", StringComparison.Ordinal))];
        Assert.Equal(1, result.ExitCode);
        Assert.Empty(result.Output);
        Assert.Equal(cases.Length, refusals.Length);
        Assert.All(cases.Zip(refusals), one => Assert.Contains(one.First.Reason, one.Second, StringComparison.Ordinal));
        Assert.DoesNotContain('\u001b', result.Error);
        Assert.DoesNotContain("defect", result.Error, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(Path.Combine(_folder, "issued")));
    }

    [Fact]
    public void One_that_is_refused_does_not_keep_the_others_waiting()
    {
        SigningRequest good = Request("buoy-7", "10.200.0.7"), bad = Request("buoy-8", "10.200.0.8") with { WireGuardKey = NewKey() };
        CommandResult result = Workshop.TryKedge(["ca", "sign", "--ca", _folder, .. Expecting(bad, good)]);
        Assert.Equal(1, result.ExitCode);
        Assert.Equal("buoy-7", Read(result.Output).Name);
        Assert.Contains("1 of 2 certified", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void No_address_is_certified_for_two_nodes_until_the_first_is_revoked()
    {
        SigningRequest first = Request("buoy-7", "10.200.0.7") with { ChildPrefixes = ["192.168.40.0/24"] };
        Sign(first);
        Workshop.Kedge("ca", "sign", "--ca", _folder, Save(first with { Renewal = true })); // the same node may have it again
        Sign(Request("buoy-7", "10.200.0.7") with { ZoneId = Guid.NewGuid() }); // zones may overlap
        string[] issued = Directory.GetFiles(Path.Combine(_folder, "issued"));
        SigningRequest second = Request("thief", "10.200.0.8") with { ChildPrefixes = ["192.168.40.128/25"] };
        CommandResult refused = Workshop.TryKedge(["ca", "sign", "--ca", _folder, .. Expecting(second)]);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("192.168.40.0/24 is certified for buoy-7", refused.Error, StringComparison.Ordinal);

        CommandResult both = Workshop.TryKedge(["ca", "sign", "--ca", _folder, .. Expecting(Request("a", "10.200.0.20"), Request("b", "10.200.0.20"))]);
        Assert.Contains("1 of 2 certified", both.Error, StringComparison.Ordinal);

        Workshop.Kedge(["ca", "revoke", "--ca", _folder, .. issued]);
        Sign(second);
    }

    [Fact]
    public void Revocation_lists_grow_and_their_numbers_with_them()
    {
        NodeCertificate[] nodes = [.. ((string[])["10.200.0.1", "10.200.0.2", "10.200.0.3"]).Select((address, i) =>
            Read(Sign(Request($"buoy-{i}", address)).Output))];
        string[] files = [.. nodes.Select((node, i) => _workshop.Write($"node-{i}.pem", node.Der))];

        Workshop.Kedge("ca", "revoke", "--ca", _folder, files[0]);
        Workshop.Kedge("ca", "revoke", "--ca", _folder, files[1], files[0]);

        RevocationList list = List();
        Assert.Equal(2, list.Number);
        Assert.Equal(nodes[..2].Select(node => node.Serial), list.Entries.Select(entry => entry.Serial));
        NetworkTrust trust = Trust(list);
        Assert.Equal(
            [CertificateRefusal.Revoked, CertificateRefusal.Revoked, null], nodes.Select(node => trust.Verify(node, Zone, DateTimeOffset.UtcNow)));
        string text = Workshop.OpenSsl("crl", "-noout", "-text", "-in", ListFile, "-CAfile", MasterFile);
        Assert.Contains(nodes[1].Serial.ToString().ToUpperInvariant(), text, StringComparison.Ordinal);

        // What is revoked already makes no new list.
        Assert.Contains("was revoked before", Workshop.Kedge("ca", "revoke", "--ca", _folder, files[1]).Error, StringComparison.Ordinal);
        Assert.Equal(2, List().Number);
    }

    [Fact]
    public void Only_what_the_master_signed_can_be_revoked()
    {
        string strange = _workshop.Write("strange.pem", _workshop.Certify(_workshop.Subject()).Der);
        Fails("is not one of this master", "ca", "revoke", "--ca", _folder, strange);
        Fails("is not one of this master", "ca", "revoke", "--ca", _folder, _workshop.PathOf("issuer.pem"));
        Fails("which nobody can revoke", "ca", "revoke", "--ca", _folder, MasterFile);
        Fails("only certificates can be revoked", "ca", "revoke", "--ca", _folder, KeyFile);
        Fails("There is no file", "ca", "revoke", "--ca", _folder, _workshop.PathOf("nothing.pem"));
        Assert.False(File.Exists(ListFile));
    }

    [Fact]
    public void A_key_that_others_can_read_or_that_is_another_one_is_not_used()
    {
        string requests = Save(Request("buoy-7", "10.200.0.7"));
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        Fails("chmod 600", "ca", "sign", "--ca", _folder, "--yes", requests);
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.WriteAllText(KeyFile, _workshop.MasterKey.ExportPkcs8PrivateKeyPem());
        Fails("is not the key of", "ca", "sign", "--ca", _folder, "--yes", requests);
        File.WriteAllText(KeyFile, "junk");
        Fails("has no ECDSA P-256 key", "ca", "sign", "--ca", _folder, "--yes", requests);
        File.Delete(KeyFile);
        Fails("There is no file", "ca", "sign", "--ca", _folder, "--yes", requests);
    }

    [Fact]
    public void Where_nobody_can_be_asked_nothing_is_signed()
    {
        CommandResult result = Workshop.TryKedge("ca", "sign", "--ca", _folder, "--yes", Save(Request("buoy-7", "10.200.0.7")));
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("add --expect buoy-7=HASH", result.Error, StringComparison.Ordinal);
        Assert.Empty(result.Output);
        Assert.Equal(2, Workshop.TryKedge("ca", "sign", "--ca", _folder, "--expect", "buoy-7", "x.json").ExitCode);
        Assert.Equal(2, Workshop.TryKedge("ca", "sign", "--ca", _folder, "--yes", "--days", "0", "x.json").ExitCode);
        Fails("has no requests", "ca", "sign", "--ca", _folder, "--yes", _workshop.WriteText("junk.json", "[null]"));
        Fails("is no request of a node", "ca", "sign", "--ca", _folder, "--yes", _workshop.WriteText("junk.json", "{\"a\":"));
        Fails("There is no file", "ca", "sign", "--ca", _folder, "--yes", _workshop.PathOf("nothing.json"));
        Fails("is not the folder of a master key", "ca", "sign", "--ca", _workshop.PathOf("nowhere"), "--yes", "x.json");
    }

    /// <summary>With a terminal (that of <c>script</c>) each one is asked for, and only yes is yes.</summary>
    [Fact]
    public void A_person_is_asked_for_each_one()
    {
        string requests = Save(Request("buoy-1", "10.200.0.1"), Request("buoy-2", "10.200.0.2"), Request("buoy-3", "10.200.0.3"));
        string output = _workshop.PathOf("signed.json");
        CommandResult result = Workshop.OnTerminal("\ny\nno\n", "ca", "sign", "--ca", _folder, "--out", output, requests);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("Certify buoy-3? [y/N]", result.Output, StringComparison.Ordinal);
        Assert.Contains("1 of 3 certified.", result.Output, StringComparison.Ordinal);
        Assert.Equal("buoy-2", Read(File.ReadAllText(output)).Name);
    }

    [Fact]
    public void A_folder_shows_what_was_signed_and_what_is_revoked()
    {
        string[] requests = Expecting(Request("buoy-7", "10.200.0.7"), Request("buoy-8", "10.200.0.8"));
        Workshop.Kedge(["ca", "sign", "--ca", _folder, "--out", _workshop.PathOf("signed.json"), .. requests]);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_workshop.PathOf("signed.json")));
        Workshop.Kedge("ca", "revoke", "--ca", _folder, Directory.GetFiles(Path.Combine(_folder, "issued"), "buoy-8-*").Single());

        using JsonDocument json = JsonDocument.Parse(Workshop.Kedge("ca", "show", _folder, "--json").Output);
        JsonElement[] all = [.. json.RootElement.EnumerateArray()];
        Assert.Equal(["master", "revocationList", "node", "node"], all.Select(one => one.GetProperty("kind").GetString()));
        Assert.Equal(_network.ToString(), all[0].GetProperty("networkId").GetString());
        Assert.Equal([false, true], all[2..].Select(node => node.GetProperty("revoked").GetBoolean()));
        Assert.Contains("buoy-8", Workshop.Kedge("ca", "show", _folder).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_servers_certificate_shows_its_pin()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        File.WriteAllText(_workshop.PathOf("server.key"), key.ExportPkcs8PrivateKeyPem());
        Workshop.OpenSsl("req", "-x509", "-new", "-key", _workshop.PathOf("server.key"), "-subj", "/CN=Server authority", "-out", _workshop.PathOf("server.pem"));
        string text = Workshop.Kedge("ca", "show", _workshop.PathOf("server.pem")).Output;
        Assert.Matches($"pin\\s+{P256PublicKey.Of(key).Hash}", text);
        Fails("nothing in PEM", "ca", "show", _workshop.WriteText("junk.pem", "junk"));
    }

    [Fact]
    public void No_command_prints_the_key()
    {
        string secret = File.ReadAllText(KeyFile).Split('\n')[1];
        Fails("can be shown", "ca", "show", KeyFile);
        CommandResult shown = Workshop.TryKedge("ca", "show", KeyFile);
        File.AppendAllText(KeyFile, "x");
        CommandResult signed = Workshop.TryKedge("ca", "sign", "--ca", _folder, "--yes", Save(Request("buoy-7", "10.200.0.7")));
        foreach (CommandResult result in (CommandResult[])[shown, signed])
            Assert.DoesNotContain(secret[..20], result.Output + result.Error, StringComparison.Ordinal);
    }

    private static void Fails(string reason, params string[] arguments)
    {
        CommandResult result = Workshop.TryKedge(arguments);
        Assert.Contains(reason, result.Error, StringComparison.Ordinal);
        Assert.StartsWith("kedge: ", result.Error, StringComparison.Ordinal);
        Assert.Equal(1, result.ExitCode);
        Assert.Empty(result.Output);
    }

    private static string NewKey() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    private static byte[] Der(string file)
    {
        string text = File.ReadAllText(file);
        return Convert.FromBase64String(text[PemEncoding.Find(text).Base64Data]);
    }

    private static NodeCertificate Read(string json)
    {
        CertificateImport import = JsonSerializer.Deserialize(json, ApiJson.Default.CertificateImport)!;
        byte[] der = Convert.FromBase64String(Assert.Single(import.Certificates));
        Assert.True(NodeCertificate.TryParse(der, out NodeCertificate? certificate, out CertificateRefusal refusal), refusal.Sentence());
        return certificate;
    }

    private RevocationList List()
    {
        Assert.True(RevocationList.TryParse(Der(ListFile), out RevocationList? list, out _));
        return list;
    }

    private NetworkTrust Trust(params RevocationList[] lists) =>
        NetworkTrust.Create(_network, [Der(MasterFile)], lists.Select(list => list.Der.ToArray()));

    private CommandResult Sign(SigningRequest request) => Workshop.Kedge(["ca", "sign", "--ca", _folder, .. Expecting(request)]);

    /// <summary>Arguments by which requests are signed unasked, as after a look at what the nodes show.</summary>
    private string[] Expecting(params SigningRequest[] requests) =>
    [
        .. requests.SelectMany(request => new[]
        {
            "--expect",
            $"{request.Name}={(request.IdentityKey is { } key ? Sha256Digest.Of(Convert.FromBase64String(key)).ToString() : request.WireGuardKey)}",
        }),
        Save(requests),
    ];

    private string Save(params SigningRequest[] requests) => _workshop.WriteText(
        string.Create(CultureInfo.InvariantCulture, $"requests-{Guid.NewGuid()}.json"),
        JsonSerializer.Serialize(requests, ApiJson.Default.IReadOnlyListSigningRequest));

    /// <summary>What an honest controller asks for, for a node with keys of its own.</summary>
    private SigningRequest Request(string name, string address)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        string identityKey = Convert.ToBase64String(key.ExportSubjectPublicKeyInfo()), wireGuardKey = NewKey();
        return new SigningRequest
        {
            NetworkId = _network.ToString(),
            ZoneId = Zone,
            ZoneName = "default",
            NodeId = Guid.NewGuid(),
            Name = name,
            IdentityKey = identityKey,
            WireGuardKey = wireGuardKey,
            KeysSignature = EnrolmentTranscript.OfKeys(_network.ToArray(), identityKey, wireGuardKey, null).Sign(key),
            Tags = [],
            Addresses = [address],
            ChildPrefixes = [],
            Proven = true,
            Renewal = false,
        };
    }

    /// <summary>What <c>kedge ca init</c> makes, of which each test has a copy.</summary>
    public sealed class NewMaster : IDisposable
    {
        private readonly Workshop _workshop = new();

        public NewMaster() => Workshop.Kedge("ca", "init", _workshop.PathOf("ca"), "--name", "Harbour");

        public void Dispose() => _workshop.Dispose();

        internal void CopyTo(string folder) =>
            Assert.True(RunningProcess.Run(new Command("cp", "--archive", _workshop.PathOf("ca"), folder)).Succeeded);
    }
}
