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
}
