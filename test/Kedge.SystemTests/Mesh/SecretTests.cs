using System.Text;
using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>Where a node's secrets are not.</summary>
public sealed class SecretTests(SharedMesh shared) : IClassFixture<SharedMesh>
{
    private readonly MeshNetwork _mesh = shared.Network;

    [Fact]
    public void No_secret_is_in_a_bug_report_a_status_a_log_an_argument_or_the_environment()
    {
        string joinFile = _mesh.JoinFile;
        string token = File.ReadAllText(joinFile).Split("token=")[1].Trim();
        MeshNode node = _mesh.AddNode("alpha");
        Command up = node.Call("up", "--name", "alpha", "--interface", MeshNode.Interface);
        node.Host.Start(up with { Environment = new Dictionary<string, string>(up.Environment) { ["KEDGE_JOIN"] = File.ReadAllText(joinFile) } })
            .WaitForLine("is up: node", MeshNetwork.Patience);
        MeshNode other = _mesh.Join("beta");
        node.AwaitReach(other);

        string wireGuardKey = File.ReadAllText(node.Folder.Keys.WireGuardKey).Trim();
        string identity = string.Concat(File.ReadAllLines(node.Folder.Keys.IdentityKey).Where(line => !line.StartsWith('-')));
        string[] secrets =
        [
            token, token.Split('.')[1], wireGuardKey, Convert.ToHexStringLower(Convert.FromBase64String(wireGuardKey)),
            identity[20..52], File.ReadAllLines(node.Folder.Keys.IdentityKey)[1],
        ];
        Wait.Until(() => File.Exists(node.Folder.Map), MeshNetwork.Patience, "the map on the disk");
        string report = Path.Combine(_mesh.Net.TempFolder, "report");
        Assert.True(node.Try("bugreport", "--out", report).Succeeded);
        Dictionary<string, string> places = new()
        {
            ["bug report"] = File.ReadAllText(report),
            ["status"] = node.Try("status", MeshNode.Interface).Output + node.Try("status", MeshNode.Interface, "--json").Output,
            ["netcheck"] = node.Try("netcheck").Output,
            ["node log"] = File.ReadAllText(node.Run.NodeLog),
            ["link log"] = File.ReadAllText(node.Run.LinkLog),
            ["link.json"] = File.ReadAllText(node.Folder.Membership),
            ["map"] = File.ReadAllText(node.Folder.Map),
            ["node.json"] = File.ReadAllText(node.Folder.Node),
        };
        foreach (int process in (int[])[node.NodeProcess!.Value.Id, node.ControlLink!.Value.Id])
        {
            places[$"arguments of {process}"] = File.ReadAllText($"/proc/{process}/cmdline");
            places[$"environment of {process}"] = File.ReadAllText($"/proc/{process}/environ");
        }

        Assert.Contains("beta", places["bug report"], StringComparison.Ordinal); // there is something in it
        foreach ((string place, string text) in places)
            foreach (string secret in secrets)
                Assert.False(text.Contains(secret, StringComparison.Ordinal), $"a secret is in the {place}");
    }

    [Fact]
    public void A_nodes_files_are_its_owners_alone()
    {
        MeshNode node = _mesh.Join("gamma");
        Wait.Until(() => File.Exists(node.Folder.Map), MeshNetwork.Patience, "the map on disk");

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(node.Folder.Path));
        Assert.All(
            Directory.GetFiles(node.Folder.Path),
            path => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path)));
        Assert.NotEmpty(Encoding.UTF8.GetString(File.ReadAllBytes(node.Folder.Certificate)));
    }
}
