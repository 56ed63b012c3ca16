using Kedge.Demo;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Tun;

namespace Kedge.SystemTests.Device;

/// <summary>
/// What cannot be had is refused in a sentence with exit code 1, and a call that makes no sense with 2; nothing is left of either.
/// </summary>
public class RefusalTests : IClassFixture<TwoHosts>
{
    private readonly TwoHosts _hosts;
    private readonly string _name;

    public RefusalTests(TwoHosts hosts) => (_hosts, _name) = (hosts, hosts.Net.NewInterfaceName());

    [Fact]
    public void A_name_that_another_device_has_is_refused_in_a_sentence()
    {
        _hosts.A.Run(_hosts.DaemonCommand(_name));
        int first = Assert.Single(_hosts.ProcessesOfA);

        // On the other host too: the folder of the sockets is one for all.
        foreach (Host host in (Host[])[_hosts.A, _hosts.B])
        {
            string sentence = RefusalOf(host, _hosts.DaemonCommand(_name), exitCode: 1);
            Assert.Contains(_name, sentence, StringComparison.Ordinal);
            Assert.Contains($"process {first} (kedge", sentence, StringComparison.Ordinal);
        }

        Assert.Equal([first], _hosts.ProcessesOfA);
        _hosts.A.Run("wg", "show", _name);
        ProcessSignals.Send(first, ProcessSignal.Terminate);
        TwoHosts.AwaitEnd(first);
    }

    [Fact]
    public void A_name_that_another_interface_has_is_refused_in_a_sentence()
    {
        _hosts.A.Ip("link", "add", "name", _name, "type", "bridge");

        string sentence = RefusalOf(_hosts.A, _hosts.DaemonCommand(_name), exitCode: 1);

        Assert.Contains(_name, sentence, StringComparison.Ordinal);
        Assert.Empty(_hosts.ProcessesOfA);
        Assert.Equal("interface", TwoHosts.Remains(_hosts.A, _name));
    }

    [Fact]
    public void A_TUN_of_several_queues_that_another_process_holds_is_refused_in_a_sentence()
    {
        using TunDevice held = _hosts.A.Namespace.Run(() => TunDevice.Create(_name, queues: 2));

        string sentence = RefusalOf(_hosts.A, _hosts.DaemonCommand(_name), exitCode: 1);

        Assert.Contains($"{_name} is a TUN with several queues, some of which another process holds", sentence, StringComparison.Ordinal);
        Assert.Equal("interface", TwoHosts.Remains(_hosts.A, _name));
    }

    [Fact]
    public void Without_the_capability_it_refuses_in_a_sentence_that_names_it()
    {
        Command command = _hosts.DaemonCommand(_name);

        command = command with { Line = ["setpriv", "--bounding-set", "-net_admin", .. command.Line] };
        string sentence = RefusalOf(_hosts.A, command, exitCode: 1);

        Assert.Contains("CAP_NET_ADMIN", sentence, StringComparison.Ordinal);
        Assert.Equal("", TwoHosts.Remains(_hosts.A, _name));
    }

    [Fact]
    public void A_place_for_the_socket_that_cannot_be_made_is_refused_in_a_sentence()
    {
        string sentence = RefusalOf(_hosts.A, _hosts.DaemonCommand(_name, "--runtime-dir", "/proc/no-such-place"), exitCode: 1);

        Assert.Contains("/proc/no-such-place", sentence, StringComparison.Ordinal);
        Assert.Equal("", TwoHosts.Remains(_hosts.A, _name));
    }

    [Theory]
    [InlineData("a-name-of-more-than-15-bytes")]
    [InlineData("a/b")]
    [InlineData("..")]
    [InlineData("a b")]
    [InlineData("wg%d")]
    [InlineData("")]
    public void A_name_that_no_interface_can_have_is_a_wrong_call(string name)
    {
        string error = RefusalOf(_hosts.A, _hosts.DaemonCommand(name), exitCode: 2, lines: false);

        Assert.Contains(name, error, StringComparison.Ordinal);
        Assert.Empty(_hosts.ProcessesOfA);
    }

    [Fact]
    public void A_call_without_a_name_is_a_wrong_call() =>
        RefusalOf(_hosts.A, _hosts.DaemonCommand(), exitCode: 2, lines: false);

    private static string RefusalOf(Host host, Command command, int exitCode, bool lines = true)
    {
        CommandResult result = host.TryRun(command);
        Assert.Equal(exitCode, result.ExitCode);
        Assert.Empty(result.Output);
        Assert.NotEmpty(result.Error);
        if (lines)
        {
            Assert.StartsWith("kedge: ", result.Error, StringComparison.Ordinal);
            Assert.Single(result.Error.TrimEnd('\n').Split('\n'));
        }
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        return result.Error;
    }
}
