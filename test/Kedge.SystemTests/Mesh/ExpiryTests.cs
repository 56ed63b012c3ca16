using System.Security.Cryptography;
using System.Text.Json;
using Kedge.Demo;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.SystemTests.Mesh;

/// <summary>A locked network, whose master this test is: so it can certify for seconds.</summary>
public sealed class ExpiryTests : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly string _file = Path.GetTempFileName();
    private readonly CertificateAuthority _master;
    private readonly MeshNetwork _mesh;

    public ExpiryTests()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        _master = CertificateAuthority.CreateMaster("Harbour master", _key, NewSerial(), now.AddHours(-1), now.AddYears(20));
        File.WriteAllText(_file, PemEncoding.WriteString("CERTIFICATE", _master.Certificate.Der.Span));
        _mesh = new MeshNetwork("--locked", _file);
    }

    public void Dispose()
    {
        _mesh.Dispose();
        _key.Dispose();
        File.Delete(_file);
    }

    [Fact]
    public void Tunnels_outlive_certificates_while_the_controller_is_away_and_renewal_works_when_it_is_back()
    {
        MeshNode a = _mesh.AddNode("alpha"), b = _mesh.AddNode("beta");
        foreach (MeshNode node in (MeshNode[])[a, b])
            node.Start("--join-file", _mesh.JoinFile).WaitForLine("is registered and waits", MeshNetwork.Patience);
        DateTimeOffset end = DateTimeOffset.UtcNow + TimeSpan.FromSeconds(40);
        Certify(end);
        foreach (MeshNode node in (MeshNode[])[a, b])
            node.Supervisor!.WaitForLine("is up: node", MeshNetwork.Patience);
        a.AwaitReach(b);
        Wait.Until(() => File.Exists(a.Folder.Map) && File.ReadAllText(a.Folder.Admitted).Length > 10, MeshNetwork.Patience, "the map on disk");
        _mesh.KillController();

        Wait.Until(() => DateTimeOffset.UtcNow > end.AddSeconds(1), MeshNetwork.Patience * 2, "the certificates' end");
        Assert.True(Ping.Run(a.Host, b.Address).AllReceived);
        MeshNode.Kill(a.ControlLink);
        MeshNode.Kill(a.NodeProcess);
        a.AwaitReach(b);
        Wait.Until(() => a.LinkStatus()?.Peers.Count == 1, MeshNetwork.Patience, "the peer, known from before");

        _mesh.RestartController();
        Wait.Until(() => a.LinkStatus()?.Controller.Connected == true, MeshNetwork.Patience, "the connection, with an expired certificate");
        Wait.Until(() => Requests().Count == 2, MeshNetwork.Patience * 2, "both nodes to ask for new certificates");
        Certify(DateTimeOffset.UtcNow.AddDays(1));
        Wait.Until(() => a.LinkStatus()?.CertificateExpiresAt > DateTimeOffset.UtcNow, MeshNetwork.Patience, "the new certificate");
        a.AwaitReach(b);
    }

    private static SerialNumber NewSerial() => SerialNumber.Create(RandomNumberGenerator.Fill);

    private List<SigningRequest> Requests() =>
        JsonSerializer.Deserialize(_mesh.Administer("node", "requests", "--json").Output, ApiJson.Default.IReadOnlyListSigningRequest)!.ToList();

    private void Certify(DateTimeOffset end)
    {
        string[] certificates =
        [
            .. from request in Requests()
               let subject = new NodeSubject
               {
                   Name = request.Name,
                   ZoneId = request.ZoneId,
                   IdentityKey = P256PublicKey.TryParse(Convert.FromBase64String(request.IdentityKey!), out P256PublicKey? key) ? key : null,
                   WireGuardKey = PublicKey.Parse(request.WireGuardKey),
                   RosenpassKeyHash = request.RosenpassKeyHash is { } hash ? Sha256Digest.FromBytes(Convert.FromBase64String(hash)) : null,
                   Addresses = [.. request.Addresses.Select(address => IpAddress.Parse(address))],
               }
               select Convert.ToBase64String(_master.CertifyNode(subject, NewSerial(), DateTimeOffset.UtcNow.AddHours(-1), end).Der.Span),
        ];
        string file = Path.Combine(_mesh.Net.TempFolder, "certificates.json");
        File.WriteAllText(file, JsonSerializer.Serialize(new CertificateImport(certificates), ApiJson.Default.CertificateImport));
        _mesh.Administer("node", "certify", file);
    }
}
