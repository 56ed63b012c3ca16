using Kedge.Demo;
using Kedge.Node.ControlLink;

namespace Kedge.SystemTests.Mesh;

/// <summary>New keys for a controller's authorities, while one node is up and another one is away.</summary>
public sealed class RotationTests : IDisposable
{
    private readonly MeshNetwork _mesh = new();

    public void Dispose() => _mesh.Dispose();

    [Fact]
    public void Nodes_and_logins_follow_new_keys_of_both_authorities_although_they_were_away()
    {
        MeshNode alpha = _mesh.Join("alpha"), beta = _mesh.Join("beta");
        Assert.True(beta.Try("down", "--interface", MeshNode.Interface).Succeeded);
        string offline = Path.Combine(_mesh.Net.TempFolder, "master.key");
        File.Move(Path.Combine(_mesh.DataDirectory, "keys", "master.key"), offline);

        _mesh.KillController();
        _mesh.Control("rotate", "issuer", "--master-key", offline);
        _mesh.Control("rotate", "server-authority");
        _mesh.RestartController();

        AwaitConnection(alpha);
        beta.Up(); // with what it had
        AwaitConnection(beta);
        alpha.AwaitReach(beta);
        MeshNode gamma = _mesh.Join("gamma"); // its join line is made by a login that knows the former key
        gamma.AwaitReach(alpha);
        Assert.NotEqual(IssuerOf(alpha), IssuerOf(gamma));
        Assert.False(File.Exists(Path.Combine(_mesh.DataDirectory, "keys", "master.key")));

        _mesh.KillController();
        _mesh.Control("rotate", "server-authority", "--forget-former");
        _mesh.RestartController();

        foreach (MeshNode node in (MeshNode[])[alpha, beta, gamma])
            AwaitConnection(node);
        Assert.False(_mesh.TryAdminister("node", "list").Succeeded); // the login knows the former key alone
    }

    private static string IssuerOf(MeshNode node) => CertificateFile.Read(node.Folder.Certificate)!.Node.AuthorityKeyIdentifier;

    private static void AwaitConnection(MeshNode node) => Wait.Until(
        () => node.LinkStatus()?.Controller.Connected == true, MeshNetwork.Patience, $"{node.Label}'s connection");
}
