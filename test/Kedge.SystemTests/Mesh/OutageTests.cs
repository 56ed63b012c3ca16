using System.Globalization;
using System.Text.RegularExpressions;
using Kedge.Demo;
using Kedge.Linux.Processes;

namespace Kedge.SystemTests.Mesh;

/// <summary>What goes on while something is away: the controller, the control link, the node process, all of them.</summary>
public sealed partial class OutageTests : IClassFixture<MeshPair>
{
    private readonly MeshNetwork _mesh;
    private readonly MeshNode _a, _b;

    public OutageTests(MeshPair pair)
    {
        (_mesh, _a, _b) = (pair.Mesh, pair.Alpha, pair.Beta);
        pair.Restore();
    }

    [Fact]
    public void A_killed_control_link_loses_nothing_and_comes_back()
    {
        ProcessIdentity before = _a.ControlLink!.Value;
        using RunningProcess load = StartLoad();
        long overflowed = OverflowedQueues();
        using RunningProcess pings = StartPings(count: 500);

        MeshNode.Kill(before);

        // Nothing but what the kernel had no room for, on a machine that has much else to do.
        int lost = LostOf(pings);
        Assert.True(lost <= OverflowedQueues() - overflowed, $"{lost} lost; dropped: {Drops()}");
        Wait.Until(() => _a.ControlLink is { } now && now != before, MeshNetwork.Patience, "another control link");
        Wait.Until(() => _a.LinkStatus()?.Controller.Connected == true, MeshNetwork.Patience, "its connection");
        Assert.Equal(0, load.WaitForExit(MeshNetwork.Patience).ExitCode);
    }

    [Fact]
    public void A_killed_node_process_is_back_within_a_second()
    {
        ProcessIdentity before = _a.NodeProcess!.Value;
        using RunningProcess load = StartLoad();
        using RunningProcess pings = StartPings(count: 800);

        MeshNode.Kill(before);

        // One request every 10 ms, so each lost one is as much of an outage.
        Assert.InRange(LostOf(pings), 1, 99);
        Assert.NotEqual(before, _a.NodeProcess);
        Assert.Equal(0, load.WaitForExit(MeshNetwork.Patience).ExitCode);
    }

    [Fact]
    public void The_cached_map_serves_while_the_controller_is_gone_and_the_node_starts_anew()
    {
        _mesh.KillController();
        Assert.True(_a.Try("down", "--interface", MeshNode.Interface).Succeeded);
        Assert.False(Ping.Run(_b.Host, _a.Address, count: 1).AllReceived);

        _a.Up(); // no join line, no controller

        _a.AwaitReach(_b);
        Assert.False(_a.LinkStatus()!.Controller.Connected);

        _mesh.RestartController();
        Wait.Until(() => _a.LinkStatus()?.Controller.Connected == true, MeshNetwork.Patience, "the controller's return to be noticed");
        Assert.True(Ping.Run(_a.Host, _b.Address).AllReceived);
    }

    [Fact]
    public void A_node_process_starts_from_its_own_state_with_everything_else_dead()
    {
        _mesh.KillController();
        _a.Supervisor!.Kill();
        MeshNode.Kill(_a.ControlLink);
        MeshNode.Kill(_a.NodeProcess);
        Assert.False(Ping.Run(_a.Host, _b.Address, count: 1).AllReceived);

        using RunningProcess alone = _a.Host.Start(_a.Call("wg", MeshNode.Interface, "--persistent", "--restore"));

        _a.AwaitReach(_b);
        Assert.Null(_a.ControlLink);

        // What is there is adopted, and what is not is started.
        ProcessIdentity adopted = _a.NodeProcess!.Value;
        _a.Up();
        Assert.Equal(adopted, _a.NodeProcess);
        Assert.NotNull(_a.ControlLink);
    }

    [Fact]
    public void A_supervisor_that_dies_leaves_everything_running_for_the_next_one()
    {
        (ProcessIdentity? node, ProcessIdentity? link) = (_a.NodeProcess, _a.ControlLink);
        using RunningProcess pings = StartPings(count: 300);

        _a.Supervisor!.Kill();
        _a.Up();

        Assert.Equal((node, link), (_a.NodeProcess, _a.ControlLink));
        Assert.Equal(0, LostOf(pings));
        CommandResult second = _a.Try("up", "--interface", MeshNode.Interface);
        Assert.Equal(1, second.ExitCode);
        Assert.Contains("is supervised already", second.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_removed_node_is_gone_within_a_second_and_not_brought_back_by_a_restart()
    {
        MeshNode c = _mesh.Join("condemned");
        Wait.Until(() => _a.KeyOf("condemned") is not null, MeshNetwork.Patience, "a peer");
        string key = _a.KeyOf("condemned")!;
        using RunningProcess pings = _a.Host.Start("stdbuf", "-oL", "ping", "-n", "-i", "0.1", "-W", "1", c.Address);
        pings.WaitForLine("bytes from", MeshNetwork.Patience);

        _mesh.Administer("node", "remove", "condemned", "--yes");

        Wait.Until(
            () => _a.LinkStatus()?.Peers.Any(peer => peer.Name == "condemned") == false, TimeSpan.FromSeconds(1), "the peer's removal");
        Assert.DoesNotContain(key, KeysAt(_a));
        Assert.DoesNotContain("condemned", File.ReadAllText(_a.Folder.Map), StringComparison.Ordinal);
        _mesh.KillController();
        MeshNode.Kill(_a.ControlLink);
        MeshNode.Kill(_a.NodeProcess);
        Wait.Until(() => _a.NodeProcess is not null && _a.KeyOf("beta") is not null, MeshNetwork.Patience, "both processes to be back");
        Assert.Null(_a.KeyOf("condemned"));
        Assert.DoesNotContain(key, KeysAt(_a));
    }

    [Fact]
    public void A_full_disk_costs_a_problem_and_nothing_else()
    {
        // A file system of some pages, all of it taken, in the place of the node's folder; seen by this node alone.
        MeshNode c = _mesh.AddNode("gamma");
        string script = Path.Combine(_mesh.Net.TempFolder, "full");
        File.WriteAllText(script, $"""
            #!/bin/sh
            mkdir -p '{c.StateDirectory}' && mount -t tmpfs -o size=1m tmpfs '{c.StateDirectory}'
            exec '{Repository.Program}' "$@"
            """);
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Command up = c.Call("up", "--name", "gamma", "--interface", MeshNode.Interface, "--join-file", _mesh.JoinFile);
        using RunningProcess node = c.Host.Start(up with { Line = ["unshare", "-m", script, .. up.Line.Skip(1)] });
        node.WaitForLine("is up: node", MeshNetwork.Patience);
        Wait.Until(() => c.KeyOf("alpha") is not null, MeshNetwork.Patience, "its peers");
        c.Host.Run("nsenter", "-m", "-t", $"{c.ControlLink!.Value.Id}", "sh", "-c", $"head -c 2M /dev/zero > '{c.StateDirectory}/fill' || true");

        _mesh.Join("delta");

        Wait.Until(() => c.KeyOf("delta") is not null, MeshNetwork.Patience, "the new peer");
        Wait.Until(() => c.LinkStatus()!.Problems.Any(problem => problem.Contains("could not be kept", StringComparison.Ordinal)), MeshNetwork.Patience, "the problem");
        Wait.Until(() => Ping.Run(c.Host, _a.Address, count: 1, patience: Ping.Brief).AllReceived, MeshNetwork.Patience, "an answer");
    }

    /// <summary>The peers of a node process.</summary>
    private static IEnumerable<string> KeysAt(MeshNode node) => node.DeviceStatus().Peers.Select(peer => peer.PublicKey.ToString());

    /// <summary>A transfer that goes on for some seconds, at a rate that leaves room for pings.</summary>
    private RunningProcess StartLoad()
    {
        RunningProcess server = _b.Host.Start("iperf3", "-s", "-1", "--forceflush", "-B", _b.Address);
        server.WaitForLine("Server listening", MeshNetwork.Patience);
        RunningProcess client = _a.Host.Start("iperf3", "--forceflush", "-c", _b.Address, "-t", "8", "-b", "20M");
        client.WaitForLine("connected to", MeshNetwork.Patience);
        return client;
    }

    /// <summary>Packets that found a queue of the kernel full, on either node.</summary>
    private string Drops() => string.Join(", ", new[] { _a, _b }
        .SelectMany(node => node.DeviceStatus().Drops.Where(drop => drop.Value > 0))
        .Select(drop => $"{drop.Name} {drop.Value}"));

    private long OverflowedQueues() => new[] { _a, _b }
        .SelectMany(node => node.DeviceStatus().Gauges)
        .Where(gauge => gauge.Name.EndsWith("QueueFull", StringComparison.Ordinal))
        .Sum(gauge => gauge.Value);

    private RunningProcess StartPings(int count)
    {
        RunningProcess pings = _a.Host.Start(
            "stdbuf", "-oL", "ping", "-n", "-i", "0.01", "-W", "1", "-c", count.ToString(CultureInfo.InvariantCulture), _b.Address);
        pings.WaitForLine("bytes from", MeshNetwork.Patience);
        return pings;
    }

    private static int LostOf(RunningProcess pings)
    {
        string output = pings.WaitForExit(MeshNetwork.Patience).Output;
        Match counts = Counts().Match(output);
        return int.Parse(counts.Groups[1].ValueSpan, CultureInfo.InvariantCulture) - int.Parse(counts.Groups[2].ValueSpan, CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"(\d+) packets transmitted, (\d+) received")]
    private static partial Regex Counts();
}
