using Kedge.Demo;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Processes;

namespace Kedge.SystemTests.Mesh;

/// <summary><c>kedge up --detach</c>, and where its words go.</summary>
public sealed class DetachTests(SharedMesh shared) : IClassFixture<SharedMesh>
{
    private readonly MeshNetwork _mesh = shared.Network;

    [Fact]
    public void It_returns_once_packets_pass_and_leaves_a_supervisor_whose_words_are_in_the_logs()
    {
        MeshNode other = _mesh.Join("other");
        MeshNode node = _mesh.AddNode("detached");

        CommandResult up = Up(node, "--join-file", _mesh.JoinFile);

        Assert.True(up.Succeeded, up.Error);
        Assert.Contains("kedge0 is up: node 'detached' of zone 'default'", up.Error, StringComparison.Ordinal);
        Assert.Contains("'kedge logs kedge0'", up.Error, StringComparison.Ordinal);
        Assert.Contains(node.Address, node.Host.Ip("address", "show", "dev", MeshNode.Interface).Output, StringComparison.Ordinal);
        node.AwaitReach(other);
        ProcessIdentity supervisor = ProcessLock.Holder(node.Run.UpLock)!.Value;
        Assert.Equal("/", new FileInfo($"/proc/{supervisor.Id}/cwd").LinkTarget);
        Assert.All(node.Run.Logs, path => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path)));

        CommandResult logs = node.Try("logs");

        Assert.True(logs.Succeeded, logs.Error);
        Assert.Matches(@"(?m)^up   \S+Z info kedge0: The control link is at work, as process \d+$", logs.Output);
        Assert.Matches(@"(?m)^node \S+Z info kedge0: Ready to be configured on ", logs.Output);
        Assert.Matches(@"(?m)^link \S+Z info kedge0: kedge0 is as its map has it$", logs.Output);
        Assert.Equal(2, node.Try("logs", "--lines", "2").Output.TrimEnd().Split('\n').Length);

        // It goes on to supervise.
        ProcessIdentity device = node.NodeProcess!.Value;
        MeshNode.Kill(device);
        Wait.Until(() => node.NodeProcess is { } next && next != device, MeshNetwork.Patience, "another node process");

        CommandResult down = node.Try("down");
        Assert.True(down.Succeeded, down.Error);
        Assert.False(supervisor.IsAlive);
        Assert.DoesNotContain(Directory.GetFiles(node.Run.Path), path => !path.EndsWith(".lock", StringComparison.Ordinal));
    }

    [Fact]
    public void The_logs_are_followed_until_nobody_reads_them()
    {
        MeshNode node = _mesh.AddNode("followed");
        Assert.True(Up(node, "--join-file", _mesh.JoinFile).Succeeded);
        using RunningProcess follow = node.Host.Start(node.Call("logs", "--follow", "--lines", "1"));
        using RunningProcess head = node.Host.Start(
            node.Call() with { Line = ["bash", "-o", "pipefail", "-c", $"'{Repository.Program}' logs -f | head -n 1"] });

        follow.WaitForLine("info kedge0: ", MeshNetwork.Patience); // it has found the end of the logs
        MeshNode.Kill(node.ControlLink);

        follow.WaitForLine("The control link has ended", MeshNetwork.Patience);
        Assert.DoesNotContain("Ready to be configured", follow.Output, StringComparison.Ordinal); // which was said before
        Assert.Equal(0, head.WaitForExit(MeshNetwork.Patience).ExitCode);
    }

    [Fact]
    public void A_join_line_may_come_from_standard_input()
    {
        MeshNode node = _mesh.AddNode("piped");

        CommandResult up = node.Host.TryRun(Call(node, "--join-file", "-") with { Input = File.ReadAllText(_mesh.JoinFile) });

        Assert.True(up.Succeeded, up.Error);
        Assert.NotNull(node.NodeProcess);
    }

    [Fact]
    public void What_goes_wrong_is_said_on_standard_error_with_exit_code_1_and_nothing_runs()
    {
        MeshNode node = _mesh.AddNode("spent");
        string file = _mesh.WriteToken();
        string line = File.ReadAllText(file).TrimEnd();
        File.WriteAllText(file, line[..^1] + (line[^1] == 'A' ? 'B' : 'A')); // another secret

        CommandResult up = Up(node, "--join-file", file);

        Assert.Equal(1, up.ExitCode);
        Assert.Contains("its secret is another", up.Error, StringComparison.Ordinal); // the controller's reason
        AssertNothingRuns(node);
    }

    [Fact]
    public void What_goes_wrong_in_the_background_is_said_on_standard_error_too()
    {
        MeshNode node = _mesh.AddNode("occupied");
        node.Host.Run("ip", "link", "add", MeshNode.Interface, "type", "bridge"); // somebody else's

        CommandResult up = Up(node, "--join-file", _mesh.JoinFile);

        Assert.Equal(1, up.ExitCode);
        Assert.Contains(MeshNode.Interface, up.Error, StringComparison.Ordinal);
        Assert.Contains("kedge: kedge0 is not up.", up.Error, StringComparison.Ordinal);
        AssertNothingRuns(node);
    }

    [Fact]
    public void A_join_that_waits_for_an_administrator_is_waited_for_in_front()
    {
        using var locked = new LockedMesh();
        MeshNode node = locked.Network.AddNode("patient");
        using RunningProcess up = node.Host.Start(Call(node, "--join-file", locked.Network.JoinFile));
        up.WaitForLine("is registered and waits", MeshNetwork.Patience);
        Assert.False(up.HasExited);
        Assert.Null(node.NodeProcess);

        locked.Certify(("patient", node));

        CommandResult result = up.WaitForExit(MeshNetwork.Patience);
        Assert.True(result.Succeeded, result.Error);
        Assert.NotNull(node.NodeProcess);
    }

    [Fact]
    public void A_wait_for_an_administrator_can_be_interrupted_and_gone_on_with()
    {
        using var locked = new LockedMesh();
        MeshNode node = locked.Network.AddNode("hasty");
        using RunningProcess up = node.Host.Start(Call(node, "--join-file", locked.Network.WriteToken()));
        up.WaitForLine("is registered and waits", MeshNetwork.Patience);
        up.Signal(ProcessSignal.Interrupt);
        Assert.Equal(1, up.WaitForExit(MeshNetwork.Patience).ExitCode);

        locked.Certify(("hasty", node));

        CommandResult again = Up(node); // without a line: the token is used up
        Assert.True(again.Succeeded, again.Error);
    }

    [Fact]
    public void Logs_of_what_is_not_up_are_an_error_that_says_what_would_be_right()
    {
        MeshNode node = _mesh.AddNode("silent");

        CommandResult logs = node.Try("logs", "kedge7");

        Assert.Equal((1, ""), (logs.ExitCode, logs.Output));
        Assert.Contains("'kedge up --detach --interface kedge7'", logs.Error, StringComparison.Ordinal);
        Assert.Equal(2, node.Try("logs", "--lines", "few").ExitCode);
        Assert.Equal(2, node.Try("logs", "kedge0", "--controller").ExitCode);
    }

    private static Command Call(MeshNode node, params string[] arguments) =>
        node.Call(["up", "--detach", "--name", node.Label, .. arguments]) with { Timeout = 2 * MeshNetwork.Patience };

    private static CommandResult Up(MeshNode node, params string[] arguments) => node.Host.TryRun(Call(node, arguments));

    private static void AssertNothingRuns(MeshNode node)
    {
        Assert.Null(ProcessLock.Holder(node.Run.UpLock));
        Assert.Null(node.NodeProcess);
        Assert.Null(node.ControlLink);
    }
}
