using System.Text.Json;
using Kedge.Demo;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Rosenpass;

/// <summary><c>kedge status INTERFACE --check</c> on tunnels, with and without post-quantum keys.</summary>
public sealed class HealthTests(RpTests.Keys keys) : IClassFixture<RpTests.Keys>, IDisposable
{
    private readonly Topology _net = Topology.Create();

    public void Dispose() => _net.Dispose();

    [Fact]
    public void A_tunnel_is_healthy_while_its_last_handshake_and_its_last_key_exchange_are_young()
    {
        (Host a, Host b) = (_net.AddHost("a"), _net.AddHost("b"));
        _net.Connect(a, b, ["192.0.2.1/24"], ["192.0.2.2/24"]);
        (string deviceOfA, string deviceOfB) = (_net.NewInterfaceName(), _net.NewInterfaceName());
        Assert.Equal(1, Check(a, deviceOfA).ExitCode);
        RunningProcess processOfA = Start(
            a, "dev", deviceOfA, "peer", keys.PublicOf("b"), "endpoint", "192.0.2.2:9999", "persistent-keepalive", "25");
        Wait.Until(() => Check(a, deviceOfA).Error.Contains("no handshake yet", StringComparison.Ordinal), Timeouts.Soon, "an unhealthy tunnel");
        CommandResult alone = Check(a, deviceOfA);
        Assert.Equal(1, alone.ExitCode);
        Assert.Contains("There was no post-quantum key exchange yet.", alone.Error, StringComparison.Ordinal);
        Assert.Contains($"{deviceOfA}, peer {File.ReadAllText(Path.Combine(keys.PublicOf("b"), "wgpk"))}:", alone.Error, StringComparison.Ordinal);
        Assert.Equal("", alone.Output);

        RunningProcess processOfB = Start(b, "dev", deviceOfB, "listen", "192.0.2.2:9999", "peer", keys.PublicOf("a"));

        foreach ((Host host, string device) in new[] { (a, deviceOfA), (b, deviceOfB) })
        {
            Wait.Until(() => Check(host, device).ExitCode == 0, Timeouts.Retry, "a healthy tunnel");
            Assert.Equal($"{device} is healthy.\n", Check(host, device).Output);
            JsonElement shown = Json(host.Run(Status(device, "--json")));
            Assert.True(shown.GetProperty("peers")[0].GetProperty("exchangesKeys").GetBoolean());
            DateTimeOffset exchanged = shown.GetProperty("peers")[0].GetProperty("lastKeyExchange").GetDateTimeOffset();
            Assert.InRange(DateTimeOffset.UtcNow - exchanged, TimeSpan.Zero, Timeouts.NoAnswer);
        }

        Assert.Equal(0, processOfB.Stop().ExitCode);
        Assert.False(Directory.Exists(Path.Combine(RunDirectory, deviceOfB)));
        Wait.Until(() => Check(a, deviceOfA, "--max-age", "1").ExitCode == 1, Timeouts.Soon, "a tunnel that is older than a second");
        JsonElement old = Json(a.TryRun(Status(deviceOfA, "--check", "--max-age", "1", "--json")));
        Assert.False(old.GetProperty("healthy").GetBoolean());
        Assert.Equal(2, old.GetProperty("problems").GetArrayLength());
        Assert.Equal(0, Check(a, deviceOfA).ExitCode);

        a.Ip("link", "set", deviceOfA, "down");
        Assert.Contains("The interface is down.", Check(a, deviceOfA).Error, StringComparison.Ordinal);
        Assert.Equal(0, processOfA.Stop().ExitCode);
        Assert.Equal(1, Check(a, deviceOfA).ExitCode);
    }

    [Fact]
    public void An_interface_that_another_program_runs_is_asked_by_wg()
    {
        using var tunnel = Tunnel.Start();
        (Host host, string device) = (tunnel.Other.Host, tunnel.Other.Device.Name);
        Assert.Contains("There was no handshake yet.", Check(host, device).Error, StringComparison.Ordinal);

        tunnel.Handshake();

        Assert.Equal((0, ""), (Check(host, device).ExitCode, Check(host, device).Error));
    }

    [Theory]
    [InlineData("--max-age must be a number of seconds above 0.", "--check", "--max-age", "0")]
    [InlineData("--max-age is for --check alone.", "--max-age", "60")]
    public void A_call_that_makes_no_sense_is_explained(string expected, params string[] options)
    {
        CommandResult result = _net.AddHost("a").TryRun(Status("wg0", options));
        Assert.Equal(2, result.ExitCode);
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
    }

    private RunningProcess Start(Host host, params string[] words) => host.Start(
        [Repository.Program, "rp", "exchange", "--state-dir", _net.TempFolder, "--run-dir", RunDirectory, keys.SecretOf(host.Label), .. words]);

    private CommandResult Check(Host host, string device, params string[] options) => host.TryRun(Status(device, ["--check", .. options]));

    private string[] Status(string device, params string[] options) =>
        [Repository.Program, "status", device, "--state-dir", _net.TempFolder, "--run-dir", RunDirectory, .. options];

    private static JsonElement Json(CommandResult result)
    {
        using JsonDocument document = JsonDocument.Parse(result.Output);
        return document.RootElement.Clone();
    }

    private string RunDirectory => Path.Combine(_net.TempFolder, "run");
}
