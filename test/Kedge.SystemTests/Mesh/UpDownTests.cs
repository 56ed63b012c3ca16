using Kedge.Demo;
using Kedge.Linux.Processes;

namespace Kedge.SystemTests.Mesh;

/// <summary>Joining, and taking an interface up and down.</summary>
public sealed class UpDownTests(SharedMesh shared) : IClassFixture<SharedMesh>
{
    private readonly MeshNetwork _mesh = shared.Network;

    [Fact]
    public void A_node_joins_and_goes_without_a_trace()
    {
        MeshNode node = _mesh.Join("guest");
        Assert.Contains(node.Address, node.Host.Ip("address", "show", "dev", MeshNode.Interface).Output, StringComparison.Ordinal);

        CommandResult down = node.Try("down", "--interface", MeshNode.Interface);

        Assert.True(down.Succeeded, down.Error);
        Assert.DoesNotContain(MeshNode.Interface, node.Host.Ip("link").Output, StringComparison.Ordinal);
        Assert.DoesNotContain("1930", node.Host.Ip("rule").Output, StringComparison.Ordinal);
        Assert.Null(node.NodeProcess);
        Assert.Null(node.ControlLink);
    }

    [Fact]
    public void What_killed_processes_have_left_is_removed_by_down_alone_and_a_second_down_finds_nothing_to_do()
    {
        MeshNode other = _mesh.Join("other");
        MeshNode node = _mesh.AddNode("killed");
        node.Up("--join-file", _mesh.WriteToken("--allow-prefix", "10.7.0.0/24"), "--child-prefix", "10.7.0.0/24");
        Wait.Until(() => node.KeyOf("other") is not null, MeshNetwork.Patience, "its peer");
        other.AwaitReach(node);
        ProcessIdentity link = node.ControlLink!.Value, device = node.NodeProcess!.Value;
        node.Supervisor!.Kill(); // first: it would start the others again
        MeshNode.Kill(link);
        MeshNode.Kill(device);
        // Left for the next start to adopt.
        Assert.Contains(node.Address, node.Host.Ip("address", "show", "dev", MeshNode.Interface).Output, StringComparison.Ordinal);
        Assert.Contains(MeshNode.Interface, Routes(node), StringComparison.Ordinal);
        Assert.Contains("1930", Rules(node), StringComparison.Ordinal);
        Assert.Contains("link.sock", FilesOf(node), StringComparer.Ordinal);

        CommandResult first = node.Try("down", "--interface", MeshNode.Interface);

        Assert.True(first.Succeeded, first.Error);
        Assert.Contains("kedge0 is down", first.Error, StringComparison.Ordinal);
        AssertNothingIsLeft(node);
        CommandResult second = node.Try("down", "--interface", MeshNode.Interface);
        Assert.Equal((0, first.Error), (second.ExitCode, second.Error));
        AssertNothingIsLeft(node);

        node.Up(); // it has not left its network
        other.AwaitReach(node);
    }

    [Fact]
    public void A_node_whose_identity_key_is_lost_says_so_and_joins_again_as_it_says()
    {
        MeshNode node = _mesh.Join("lost");
        Assert.True(node.Try("down").Succeeded);
        File.Delete(node.Folder.Keys.IdentityKey);

        CommandResult up = node.Try("up");

        Assert.Equal(1, up.ExitCode);
        Assert.DoesNotContain("defect", up.Error, StringComparison.Ordinal);
        Assert.Contains("is not the key that kedge0 joined with", up.Error, StringComparison.Ordinal);
        Assert.Contains("kedge up --join-file FILE --name NAME", up.Error, StringComparison.Ordinal);
        CommandResult check = node.Try("netcheck");
        Assert.Equal(1, check.ExitCode);
        Assert.DoesNotContain("defect", check.Error, StringComparison.Ordinal);

        RunningProcess again = node.Host.Start(node.Call("up", "--join-file", _mesh.JoinFile, "--name", "lost-again"));
        again.WaitForLine("is up: node 'lost-again'", MeshNetwork.Patience);
        Assert.True(node.Try("down").Succeeded);
    }

    [Fact]
    public void A_node_of_a_zone_without_IPv4_is_pinged_by_IPv6()
    {
        _mesh.Administer("zone", "create", "six", "--prefix", "fd66::/64");
        MeshNode node = _mesh.AddNode("six");
        node.Up("--join-file", _mesh.WriteToken("--zone", "six"));

        CommandResult ping = node.Try("ping", "six", "--count", "1");

        Assert.True(ping.Succeeded, ping.Error);
        Assert.Contains("fd66::", ping.Output, StringComparison.Ordinal);
        Assert.True(node.Try("down").Succeeded);
    }

    /// <summary>Some init systems, containers and scripts start their programs so.</summary>
    [Fact]
    public void A_supervisor_that_was_started_to_ignore_SIGCHLD_starts_again_what_ends()
    {
        MeshNode node = _mesh.AddNode("deaf");
        Command up = node.Call("up", "--name", node.Label, "--interface", MeshNode.Interface, "--join-file", _mesh.JoinFile);
        RunningProcess supervisor = node.Host.Start(new Command(["env", "--ignore-signal=CHLD", .. up.Line]) { Environment = up.Environment });
        supervisor.WaitForLine("is up: node", MeshNetwork.Patience);

        for (int round = 0; round < 2; round++)
        {
            ProcessIdentity killed = node.NodeProcess!.Value;
            MeshNode.Kill(killed);
            Wait.Until(() => node.NodeProcess is { } running && running != killed, MeshNetwork.Patience, "another node process");
        }
        Assert.False(supervisor.HasExited);
        Assert.Contains("has ended with exit code 137", supervisor.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("defect", supervisor.Error, StringComparison.Ordinal);
        Assert.True(node.Try("down", "--interface", MeshNode.Interface).Succeeded);
    }

    [Fact]
    public void Down_on_a_machine_that_has_joined_nothing_says_so_and_leaves_nothing()
    {
        MeshNode node = _mesh.AddNode("bare");

        CommandResult down = node.Try("down");

        Assert.Equal(1, down.ExitCode);
        Assert.Equal("", down.Output);
        Assert.Contains("kedge0 is no interface of a zone", down.Error, StringComparison.Ordinal);
        Assert.Contains("This machine has joined none.", down.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(node.StateDirectory));
        AssertNothingIsLeft(node);
    }

    [Fact]
    public void Down_of_an_interface_that_is_not_the_one_which_has_joined_names_the_right_one_and_touches_nothing()
    {
        MeshNode node = _mesh.Join("untouched");

        CommandResult down = node.Try("down", "--interface", "kedge7");

        Assert.Equal(1, down.ExitCode);
        Assert.Contains("This machine has kedge0.", down.Error, StringComparison.Ordinal);
        Assert.NotNull(node.NodeProcess);
        Assert.NotNull(node.ControlLink);
    }

    [Fact]
    public void A_node_hears_of_the_name_that_an_administrator_gives_it_and_keeps_it_when_it_asks_for_something_else()
    {
        MeshNode node = _mesh.Join("cellar");
        Wait.Until(() => node.LinkStatus()?.Controller.Connected == true, MeshNetwork.Patience, "its connection");

        _mesh.Administer("node", "rename", "cellar", "attic");

        Wait.Until(() => node.LinkStatus()?.Name == "attic", MeshNetwork.Patience, "the new name");
        Assert.True(node.Try("down", "--interface", MeshNode.Interface).Succeeded);
        node.Up("--request-ip", "10.200.0.77");
        Assert.Contains("is up: node 'attic'", node.Supervisor!.Error, StringComparison.Ordinal);
        Assert.Equal("10.200.0.77", node.Address);
        string[] names = [.. _mesh.AdministerJson("node", "list").EnumerateArray().Select(listed => listed.GetProperty("name").GetString()!)];
        Assert.Contains("attic", names);
        Assert.DoesNotContain("cellar", names);
    }

    private static string Rules(MeshNode node) => node.Host.Ip("-4", "rule").Output + node.Host.Ip("-6", "rule").Output;

    private static string Routes(MeshNode node) =>
        node.Host.Ip("-4", "route", "show", "table", "all").Output + node.Host.Ip("-6", "route", "show", "table", "all").Output;

    private static string[] FilesOf(MeshNode node) =>
        Directory.Exists(node.Run.Path) ? [.. Directory.GetFiles(node.Run.Path).Select(path => Path.GetFileName(path))] : [];

    private static void AssertNothingIsLeft(MeshNode node)
    {
        Assert.DoesNotContain(MeshNode.Interface, node.Host.Ip("link").Output, StringComparison.Ordinal);
        Assert.DoesNotContain(MeshNode.Interface, Routes(node), StringComparison.Ordinal);
        Assert.DoesNotContain("1930", Rules(node), StringComparison.Ordinal);
        Assert.Null(node.NodeProcess);
        Assert.Null(node.ControlLink);
        Assert.DoesNotContain(FilesOf(node), name => !name.EndsWith(".lock", StringComparison.Ordinal));
    }
}
