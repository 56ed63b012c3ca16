using System.Security.Cryptography;
using Kedge.Control.Store;
using Kedge.Demo;
using Kedge.Node.ControlLink;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.SystemTests.Certificates;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kedge.SystemTests.Mesh;

/// <summary>
/// A controller that has been taken over: somebody writes members into its database by hand. In a locked network they reach the nodes, and
/// no node installs them.
/// </summary>
public sealed class ForgedRowTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kedge-ca-").FullName;
    private readonly MeshNetwork _mesh;

    public ForgedRowTests()
    {
        Workshop.Kedge("ca", "init", Authority);
        _mesh = new MeshNetwork("--locked", Path.Combine(Authority, "master.pem"));
    }

    private string Authority => Path.Combine(_folder, "ca");

    public void Dispose()
    {
        _mesh.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Rows_added_by_hand_reach_the_nodes_and_are_installed_by_none()
    {
        MeshNode alpha = _mesh.AddNode("alpha"), beta = _mesh.AddNode("beta");
        foreach (MeshNode node in (MeshNode[])[alpha, beta])
            node.Start("--join-file", _mesh.JoinFile).WaitForLine("is registered and waits", MeshNetwork.Patience);
        Certify(alpha, beta);
        foreach (MeshNode node in (MeshNode[])[alpha, beta])
            node.Supervisor!.WaitForLine("is up: node", MeshNetwork.Patience);
        alpha.AwaitReach(beta);

        _mesh.KillController();
        (Guid foreign, Guid altered) = await AddRowsAsync();
        _mesh.RestartController();

        foreach (MeshNode node in (MeshNode[])[alpha, beta])
        {
            Wait.Until(() => Refused(node, foreign) && Refused(node, altered), MeshNetwork.Patience, "both rows, refused");
            Assert.Single(node.LinkStatus()!.Peers);
            Assert.Single(node.DeviceStatus().Peers);
        }
        alpha.AwaitReach(beta);
    }

    private static bool Refused(MeshNode node, Guid id) =>
        node.LinkStatus() is { } status && status.Refused.Any(refusal => refusal.Resource == $"peer/{id}" && refusal.Reason.Length > 0);

    private void Certify(params MeshNode[] nodes)
    {
        string requests = Path.Combine(_folder, "requests.json"), signed = Path.Combine(_folder, "signed.json");
        _mesh.Administer("node", "requests", "--out", requests);
        string[] expected = [.. nodes.SelectMany(node => new[] { "--expect", $"{node.Label}={Membership.Read(node.Folder)!.IdentityKeyHash}" })];
        Workshop.Kedge(["ca", "sign", "--ca", Authority, .. expected, "--out", signed, requests]);
        _mesh.Administer("node", "certify", signed);
    }

    /// <summary>Adds a node that another master has certified, and one with a certificate that was good before it was changed.</summary>
    private async Task<(Guid Foreign, Guid Altered)> AddRowsAsync()
    {
        await using SqliteStore store = SqliteStore.Open(_mesh.StoreFile, TimeProvider.System, NullLogger.Instance);
        (Guid zone, byte[] genuine) = store.Read(reader => reader.First(
            $"SELECT zone, certificate FROM node WHERE status = 'active' LIMIT 1", row => (row.Guid(0), row.Bytes(1)).ToTuple()))!;
        byte[] changed = [.. genuine];
        changed[^1] ^= 1; // the last byte of the signature
        (Guid foreign, Guid altered) = (Guid.NewGuid(), Guid.NewGuid());
        await store.WriteAsync(change =>
        {
            Add(change, foreign, zone, "foreign", CertifyElsewhere(zone));
            Add(change, altered, zone, "altered", changed);
        });
        return (foreign, altered);
    }

    private static void Add(StoreTransaction change, Guid id, Guid zone, string name, byte[] certificate)
    {
        change.Change(zone, MapSubject.Node, id);
        change.Execute(
            $"""
            INSERT INTO node (id, zone, name, kind, status, identity_key, identity_hash, wireguard_key, tags, allowed_prefixes, ephemeral,
                certificate, certificate_from, certificate_to, renewal_wanted, created_at, revision)
            VALUES ({id}, {zone}, {name}, 'kedge', 'active', {id.ToByteArray()}, {SHA256.HashData(id.ToByteArray())},
                {SHA256.HashData(certificate)}, '[]', '[]', 0, {certificate}, 0, {DateTimeOffset.UtcNow.AddDays(1)}, 0, 0, {change.Revision})
            """);
    }

    private static byte[] CertifyElsewhere(Guid zone)
    {
        using ECDsa masterKey = ECDsa.Create(ECCurve.NamedCurves.nistP256), nodeKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        CertificateAuthority master = CertificateAuthority.CreateMaster("Another", masterKey, NewSerial(), now.AddHours(-1), now.AddYears(1));
        var subject = new NodeSubject
        {
            Name = "foreign",
            ZoneId = zone,
            IdentityKey = P256PublicKey.Of(nodeKey),
            WireGuardKey = PublicKey.Parse(WireGuardKeys.Generate().PublicKey),
            Addresses = [IpAddress.Parse("10.200.0.99")],
        };
        return master.CertifyNode(subject, NewSerial(), now.AddHours(-1), now.AddDays(1)).Der.ToArray();
    }

    private static SerialNumber NewSerial() => SerialNumber.Create(RandomNumberGenerator.Fill);
}
