using System.Globalization;
using Kedge.Demo;
using Kedge.Linux.Namespaces;
using Kedge.SystemTests.Wg;

namespace Kedge.SystemTests.Device;

/// <summary>The ways in which a device ends, and what is left of it: nothing.</summary>
public class EndTests : IClassFixture<TwoHosts>
{
    private readonly TwoHosts _hosts;
    private readonly string _name;

    public EndTests(TwoHosts hosts) => (_hosts, _name) = (hosts, hosts.Net.NewInterfaceName());

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    [InlineData("HUP")]
    [InlineData("USR1")]
    [InlineData("USR2")]
    [InlineData("ALRM")]
    public void A_signal_ends_it(string signal) => EndsCleanly(process => Send(process, signal));

    [Fact]
    public void A_signal_that_it_was_started_to_ignore_stays_ignored()
    {
        using RunningProcess process = StartByShell("trap '' HUP; exec \"$@\"");
        process.WaitForLine("Ready to be configured", TwoHosts.Patience);

        Send(process, "HUP");
        Send(process, "USR1"); // which comes after it

        Assert.Equal(0, process.WaitForExit(TwoHosts.Patience).ExitCode);
        Assert.DoesNotContain("HUP", process.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_log_that_nobody_reads_holds_up_neither_requests_nor_the_end()
    {
        string pipe = Path.Combine(_hosts.Net.TempFolder, $"{_name}.log");
        _hosts.A.Run("mkfifo", pipe);
        using RunningProcess process = StartByShell($"exec 7<>'{pipe}'; exec \"$@\" --log-level verbose 2>&7");
        Wait.Until(() => TwoHosts.Remains(_hosts.A, _name) == "socket interface", TwoHosts.Patience, "the device");

        using (UapiClient client = UapiClient.Connect(TwoHosts.SocketOf(_name)))
        {
            for (int i = 0; i < 2000; i++) // each of which is logged: more than a pipe holds
            {
                client.Send("set=1\n\n");
                Assert.Equal("errno=0\n\n", client.ReadAnswer());
            }
        }

        Send(process, "TERM");
        Assert.Equal(0, process.WaitForExit(TwoHosts.Patience).ExitCode);
        Assert.Equal("", TwoHosts.Remains(_hosts.A, _name));
    }

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

    private RunningProcess StartByShell(string script)
    {
        Command command = _hosts.DaemonCommand("-f", _name);
        return _hosts.A.Start(command with { Line = ["bash", "-c", script, "bash", .. command.Line] });
    }

    private void Send(RunningProcess process, string signal) =>
        _hosts.A.Run("kill", $"-{signal}", process.ProcessId.ToString(CultureInfo.InvariantCulture));

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
