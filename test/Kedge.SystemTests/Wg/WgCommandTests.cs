using System.Text.Json;
using Kedge.Demo;
using Kedge.Linux.Namespaces;

namespace Kedge.SystemTests.Wg;

/// <summary>
/// The commands <c>kedge wg</c>, <c>kedge-wg</c> and <c>kedge status</c> as processes: how they start, what they say, how they end.
/// </summary>
public sealed class WgCommandTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _host;
    private readonly string _name;

    public WgCommandTests()
    {
        _host = _net.AddHost("a");
        _name = _net.NewInterfaceName();
    }

    private string Socket => KedgeProgram.SocketOf(_name);

    [Theory]
    [InlineData(ProcessSignal.Terminate)]
    [InlineData(ProcessSignal.Interrupt)]
    public void A_signal_ends_it_and_nothing_is_left(ProcessSignal signal)
    {
        using RunningProcess device = KedgeProgram.StartDevice(_host, _name);
        Assert.True(HasInterface());
        device.Signal(signal);
        AssertEndedWell(device);
    }

    [Fact]
    public void Deleting_the_interface_ends_it_and_nothing_is_left()
    {
        using RunningProcess device = KedgeProgram.StartDevice(_host, _name);
        _host.Ip("link", "delete", _name);
        AssertEndedWell(device);
    }

    [Fact]
    public void Deleting_the_socket_ends_it_and_nothing_is_left()
    {
        using RunningProcess device = KedgeProgram.StartDevice(_host, _name);
        File.Delete(Socket);
        AssertEndedWell(device);
    }

    [Fact]
    public void The_interface_has_the_mtu_that_was_asked_for()
    {
        using RunningProcess device = _host.Start(KedgeProgram.Call(_net, "wg", _name, "--mtu", "1280"));
        device.WaitForLine("Ready", KedgeProgram.Patience);
        Assert.Contains("mtu 1280", _host.Ip("link", "show", _name).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_second_device_of_the_same_name_is_refused_in_a_sentence()
    {
        using RunningProcess device = KedgeProgram.StartDevice(_host, _name);
        CommandResult second = _net.AddHost("b").TryRun(KedgeProgram.Call(_net, "wg", _name));
        Assert.Equal(1, second.ExitCode);
        Assert.StartsWith($"kedge: {_name} is already run by process {device.ProcessId} (kedge)", second.Error, StringComparison.Ordinal);
        Assert.Single(second.Error.TrimEnd('\n').Split('\n'));
        UapiFixture.RunWg("show", _name);
    }

    [Fact]
    public void An_interface_of_another_kind_is_refused_in_a_sentence()
    {
        _host.Ip("link", "add", _name, "type", "bridge");
        CommandResult result = _host.TryRun(KedgeProgram.Call(_net, "wg", _name));
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(_name, result.Error, StringComparison.Ordinal);
        Assert.Single(result.Error.TrimEnd('\n').Split('\n'));
        Assert.False(File.Exists(Socket));
    }

    [Fact]
    public void Called_as_kedge_wg_it_goes_to_the_background_once_it_can_be_configured()
    {
        // The pipe to cat is what $(wg-quick up wg0) waits for: the device must not keep it open.
        string[] line = ["sh", "-c", "\"$0\" \"$1\" 2>&1 | cat", KedgeProgram.LinkAsDaemon(_net), _name];
        CommandResult start = _host.Run(KedgeProgram.CallAsDaemon(_net) with { Line = line });
        Assert.Empty(start.Output);
        UapiFixture.RunWg("show", _name);

        int device = Assert.Single(_host.Namespace.ProcessIds());
        string[] status = File.ReadAllText($"/proc/{device}/stat").Split(' ');
        Assert.Equal($"{device}", status[^47]); // field 6, the session: its own
        Assert.All([0, 1, 2], fd => Assert.Equal("/dev/null", new FileInfo($"/proc/{device}/fd/{fd}").LinkTarget));
        Assert.Equal("/", new DirectoryInfo($"/proc/{device}/cwd").LinkTarget);

        _host.Ip("link", "delete", _name);
        Wait.Until(() => _host.Namespace.ProcessIds().Count == 0, KedgeProgram.Patience, "the end of the device");
        Assert.False(File.Exists(Socket));
    }

    [Fact]
    public void A_background_device_that_cannot_start_says_why_and_fails()
    {
        using RunningProcess first = KedgeProgram.StartDevice(_host, _name);
        CommandResult second = _host.TryRun(KedgeProgram.CallAsDaemon(_net, _name));
        Assert.Equal(1, second.ExitCode);
        Assert.StartsWith($"kedge: {_name} is already run by process", second.Error, StringComparison.Ordinal);
        Assert.Equal([first.ProcessId], _host.Namespace.ProcessIds());
    }

    [Theory]
    [InlineData("-f", "")]
    [InlineData("--foreground", "")]
    [InlineData("", "1")]
    public void Called_as_kedge_wg_it_stays_in_front_when_told_so(string option, string variable)
    {
        Command call = KedgeProgram.CallAsDaemon(_net, [.. option.Length == 0 ? Array.Empty<string>() : [option], _name]);
        using RunningProcess device = _host.Start(call with
        {
            Environment = new Dictionary<string, string>(call.Environment) { ["WG_PROCESS_FOREGROUND"] = variable },
        });
        device.WaitForLine("Ready to be configured", KedgeProgram.Patience);
        Assert.Equal([device.ProcessId], _host.Namespace.ProcessIds());
        device.Signal(ProcessSignal.Terminate);
        AssertEndedWell(device);
    }

    [Fact]
    public void A_background_device_logs_to_a_file_when_told_so()
    {
        string log = Path.Combine(_net.TempFolder, "log");
        _host.Run(KedgeProgram.CallAsDaemon(_net, _name, "--log-file", log, "--log-level", "verbose"));
        UapiFixture.Wg("set", _name, "listen-port", "0");
        Wait.Until(() => File.ReadAllText(log).Contains("Carried out", StringComparison.Ordinal), KedgeProgram.Patience, "the log");
        Assert.All(File.ReadAllLines(log), line => Assert.Matches($@"^\d{{4}}-\d\d-\d\dT\S+Z (info|debug) {_name}: ", line));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(log));
    }

    [Fact]
    public void Nothing_is_said_at_the_level_silent()
    {
        using RunningProcess device = _host.Start(KedgeProgram.Call(_net, "wg", _name, "--log-level", "silent"));
        Wait.Until(() => File.Exists(Socket) && HasInterface(), KedgeProgram.Patience, "the device");
        UapiFixture.RunWg("show", _name);
        device.Signal(ProcessSignal.Terminate);
        CommandResult result = device.WaitForExit(KedgeProgram.Patience);
        Assert.Equal((0, "", ""), (result.ExitCode, result.Output, result.Error));
    }

    [Theory]
    [InlineData("wg")]
    [InlineData("wg", "a/b")]
    [InlineData("wg", "sixteen-letters-")]
    [InlineData("wg", "wg%d")]
    [InlineData("wg", "wg0", "wg1")]
    [InlineData("wg", "wg0", "--mtu", "70000")]
    [InlineData("wg", "wg0", "--log-level", "loud")]
    [InlineData("wg", "wg0", "--no-such-option")]
    [InlineData("no-such-command")]
    public void A_wrong_call_shows_the_usage_and_exits_with_2(params string[] arguments)
    {
        CommandResult result = _host.TryRun(KedgeProgram.Call(_net, arguments));
        Assert.Equal(2, result.ExitCode);
        Assert.Equal("", result.Output);
        Assert.Contains("\nusage: kedge ", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_variable_is_named()
    {
        CommandResult result = _host.TryRun(KedgeProgram.Call(_net, "wg", _name) with
        {
            Environment = new Dictionary<string, string> { ["KEDGE_MTU"] = "much" },
        });
        Assert.Equal(2, result.ExitCode);
        Assert.StartsWith("kedge: KEDGE_MTU is 'much', but must be a number from 68 to 65535.", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Status_shows_the_device_and_no_secret()
    {
        using RunningProcess device = KedgeProgram.StartDevice(_host, _name);
        WireGuardKeys own = WireGuardKeys.Generate(), peer = WireGuardKeys.Generate();
        string psk = WireGuardKeys.GeneratePresharedKey();
        UapiFixture.RunWg(
            "set", _name, "private-key", _net.WriteSecret("key", own.PrivateKey), "listen-port", "51820", "peer", peer.PublicKey,
            "preshared-key", _net.WriteSecret("psk", psk), "endpoint", "192.0.2.7:51821", "allowed-ips", "10.7.0.0/16,fd07::/64");

        string text = _host.Run(KedgeProgram.Call(_net, "status", _name)).Output;
        Assert.Contains(own.PublicKey, text, StringComparison.Ordinal);
        string row = text.Split('\n').Single(line => line.StartsWith(peer.PublicKey, StringComparison.Ordinal));
        Assert.Equal(
            [peer.PublicKey, "192.0.2.7:51821", "never", "0 B", "0 B", "off", "yes", "10.7.0.0/16, fd07::/64"],
            row.Split("  ", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        string json = _host.Run(KedgeProgram.Call(_net, "status", _name, "--json")).Output;
        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement shown = document.RootElement.GetProperty("peers")[0];
        Assert.Equal(peer.PublicKey, shown.GetProperty("publicKey").GetString());
        Assert.True(shown.GetProperty("hasPresharedKey").GetBoolean());
        Assert.Equal(1420, document.RootElement.GetProperty("mtu").GetInt32());
        Assert.Equal(JsonValueKind.Number, document.RootElement.GetProperty("drops").GetProperty("noRoute").ValueKind);
        Assert.All([own.PrivateKey, psk], secret =>
        {
            Assert.DoesNotContain(secret, text + json, StringComparison.Ordinal);
            Assert.DoesNotContain(Convert.ToHexStringLower(Convert.FromBase64String(secret)), text + json, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void Status_of_what_does_not_run_or_is_not_ours_is_refused_in_a_sentence()
    {
        CommandResult none = _host.TryRun(KedgeProgram.Call(_net, "status", _name));
        Assert.Equal(1, none.ExitCode);
        Assert.Equal($"kedge: {_name} is not running: nobody listens on {Socket}. Start it with 'kedge wg {_name}'.\n", none.Error);
        DeviceProcess other = DeviceProcess.StartWireGuardGo(_host);
        CommandResult notOurs = _host.TryRun(KedgeProgram.Call(_net, "status", other.Name));
        Assert.Equal(1, notOurs.ExitCode);
        Assert.StartsWith($"kedge: {other.Name} is not run by Kedge", notOurs.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_runtime_directories_have_two_devices_of_one_name()
    {
        string folder = Path.Combine(_net.TempFolder, "run");
        using RunningProcess first = KedgeProgram.StartDevice(_host, _name);
        using RunningProcess second = _net.AddHost("b").Start(KedgeProgram.Call(_net, "wg", _name, "--runtime-dir", folder));
        second.WaitForLine("Ready", KedgeProgram.Patience);
        Assert.Equal(0, _host.Run(KedgeProgram.Call(_net, "status", _name, "--runtime-dir", folder)).ExitCode);
    }

    [Theory]
    [InlineData("[suggest:6]", "kedge ", "status")]
    [InlineData("[suggest:11]", "kedge wg --", "--mtu")]
    [InlineData("[suggest:21]", "kedge wg --log-level ", "warning")]
    public void The_shell_can_ask_what_may_follow(string directive, string line, string suggested) =>
        Assert.Contains(suggested, _host.Run(KedgeProgram.Call(_net, directive, line)).Output.Split('\n'));

    public void Dispose() => _net.Dispose();

    private bool HasInterface() => _host.Ip("-br", "link").Output.Contains(_name, StringComparison.Ordinal);

    private void AssertEndedWell(RunningProcess device)
    {
        CommandResult result = device.WaitForExit(KedgeProgram.Patience);
        Assert.True(result.Succeeded, result.Error);
        Assert.False(File.Exists(Socket));
        Assert.False(HasInterface());
    }
}
