using System.Globalization;
using Kedge.Demo;

namespace Kedge.SystemTests.Device;

/// <summary>The program called by the name <c>kedge-wg</c>, as wg-quick calls it.</summary>
public class BackgroundTests : IDisposable
{
    private readonly TwoHosts _hosts = new();
    private readonly string _name;

    public BackgroundTests() => _name = _hosts.Net.NewInterfaceName();

    public void Dispose()
    {
        _hosts.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void It_returns_once_the_device_can_be_configured_and_leaves_a_daemon()
    {
        CommandResult result = _hosts.A.TryRun(_hosts.DaemonCommand(_name));
        // At once: whoever waits for it to return, as wg-quick does, does not wait for the socket.
        CommandResult show = _hosts.A.TryRun("wg", "show", _name);

        Assert.Equal(new CommandResult(0, "", ""), result);
        Assert.Equal((0, ""), (show.ExitCode, show.Error));
        int id = Assert.Single(_hosts.ProcessesOfA);
        string status = File.ReadAllText($"/proc/{id}/stat");
        string[] fields = status[(status.LastIndexOf(')') + 2)..].Split(' ');
        int[] numbers = [.. fields[1..5].Select(field => int.Parse(field, CultureInfo.InvariantCulture))];
        (int parent, int group, int session, int terminal) = (numbers[0], numbers[1], numbers[2], numbers[3]);
        Assert.Equal((id, id, 0), (group, session, terminal));
        Assert.NotEqual(Environment.ProcessId, parent);
        foreach (int descriptor in (int[])[0, 1, 2])
            Assert.Equal("/dev/null", new FileInfo($"/proc/{id}/fd/{descriptor}").LinkTarget);
        Assert.Equal("/", new FileInfo($"/proc/{id}/cwd").LinkTarget);
        Assert.DoesNotContain("KEDGE_READY", File.ReadAllText($"/proc/{id}/cmdline"), StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(TwoHosts.SocketOf(_name)));
    }

    [Theory]
    [InlineData("-f", "")]
    [InlineData("--foreground", "")]
    [InlineData("", "1")]
    public void It_stays_in_front_when_asked_to(string option, string variable)
    {
        Command command = _hosts.DaemonCommand(option.Length > 0 ? [option, _name] : [_name]);
        if (variable.Length > 0)
        {
            var environment = new Dictionary<string, string>(command.Environment) { ["WG_PROCESS_FOREGROUND"] = variable };
            command = command with { Environment = environment };
        }
        using RunningProcess process = _hosts.A.Start(command);

        process.WaitForLine("Ready to be configured", TwoHosts.Patience);

        Assert.False(process.HasExited);
        Assert.Equal([process.ProcessId], _hosts.ProcessesOfA);
        _hosts.A.Run("wg", "show", _name);
    }

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
