using Kedge.Demo;
using Kedge.Linux.Processes;

namespace Kedge.SystemTests.Mesh;

/// <summary>A node that its controller does not have any more: what it says, and how it joins again or is given up.</summary>
public sealed class MembershipEndTests(SharedMesh shared) : IClassFixture<SharedMesh>
{
    private readonly MeshNetwork _mesh = shared.Network;

    [Fact]
    public void A_removed_node_says_so_everywhere_and_joins_again_by_a_new_line_under_new_keys()
    {
        MeshNode other = _mesh.Join("witness"), node = _mesh.Join("dropped");
        other.AwaitReach(node);
        string identity = LockedMesh.IdentityKey(node);

        _mesh.Administer("node", "remove", "dropped", "--yes");

        Wait.Until(() => node.StatusJson().GetProperty("status").GetString() == "removed", MeshNetwork.Patience, "the status");
        Wait.Until(() => Problems(node).Contains("was removed", StringComparison.Ordinal), MeshNetwork.Patience, "the problem");
        Assert.Contains("'kedge up --interface kedge0 --join-file FILE'", Problems(node), StringComparison.Ordinal);
        Assert.Contains("dropped (removed)", node.Try("status", MeshNode.Interface).Output, StringComparison.Ordinal);
        Assert.Contains("--join-file FILE", node.Try("netcheck").Output, StringComparison.Ordinal);
        Assert.Equal(1, node.Try("status", "--check").ExitCode);
        string log = File.ReadAllText(node.Run.LinkLog);
        Assert.Equal(2, log.Split("was removed").Length); // once
        Assert.DoesNotContain("INTERNAL_ERROR", log, StringComparison.Ordinal);
        // The process goes on, also where it is started anew.
        ProcessIdentity link = node.ControlLink!.Value;
        MeshNode.Kill(link);
        Wait.Until(() => node.LinkStatus() is not null && node.ControlLink != link, MeshNetwork.Patience, "another control link");

        Assert.True(node.Try("down").Succeeded);
        CommandResult without = node.Try("up", "--name", "dropped");
        Assert.Equal(1, without.ExitCode);
        Assert.Contains("'kedge up --interface kedge0 --join-file FILE'", without.Error, StringComparison.Ordinal);
        Assert.Contains("'kedge down --interface kedge0 --leave'", without.Error, StringComparison.Ordinal);
        string used = _mesh.WriteToken();
        _mesh.Join("taker");
        CommandResult refused = node.Try("up", "--name", "taker", "--join-file", used);
        Assert.Contains("has another node 'taker'", refused.Error, StringComparison.Ordinal);
        Assert.Equal(identity, LockedMesh.IdentityKey(node)); // a join that fails costs it nothing

        node.Up("--join-file", used);

        Assert.Contains("It joins again, with new keys.", node.Supervisor!.Error, StringComparison.Ordinal);
        Assert.NotEqual(identity, LockedMesh.IdentityKey(node));
        other.AwaitReach(node);
        Wait.Until(() => node.StatusJson().GetProperty("status").GetString() == "active", MeshNetwork.Patience, "the status");
    }

    [Fact]
    public void A_node_that_was_removed_leaves_without_a_word_of_the_controller()
    {
        MeshNode node = _mesh.Join("leaver");
        _mesh.Administer("node", "remove", "leaver", "--yes");

        CommandResult down = node.Try("down", "--leave");

        Assert.True(down.Succeeded, down.Error);
        Assert.Contains("The controller did not have this node any more", down.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(node.Folder.Path));
        node.Up("--join-file", _mesh.JoinFile);
    }

    [Fact]
    public void A_membership_of_a_network_that_is_gone_is_forgotten_and_another_network_is_joined()
    {
        using var gone = new MeshNetwork();
        MeshNode node = gone.Join("orphan");
        string other = Path.Combine(gone.Net.TempFolder, "other.join");
        File.WriteAllText(other, File.ReadAllText(_mesh.JoinFile));
        gone.KillController();
        Assert.True(node.Try("down").Succeeded);

        CommandResult refused = node.Try("up", "--join-file", other);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("'kedge down --interface kedge0 --forget'", refused.Error, StringComparison.Ordinal);
        CommandResult leave = node.Try("down", "--leave");
        Assert.Equal(1, leave.ExitCode);
        Assert.Contains("'kedge down --forget'", leave.Error, StringComparison.Ordinal);
        Assert.Equal(2, node.Try("down", "--leave", "--forget").ExitCode);
        File.WriteAllText(node.Folder.Membership, "damaged");

        CommandResult forget = node.Try("down", "--forget");

        Assert.True(forget.Succeeded, forget.Error);
        Assert.False(Directory.Exists(node.Folder.Path));
        // It is asked for the other network now, which this machine does not reach.
        Assert.DoesNotContain("part of another network", node.Try("up", "--join-file", "/dev/null").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_zone_that_overlaps_with_the_machine_is_left_for_one_that_does_not_by_its_join_line_alone()
    {
        _mesh.Administer("zone", "create", "clashing", "--prefix", "172.17.0.0/16");
        _mesh.Administer("zone", "create", "fitting", "--prefix", "10.33.0.0/16");
        MeshNode node = _mesh.AddNode("docker");
        node.Host.Ip("link", "add", "docker0", "type", "bridge");
        node.Host.AddAddress("docker0", "172.17.0.1/16");
        node.Host.Ip("link", "set", "docker0", "up");
        CommandResult refused = node.Try("up", "--name", "docker", "--join-file", _mesh.WriteToken("--zone", "clashing"));
        Assert.Contains("Join another zone", refused.Error, StringComparison.Ordinal);

        node.Up("--join-file", _mesh.WriteToken("--zone", "fitting"));

        Assert.StartsWith("10.33.", node.Address, StringComparison.Ordinal);
        Assert.Empty(_mesh.AdministerJson("node", "list", "--zone", "clashing").EnumerateArray());
    }

    private static string Problems(MeshNode node) =>
        string.Join('\n', node.StatusJson().GetProperty("problems").EnumerateArray().Select(problem => problem.GetString()));
}
