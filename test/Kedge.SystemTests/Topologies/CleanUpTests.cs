using Kedge.Demo;
using Kedge.Linux.Namespaces;

namespace Kedge.SystemTests.Topologies;

public class CleanUpTests
{
    [Fact]
    public void Nothing_is_left_of_a_topology_that_was_disposed_of()
    {
        var net = Topology.Create();
        Host a = net.AddHost("a"), b = net.AddHost("b");
        net.Connect(a, b, ["10.1.0.1/24"], ["10.1.0.2/24"]);
        DeviceProcess device = DeviceProcess.StartWireGuardGo(a);
        b.Run("sh", "-c", "trap '' TERM; setsid sleep 1000 >/dev/null 2>&1 &");
        int[] inside = [.. a.Namespace.ProcessIds(), .. b.Namespace.ProcessIds()];
        Assert.Equal(2, inside.Length);
        Assert.Contains(device.Process.ProcessId, inside);
        Assert.True(File.Exists(device.SocketPath));

        net.Dispose();

        Assert.All(inside, id => Assert.False(Leftovers.Runs(id)));
        Assert.False(File.Exists(device.SocketPath));
        Assert.False(Directory.Exists(net.TempFolder));
        Assert.DoesNotContain(NetworkNamespace.List("kedge-"), one => one.Name == a.Namespace.Name || one.Name == b.Namespace.Name);
    }

    [Fact]
    public void What_a_killed_process_left_is_removed_by_the_next_topology()
    {
        using RunningProcess owner = TopologyOwner.Start();
        Leftovers built = Leftovers.Of(owner.ProcessId);
        int[] inside = [.. NetworkNamespace.List($"kedge-{owner.ProcessId}-").SelectMany(one => one.ProcessIds())];
        Assert.Equal(2, built.Namespaces.Split(' ').Length);
        Assert.Single(built.Sockets.Split(' '));
        Assert.NotEmpty(built.Folders);
        Assert.Equal(2, inside.Length);

        owner.Kill();
        using var next = Topology.Create();

        Assert.Equal(Leftovers.None, Leftovers.Of(owner.ProcessId));
        Assert.All(inside, id => Assert.False(Leftovers.Runs(id)));
    }

    [Fact]
    public void What_a_live_process_owns_is_left_alone()
    {
        using RunningProcess owner = TopologyOwner.Start();
        Leftovers built = Leftovers.Of(owner.ProcessId);

        using (Topology.Create())
            Assert.Equal(built, Leftovers.Of(owner.ProcessId));
        Assert.Equal(built, Leftovers.Of(owner.ProcessId));
        Assert.False(owner.HasExited);
    }

    [Theory]
    [InlineData(ProcessSignal.Interrupt)]
    [InlineData(ProcessSignal.Terminate)]
    public void A_process_that_is_asked_to_end_removes_its_topology(ProcessSignal signal)
    {
        using RunningProcess owner = TopologyOwner.Start();
        Assert.NotEqual(Leftovers.None, Leftovers.Of(owner.ProcessId));

        owner.Signal(signal);
        CommandResult result = owner.WaitForExit(TimeSpan.FromSeconds(20));

        Assert.Equal(Leftovers.None, Leftovers.Of(owner.ProcessId));
        Assert.Equal(128 + (int)signal, result.ExitCode);
    }
}
