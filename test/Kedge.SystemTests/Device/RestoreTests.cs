using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Kedge.Demo;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Device;

/// <summary>
/// A node process that is killed and starts from its own state alone: nobody tells it anything, and nothing but it is started again.
/// </summary>
public sealed partial class RestoreTests : IDisposable
{
    private const string InnerA = "10.200.0.1", InnerB = "10.200.0.2", OuterA = "10.1.0.1", OuterB = "10.1.0.2";

    private readonly Topology _net = Topology.Create();
    private readonly Host _a;
    private readonly Host _b;

    public RestoreTests()
    {
        (_a, _b) = (_net.AddHost("a"), _net.AddHost("b"));
        _net.Connect(_a, _b, [$"{OuterA}/24"], [$"{OuterB}/24"]);
    }

    public void Dispose() => _net.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Traffic_goes_on_within_a_second_after_the_killed_process_was_started_again(bool otherIsKedge)
    {
        DeviceProcess other = otherIsKedge ? DeviceProcess.StartKedge(_b, Repository.Program) : DeviceProcess.StartWireGuardGo(_b);
        PersistentDevice device = StartPair(other);
        Wait.Until(() => HasHandshake(device), TimeSpan.FromSeconds(15), "the handshake's time on disk");

        // Both ways, so that neither end is the only one that has a reason to begin.
        using PingStream there = PingStream.Start(_a, InnerB, interval: 0.01), back = PingStream.Start(_b, InnerA, interval: 0.01);
        using RunningProcess server = _b.Start("iperf3", "-s", "-1", "--forceflush", "-B", InnerB);
        server.WaitForLine("Server listening", TwoHosts.Patience);
        using RunningProcess client = _a.Start("iperf3", "-c", InnerB, "-t", "300", "-i", "0.5", "-b", "10M", "-f", "k", "--forceflush");
        there.WaitForReplies(TwoHosts.Patience, 50);
        back.WaitForReplies(TwoHosts.Patience, 50);
        int port = device.ListenPort;

        long killed = Stopwatch.GetTimestamp();
        device.Kill();
        device.Start();
        TimeSpan starting = Stopwatch.GetElapsedTime(killed);
        there.WaitForReplies(TwoHosts.Patience, 50);
        back.WaitForReplies(TwoHosts.Patience, 50);

        // On a machine that has much else to do, a program takes its time to start; nothing else may.
        int allowed = (int)((starting + TimeSpan.FromSeconds(1)).TotalSeconds * 100);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"lost {there.Lost.Count} there, {back.Lost.Count} back, of 100 a second; started after {starting.TotalSeconds:0.00} s");
        Assert.InRange(there.Lost.Count, 0, allowed);
        Assert.InRange(back.Lost.Count, 0, allowed);
        Assert.Equal(port, device.ListenPort);
        // The very connection from before goes on at its rate.
        int before = client.Output.Length;
        Wait.Until(
            () => Rates().Matches(client.Output[before..]).Any(rate => double.Parse(rate.Groups[1].ValueSpan, CultureInfo.InvariantCulture) > 5_000),
            TwoHosts.Patience,
            "the TCP connection's rate");
    }

    [Fact]
    public void Everything_that_was_applied_is_there_again()
    {
        PersistentDevice device = PersistentDevice.Start(_a, "--restore");
        WireGuardKeys[] keys = [WireGuardKeys.Generate(), WireGuardKeys.Generate()];
        string psk = _net.WriteSecret("psk", WireGuardKeys.GeneratePresharedKey());
        device.Set("listen-port", "51999", "fwmark", "0x6b650001");
        device.AddPeer(keys[0].PublicKey, "10.200.0.2/32,fd20::/64", "192.0.2.9:51820", "preshared-key", psk, "persistent-keepalive", "25");
        device.AddPeer(keys[1].PublicKey, "10.77.0.0/16", "[2001:db8::9]:1");
        Assert.Equal("errno=0\n\n", device.Ask("set=1\nreplace_stun_servers=true\nstun_server=192.0.2.7:3478\nstun_server=[2001:db8::7]:3478\n\n"));
        AwaitState(device, keys[1].PublicKey);
        AwaitState(device, "2001:db8::7");
        string before = Sorted(device.Show("dump"));

        device.Kill();
        device.Start();

        Assert.Equal(before, Sorted(device.Show("dump")));
        string own = device.Ask("kedge_get=1\n\n");
        Assert.Contains("stun_server=192.0.2.7:3478\n", own, StringComparison.Ordinal);
        Assert.Contains("stun_server=[2001:db8::7]:3478\n", own, StringComparison.Ordinal);
    }

    [Fact]
    public void A_peer_that_was_removed_never_comes_back_however_soon_the_process_is_killed()
    {
        PersistentDevice device = PersistentDevice.Start(_a, "--restore");
        for (int i = 0; i < 5; i++)
        {
            string peer = WireGuardKeys.Generate().PublicKey;
            device.AddPeer(peer, "10.200.0.2/32", "192.0.2.9:51820");
            AwaitState(device, peer);
            device.Set("peer", peer, "remove");
            device.Kill();
            device.Start();
            Assert.Equal("", device.Show("peers"));
        }
    }

    [Fact]
    public void The_state_is_the_owners_alone_and_has_no_private_key()
    {
        PersistentDevice device = PersistentDevice.Start(_a, "--restore");
        device.AddPeer(WireGuardKeys.Generate().PublicKey, "10.200.0.2/32", "192.0.2.9:51820");
        AwaitState(device, "192.0.2.9");

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(device.StateFile));
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(device.StateFolder));
        foreach (string file in Directory.GetFiles(device.StateFolder))
        {
            string text = File.ReadAllText(file);
            Assert.DoesNotContain(device.Keys.PrivateKey, text, StringComparison.Ordinal);
            Assert.DoesNotContain(Convert.ToHexString(Convert.FromBase64String(device.Keys.PrivateKey)), text, StringComparison.OrdinalIgnoreCase);
        }
        Assert.Contains(device.KeyFile, File.ReadAllText(device.StateFile), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_damaged_is_passed_over_for_the_generation_before_and_then_for_nothing()
    {
        PersistentDevice device = PersistentDevice.Start(_a, "--restore");
        string first = WireGuardKeys.Generate().PublicKey, second = WireGuardKeys.Generate().PublicKey;
        device.AddPeer(first, "10.200.0.2/32", "192.0.2.9:51820");
        AwaitState(device, first);
        device.AddPeer(second, "10.200.0.3/32", "192.0.2.9:51820");
        AwaitState(device, second);
        device.Kill();

        // One digit of an address: still JSON, but not what was written.
        File.WriteAllText(device.StateFile, File.ReadAllText(device.StateFile).Replace("10.200.0.3", "10.200.0.4", StringComparison.Ordinal));
        device.Start();
        Assert.Contains($"{device.StateFile} is passed over", device.Process.Error, StringComparison.Ordinal);
        Assert.Equal(first, device.Show("peers"));
        device.Kill();

        foreach (string content in (string[])["", "{}", "kedge-node 1 \n{}", "\0\0\0"])
        {
            File.WriteAllText(device.StateFile, content);
            File.WriteAllText(device.StateFile + ".previous", content);
            device.Start();
            Assert.Equal("", device.Show("peers"));
            Assert.Equal(2, device.Process.Error.Split('\n').Count(line => line.Contains(" is passed over", StringComparison.Ordinal)));
            Assert.DoesNotContain("   at ", device.Process.Error, StringComparison.Ordinal);
            device.Kill();
        }
    }

    [Fact]
    public void A_key_file_that_is_missing_is_an_error_where_it_was_named_and_a_remark_where_it_was_kept()
    {
        PersistentDevice device = PersistentDevice.Start(_a, "--restore");
        device.AddPeer(WireGuardKeys.Generate().PublicKey, "10.200.0.2/32", "192.0.2.9:51820");
        AwaitState(device, "192.0.2.9");
        device.Kill();
        File.Delete(device.KeyFile);

        string[] options = ["--persistent", "--restore"];
        CommandResult named = _a.TryRun(PersistentDevice.Call(_a, device.Name, [.. options, "--private-key-file", device.KeyFile]));
        Assert.Equal(1, named.ExitCode);
        Assert.Contains("wg genkey", named.Error, StringComparison.Ordinal);

        RunningProcess kept = _a.Start(PersistentDevice.Call(_a, device.Name, options));
        kept.WaitForLine("Ready to be configured", TwoHosts.Patience);
        Assert.Contains(device.KeyFile, kept.Error, StringComparison.Ordinal);
        Assert.Equal("(none)", device.Show("private-key"));
        Assert.NotEqual("", device.Show("peers"));
    }

    [Fact]
    public void A_key_file_without_a_key_is_refused()
    {
        foreach (string content in (string[])["", "short", new string('A', 44), new string('A', 43) + "=="])
        {
            string path = _net.WriteSecret("bad.key", content);
            CommandResult result = _a.TryRun(PersistentDevice.Call(_a, _net.NewInterfaceName(), "--private-key-file", path));
            Assert.Equal(1, result.ExitCode);
            Assert.Contains(path, result.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        }
    }

    [GeneratedRegex(@" ([\d.]+) Kbits/sec")]
    private static partial Regex Rates();

    private PersistentDevice StartPair(DeviceProcess other)
    {
        PersistentDevice device = PersistentDevice.Start(_a, "--restore");
        _a.Ip("link", "set", device.Name, "up");
        _a.AddAddress(device.Name, $"{InnerA}/24");
        other.SetUp([$"{InnerB}/24"]);
        other.Set("peer", device.Keys.PublicKey, "allowed-ips", $"{InnerA}/32");
        device.AddPeer(other.Keys.PublicKey, $"{InnerB}/32", $"{OuterB}:{other.ListenPort}");
        TwoHosts.AwaitTunnel(_a, InnerB);
        return device;
    }

    private static bool HasHandshake(PersistentDevice device) =>
        File.Exists(device.StateFile) && File.ReadAllText(device.StateFile).Contains("\"lastHandshake\"", StringComparison.Ordinal);

    private static void AwaitState(PersistentDevice device, string text) => Wait.Until(
        () => File.Exists(device.StateFile) && Unescaped(device).Contains(text, StringComparison.Ordinal),
        TwoHosts.Patience,
        $"{text} on disk");

    // JSON may write a '+' of base64 as an escape.
    private static string Unescaped(PersistentDevice device) =>
        File.ReadAllText(device.StateFile).Replace("\\u002B", "+", StringComparison.OrdinalIgnoreCase);

    private static string Sorted(string dump) => string.Join('\n', dump.Split('\n').Order(StringComparer.Ordinal));
}
