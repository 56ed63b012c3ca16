using System.Security.Cryptography;
using Kedge.Control;
using Kedge.Control.Identity;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Microsoft.Extensions.Logging.Abstractions;
using static Kedge.Tests.Control.EnrolmentTests;

namespace Kedge.Tests.Control;

/// <summary>A network whose master key is not on the controller.</summary>
public class LockedNetworkTests
{
    [Fact]
    public async Task A_node_waits_until_the_master_has_signed_what_it_asked_for()
    {
        await using Network network = await Network.CreateLockedAsync();
        var node = new Applicant("one");
        EnrolmentResult pending = await node.EnrolAsync(network, await network.CreateTokenAsync(), request => request with { ChildPrefixes = ["10.5.0.0/16"] });
        Assert.Equal("pending", pending.Status);
        Assert.Contains("kedge ca sign", pending.Reason, StringComparison.Ordinal);
        SigningRequest request = Assert.Single(network.Registry.SigningRequests());
        Assert.True(request.Proven);
        Assert.Equal(["10.5.0.0/16"], request.ChildPrefixes);
        Assert.Empty(await network.ReadMapAsync(pending.ZoneId));

        await ImportAsync(network, Sign(network, request));

        EnrolmentResult active = node.Inquire(network);
        Assert.Equal(("active", (string?)null), (active.Status, active.Reason));
        Assert.Equal(pending.Addresses, active.Addresses);
        Assert.Equal(active.NodeId, Assert.Single(await network.ReadMapAsync(active.ZoneId)).Id);
        Assert.Empty(network.Registry.SigningRequests());
    }

    [Fact]
    public async Task A_certificate_is_refused_that_differs_from_the_request_in_anything()
    {
        await using Network network = await Network.CreateLockedAsync();
        var node = new Applicant("one");
        await node.EnrolAsync(network, await network.CreateTokenAsync());
        SigningRequest request = Assert.Single(network.Registry.SigningRequests());

        await RefusedAsync(409, "name", () => ImportAsync(network, Sign(network, request, subject => subject with { Name = "two" })));
        await RefusedAsync(409, "addresses", () => ImportAsync(network, Sign(network, request, subject => subject with { Addresses = [IpAddress.Parse("10.200.0.9")] })));
        await RefusedAsync(409, "prefixes", () => ImportAsync(network, Sign(network, request, subject => subject with { ChildPrefixes = [IpPrefix.Parse("10.5.0.0/16")] })));
        await RefusedAsync(409, "tags", () => ImportAsync(network, Sign(network, request, subject => subject with { Tags = ["boss"] })));
        await RefusedAsync(409, "zone", () => ImportAsync(network, Sign(network, request, subject => subject with { ZoneId = Guid.NewGuid() })));
        await RefusedAsync(409, "key", () => ImportAsync(network, Sign(network, request, subject => subject with { IdentityKey = P256PublicKey.Of(new Applicant("x").IdentityKey) })));
        await RefusedAsync(409, "no node", () => ImportAsync(network, Sign(network, request, subject => subject with { WireGuardKey = new Applicant("x").WireGuardKey })));
        Assert.Equal("pending", node.Inquire(network).Status);
    }

    [Fact]
    public async Task A_certificate_of_another_master_is_refused()
    {
        await using Network network = await Network.CreateLockedAsync();
        await using Network other = await Network.CreateLockedAsync();
        await new Applicant("one").EnrolAsync(network, await network.CreateTokenAsync());

        await RefusedAsync(409, "another network", () => ImportAsync(network, Sign(other, Assert.Single(network.Registry.SigningRequests()))));
    }

    [Fact]
    public async Task An_active_node_that_changes_keeps_its_certificate_and_its_address_until_another_is_signed()
    {
        await using Network network = await Network.CreateLockedAsync();
        var node = new Applicant("one");
        EnrolmentResult first = await JoinAsync(network, node);

        EnrolmentResult changed = await node.EnrolAsync(network, null, request => request with { RequestedAddresses = ["10.200.9.9"] });

        Assert.Equal("active", changed.Status);
        Assert.Equal(first.Certificate, changed.Certificate);
        Assert.Contains("kedge ca sign", changed.Reason, StringComparison.Ordinal);
        SigningRequest request = Assert.Single(network.Registry.SigningRequests());
        Assert.Equal(["10.200.9.9", first.Addresses[1]], request.Addresses);
        Assert.Equal("retiring", StatusOf(network, first.Addresses[0]));
        await ImportAsync(network, Sign(network, request));
        Assert.Equal("quarantined", StatusOf(network, first.Addresses[0]));
        Assert.Equal(["10.200.9.9", first.Addresses[1]], Applicant.Read(node.Inquire(network)).Addresses.Select(address => address.ToString()));
    }

    [Fact]
    public async Task A_stock_peer_waits_for_the_master_too()
    {
        await using Network network = await Network.CreateLockedAsync();
        PublicKey key = new Applicant("x").WireGuardKey;

        RegisteredNode node = await network.Registry.CreateAsync(new NodeCreation { Name = "phone", WireGuardKey = key.ToString() }, Network.Administrator);

        Assert.Equal("pending", node.Status);
        SigningRequest request = Assert.Single(network.Registry.SigningRequests());
        Assert.False(request.Proven);
        Assert.Null(request.IdentityKey);
        await ImportAsync(network, Sign(network, request));
        MapNode seen = Assert.Single(await network.ReadMapAsync(node.ZoneId));
        Assert.Empty(seen.IdentityKeyHash);
        Assert.Contains(network.ReadAudit(), entry => entry.Contains("without proof of possession", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_certificate_past_half_of_its_life_is_asked_for_anew_and_the_node_stays()
    {
        await using Network network = await Network.CreateLockedAsync();
        var node = new Applicant("one");
        EnrolmentResult first = await JoinAsync(network, node);
        Assert.Empty(network.Registry.SigningRequests());
        network.Clock.Advance(TimeSpan.FromDays(200));

        EnrolmentResult asked = await network.Enrolments.RenewAsync(first.NodeId);

        Assert.Equal(("active", first.Certificate), (asked.Status, asked.Certificate));
        Assert.True(Assert.Single(network.Registry.SigningRequests()).Renewal);
        await ImportAsync(network, Sign(network, network.Registry.SigningRequests()[0]));
        Assert.NotEqual(first.Certificate, node.Inquire(network).Certificate);
        Assert.Empty(network.Registry.SigningRequests());
    }

    [Fact]
    public async Task A_revocation_list_removes_the_nodes_that_it_names_and_an_older_one_is_refused()
    {
        await using Network network = await Network.CreateLockedAsync();
        EnrolmentResult gone = await JoinAsync(network, new Applicant("gone"));
        EnrolmentResult stays = await JoinAsync(network, new Applicant("stays"));
        DateTimeOffset now = network.Clock.GetUtcNow();
        RevocationList list = network.Master!.SignRevocationList(2, now, [new RevokedCertificate(Applicant.Read(gone).Serial, now)]);
        long revision = network.Store.Revision;

        RevocationListImportResult result = await network.Registry.ImportRevocationListAsync(new(Convert.ToBase64String(list.Der.Span)), Network.Administrator);

        Assert.Equal([gone.NodeId], result.Removed);
        Assert.Equal(stays.NodeId, Assert.Single(await network.ReadMapAsync(stays.ZoneId)).Id);
        Assert.Equal(
            [(MapSubject.Trust, false), (MapSubject.Node, true)],
            (await network.Store.ReadChangesAsync(revision, TestContext.Current.CancellationToken))!.Select(change => (change.Subject, change.Removed)));
        RevocationList older = network.Master.SignRevocationList(1, now, []);
        await RefusedAsync(409, "count upwards", () => network.Registry.ImportRevocationListAsync(new(Convert.ToBase64String(older.Der.Span)), Network.Administrator));
    }

    /// <summary>The new certificate and the list that revokes the former one come together, and in this order to the nodes.</summary>
    [Fact]
    public async Task A_list_that_comes_with_the_certificates_removes_nobody_who_has_a_new_one()
    {
        await using Network network = await Network.CreateLockedAsync();
        var node = new Applicant("one");
        EnrolmentResult first = await JoinAsync(network, node);
        await node.EnrolAsync(network, null, request => request with { RequestedAddresses = ["10.200.9.9"] });
        string certificate = Sign(network, Assert.Single(network.Registry.SigningRequests()));
        string list = List(network, 1, Applicant.Read(first).Serial);
        long revision = network.Store.Revision;

        CertificateImportResult result = await network.Registry.ImportCertificatesAsync(new CertificateImport([certificate], list), Network.Administrator);

        Assert.Equal([first.NodeId], result.Accepted);
        Assert.Empty(result.Removed);
        Assert.Equal("active", node.Inquire(network).Status);
        Assert.Equal(
            [(MapSubject.Node, false), (MapSubject.Trust, false)],
            (await network.Store.ReadChangesAsync(revision, TestContext.Current.CancellationToken))!.Select(change => (change.Subject, change.Removed)));
        // Files of several signings may come in any order.
        await network.Registry.ImportRevocationListAsync(new(List(network, 2, Applicant.Read(first).Serial)), Network.Administrator);
        Assert.Empty((await network.Registry.ImportCertificatesAsync(new CertificateImport([certificate], list), Network.Administrator)).Removed);
    }

    [Fact]
    public async Task A_list_that_names_less_than_the_present_one_is_refused()
    {
        await using Network network = await Network.CreateLockedAsync();
        SerialNumber[] serials = [.. Enumerable.Range(0, 2).Select(_ => SerialNumber.Create(RandomNumberGenerator.Fill))];
        await network.Registry.ImportRevocationListAsync(new(List(network, 1, serials[0])), Network.Administrator);

        await RefusedAsync(409, "stays revoked", () => network.Registry.ImportRevocationListAsync(new(List(network, 2, serials[1])), Network.Administrator));

        await network.Registry.ImportRevocationListAsync(new(List(network, 2, serials)), Network.Administrator);
    }

    [Fact]
    public async Task What_was_revoked_since_a_backup_stays_revoked_when_that_is_restored()
    {
        string folder = Directory.CreateTempSubdirectory("kedge-test-").FullName;
        try
        {
            await using Network network = await Network.CreateLockedAsync();
            SerialNumber[] serials = [.. Enumerable.Range(0, 2).Select(_ => SerialNumber.Create(RandomNumberGenerator.Fill))];
            string data = Path.Combine(folder, "data"), backup = Path.Combine(folder, "backup.tar");
            Directory.CreateDirectory(Path.Combine(data, "keys"));
            foreach (string name in (string[])["master.pem", "server-ca.pem", "server-ca.key"])
                File.WriteAllText(Path.Combine(data, "keys", name), "");
            await PutAsync(network, data, List(network, 1, serials[0]));
            StoreFiles.Backup(data, backup);
            await PutAsync(network, data, List(network, 2, serials));

            StoreFiles.Restore(data, backup, network.Clock);

            byte[] kept = Assert.Single(SqliteStore.Inspect(Path.Combine(data, "store.db"), RevocationLists.All));
            Assert.True(RevocationList.TryParse(kept, out RevocationList? list, out _));
            Assert.Equal(2, list.Number);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static async Task PutAsync(Network network, string data, string list)
        {
            Assert.True(RevocationList.TryParse(Convert.FromBase64String(list), out RevocationList? read, out _));
            await using SqliteStore store = SqliteStore.Open(Path.Combine(data, "store.db"), network.Clock, NullLogger.Instance);
            Assert.Null(await store.WriteAsync(change => RevocationLists.TryReplace(change, read)));
        }
    }

    /// <summary>A stolen issuer: the nodes get certificates of the new one, and none is removed.</summary>
    [Fact]
    public async Task A_revoked_issuer_takes_no_node_with_it_but_the_present_one_cannot_be_revoked()
    {
        await using Network network = await Network.CreateAsync();
        EnrolmentResult joined = await new Applicant("one").EnrolAsync(network, await network.CreateTokenAsync());
        SerialNumber former = network.Authority.Certificates[1].Serial;
        await RefusedAsync(409, "kedge controller rotate issuer", () => network.Registry.ImportRevocationListAsync(new(network.MasterList(1, former)), Network.Administrator));

        network.RotateIssuer();
        RevocationListImportResult result = await network.Registry.ImportRevocationListAsync(new(network.MasterList(1, former)), Network.Administrator);

        Assert.Empty(result.Removed);
        MapNode seen = Assert.Single(await network.ReadMapAsync(joined.ZoneId));
        Assert.True(NodeCertificate.TryParse(seen.Certificate, out NodeCertificate? certificate, out _));
        NetworkTrust trust = network.Authority.Trust(network.Store.Read(RevocationLists.All));
        Assert.Null(trust.Verify(certificate, joined.ZoneId, network.Clock.GetUtcNow()));
        Assert.Equal(CertificateRefusal.Revoked, trust.Verify(Applicant.Read(joined), joined.ZoneId, network.Clock.GetUtcNow()));
    }

    [Fact]
    public async Task The_proof_of_an_invited_node_goes_to_the_master_with_its_request()
    {
        await using Network network = await Network.CreateLockedAsync();
        var node = new Applicant("one");
        string proof = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
        await node.EnrolAsync(network, await network.CreateTokenAsync(), request => request with { InvitationProof = proof });
        await node.EnrolAsync(network, null); // again, as after a restart of the node, which has forgotten the invitation

        Assert.Equal(proof, Assert.Single(network.Registry.SigningRequests()).InvitationProof);
    }

    private static string List(Network network, int number, params SerialNumber[] serials)
    {
        DateTimeOffset now = network.Clock.GetUtcNow();
        return Convert.ToBase64String(network.Master!.SignRevocationList(number, now, [.. serials.Select(serial => new RevokedCertificate(serial, now))]).Der.Span);
    }

    internal static string Sign(Network network, SigningRequest request, Func<NodeSubject, NodeSubject>? with = null)
    {
        var subject = new NodeSubject
        {
            Name = request.Name,
            ZoneId = request.ZoneId,
            IdentityKey = request.IdentityKey is null ? null : P256PublicKey.TryParse(Convert.FromBase64String(request.IdentityKey), out P256PublicKey? key) ? key : null,
            WireGuardKey = PublicKey.Parse(request.WireGuardKey),
            Tags = request.Tags,
            Addresses = [.. request.Addresses.Select(address => IpAddress.Parse(address))],
            ChildPrefixes = [.. request.ChildPrefixes.Select(prefix => IpPrefix.Parse(prefix))],
        };
        DateTimeOffset now = network.Clock.GetUtcNow();
        NodeCertificate certificate = network.Master!.CertifyNode(
            with is null ? subject : with(subject), SerialNumber.Create(RandomNumberGenerator.Fill), now.AddHours(-1), now.AddDays(365));
        return Convert.ToBase64String(certificate.Der.Span);
    }

    private static Task<CertificateImportResult> ImportAsync(Network network, params string[] certificates) =>
        network.Registry.ImportCertificatesAsync(new CertificateImport(certificates), Network.Administrator);

    private static async Task<EnrolmentResult> JoinAsync(Network network, Applicant node)
    {
        await node.EnrolAsync(network, await network.CreateTokenAsync());
        await ImportAsync(network, Sign(network, network.Registry.SigningRequests().Single(request => request.Name == node.Name)));
        return node.Inquire(network);
    }

    private static string StatusOf(Network network, string value) =>
        network.Store.Read(reader => Leases.List(reader, null)).Single(lease => lease.Value == value).Status;
}
