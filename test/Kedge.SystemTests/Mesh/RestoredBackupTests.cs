using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>A controller that is restored from a backup which is older than some of its nodes.</summary>
public sealed class RestoredBackupTests : IDisposable
{
    private readonly MeshNetwork _mesh = new();

    public void Dispose() => _mesh.Dispose();

    [Fact]
    public void It_says_what_it_brought_back_and_the_ephemeral_node_that_it_does_not_know_joins_again_by_itself()
    {
        MeshNode stays = _mesh.Join("stays");
        MeshNode removed = _mesh.Join("removed");
        string line = _mesh.WriteToken("--reusable", "--ephemeral");
        string backup = Path.Combine(_mesh.Net.TempFolder, "backup");
        _mesh.ControllerHost.Run(Repository.Program, "controller", "backup", backup, "--data-dir", _mesh.DataDirectory);
        _mesh.Administer("node", "remove", "removed", "--yes");
        Wait.Until(() => Status(removed) == "removed", MeshNetwork.Patience, "the removal");
        MeshNode passing = _mesh.AddNode("passing"), lasting = _mesh.Join("lasting");
        passing.Up("--join-file", line);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(passing.Folder.JoinLine));
        Assert.False(File.Exists(lasting.Folder.JoinLine));
        string identity = LockedMesh.IdentityKey(lasting), ephemeral = LockedMesh.IdentityKey(passing);
        _mesh.KillController();
        CommandResult restore = _mesh.ControllerHost.Run(Repository.Program, "controller", "restore", backup, "--data-dir", _mesh.DataDirectory);

        Assert.Matches(@"The network is as it was at 20\d\d-", restore.Output);
        Assert.Matches(@"nodes +removed \(zone default\), stays \(zone default\)\n", restore.Output);
        Assert.Matches(@"removed since +removed \(zone default\)\n", restore.Output);
        Assert.Contains("'kedge node remove NAME'", restore.Output, StringComparison.Ordinal);
        Assert.Matches(@"joined since +lasting \(zone default\), passing \(zone default\)\n", restore.Output);

        _mesh.RestartController();

        Wait.Until(() => Names().Contains("passing"), MeshNetwork.Patience, "the ephemeral node's return");
        Wait.Until(() => passing.LinkStatus()?.Controller.Connected == true, MeshNetwork.Patience, "its connection");
        Assert.Equal(("active", ephemeral), (Status(passing), LockedMesh.IdentityKey(passing)));
        Assert.DoesNotContain("lasting", Names());
        Wait.Until(() => Status(lasting) == "removed", MeshNetwork.Patience, "word that it is not known");
        Assert.True(lasting.Try("down").Succeeded);
        lasting.Up("--join-file", _mesh.WriteToken());
        Assert.Equal(identity, LockedMesh.IdentityKey(lasting)); // nobody refuses its keys
        stays.AwaitReach(lasting);
        stays.AwaitReach(passing);
        Assert.True(removed.Try("down").Succeeded);
        removed.Up(); // without a line: it is a member again
        Assert.Equal("active", Status(removed));
    }

    private string[] Names() => [.. _mesh.AdministerJson("node", "list").EnumerateArray().Select(node => node.GetProperty("name").GetString()!)];

    private static string Status(MeshNode node) => node.StatusJson().GetProperty("status").GetString()!;
}
