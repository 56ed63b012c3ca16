using Kedge.Demo;
using Kedge.Linux.Namespaces;

namespace Kedge.SystemTests.Device;

/// <summary>The ways in which a device ends, and what is left of it: nothing.</summary>
public class EndTests : IClassFixture<TwoHosts>
{
    private readonly TwoHosts _hosts;
    private readonly string _name;

    public EndTests(TwoHosts hosts) => (_hosts, _name) = (hosts, hosts.Net.NewInterfaceName());

    [Theory]
    [InlineData(ProcessSignal.Terminate)]
    [InlineData(ProcessSignal.Interrupt)]
    public void A_signal_ends_it(ProcessSignal signal) => EndsCleanly(process => process.Signal(signal));

    [Fact]
    public void Deleting_its_interface_ends_it() => EndsCleanly(_ => _hosts.A.Ip("link", "delete", _name));

    [Fact]
    public void Deleting_its_interface_while_it_is_up_ends_it() => EndsCleanly(_ =>
    {
        _hosts.A.Ip("link", "set", _name, "up");
        _hosts.A.Run("wg", "set", _name, "listen-port", "4321");
        _hosts.A.Ip("link", "delete", _name);
    });

    [Fact]
    public void Removing_its_socket_ends_it() => EndsCleanly(_ => File.Delete(TwoHosts.SocketOf(_name)));

    [Fact]
    public void Deleting_its_interface_in_another_network_namespace_ends_it() => EndsCleanly(_ =>
    {
        _hosts.A.Ip("link", "set", _name, "netns", _hosts.B.Namespace.Name);
        Assert.True(TwoHosts.HasInterface(_hosts.B, _name));
        _hosts.B.Ip("link", "delete", _name);
    });

    [Fact]
    public void A_signal_ends_a_daemon()
    {
        _hosts.A.Run(_hosts.DaemonCommand(_name));
        int id = Assert.Single(_hosts.ProcessesOfA);

        ProcessSignals.Send(id, ProcessSignal.Terminate);

        TwoHosts.AwaitEnd(id);
        Assert.Equal("", TwoHosts.Remains(_hosts.A, _name));
    }

    [Fact]
    public void What_a_killed_one_leaves_is_replaced_by_the_next()
    {
        _hosts.A.Run(_hosts.DaemonCommand(_name));
        int first = Assert.Single(_hosts.ProcessesOfA);
        ProcessSignals.Send(first, ProcessSignal.Kill);
        TwoHosts.AwaitEnd(first);
        Assert.Equal("socket ", TwoHosts.Remains(_hosts.A, _name));

        _hosts.A.Run(_hosts.DaemonCommand(_name));

        int second = Assert.Single(_hosts.ProcessesOfA);
        Assert.NotEqual(first, second);
        _hosts.A.Run("wg", "show", _name);
        ProcessSignals.Send(second, ProcessSignal.Terminate);
        TwoHosts.AwaitEnd(second);
    }

    private void EndsCleanly(Action<RunningProcess> end)
    {
        using RunningProcess process = _hosts.A.Start(_hosts.DaemonCommand("-f", _name));
        process.WaitForLine("Ready to be configured", TwoHosts.Patience);
        Assert.Equal("socket interface", TwoHosts.Remains(_hosts.A, _name));

        end(process);

        CommandResult result = process.WaitForExit(TwoHosts.Patience);
        Assert.Equal((0, ""), (result.ExitCode, result.Output));
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        Assert.Equal("", TwoHosts.Remains(_hosts.A, _name));
    }
}
