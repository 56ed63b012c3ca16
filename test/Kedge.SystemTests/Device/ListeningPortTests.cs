using Kedge.Demo;
using Kedge.Linux.Udp;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.SystemTests.Device;

/// <summary>
/// UDP ports that somebody else has: a device says so to whoever asks, never shows what it does not have, and waits for its turn.
/// </summary>
public sealed class ListeningPortTests : IDisposable
{
    private const ushort Taken = 7005;

    private readonly TwoHosts _hosts = new();
    private readonly List<UdpPort> _ports = [];

    public void Dispose()
    {
        _ports.ForEach(port => port.Dispose());
        _hosts.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_port_that_is_taken_is_refused_when_it_is_set_and_nothing_changes(bool isUp)
    {
        DeviceProcess device = DeviceProcess.StartKedge(_hosts.A, Repository.Program);
        device.Set("listen-port", "7004");
        if (isUp)
            device.SetUp([$"{TwoHosts.InnerA}/24"]);
        Take(Taken);

        CommandResult set = _hosts.A.TryRun("wg", "set", device.Name, "fwmark", "7", "listen-port", $"{Taken}");
        CommandResult setConf = _hosts.A.TryRun(
            "wg", "setconf", device.Name, _hosts.Net.WriteSecret("conf", $"[Interface]\nListenPort = {Taken}\n"));

        Assert.All([set, setConf], result => Assert.Equal(1, result.ExitCode));
        Assert.All([set, setConf], result => Assert.Contains("Address already in use", result.Error, StringComparison.Ordinal));
        Assert.Equal("7004\n", device.Show("listen-port"));
        Assert.Equal("off\n", device.Show("fwmark"));
        device.Process.WaitForLine($"UDP port {Taken} is in use by ", TwoHosts.Patience);
    }

    [Fact]
    public void A_port_that_is_taken_before_the_interface_is_up_is_not_shown_and_is_had_once_it_is_free()
    {
        DeviceProcess other = _hosts.StartOther();
        DeviceProcess device = DeviceProcess.StartKedge(_hosts.A, Repository.Program);
        device.Set("listen-port", $"{Taken}");
        other.AddPeer(device, [$"{TwoHosts.InnerA}/32"]);
        device.AddPeer(other, [$"{TwoHosts.InnerB}/32"], $"{TwoHosts.OuterB}:{other.ListenPort}", persistentKeepalive: 2);
        UdpPort taker = Take(Taken);

        device.SetUp([$"{TwoHosts.InnerA}/24"]);

        device.Process.WaitForLine("tried again", TwoHosts.Patience);
        Assert.Equal("0\n", device.Show("listen-port"));
        using (DeviceStatus status = TwoHosts.StatusOf(device.Name))
            Assert.Contains($"UDP port {Taken} is in use by", status.PortProblem, StringComparison.Ordinal);
        Assert.Contains(
            $"none: UDP port {Taken} is in use by",
            _hosts.A.Run(Repository.Program, "status", device.Name).Output,
            StringComparison.Ordinal);
        CommandResult check = _hosts.A.TryRun(Repository.Program, "status", device.Name, "--check");
        Assert.Contains($"UDP port {Taken} is in use by", check.Output + check.Error, StringComparison.Ordinal);

        taker.Close();

        _hosts.AwaitTunnel();
        Assert.Equal($"{Taken}\n", device.Show("listen-port"));
        Assert.Equal($"{TwoHosts.OuterA}:{Taken}", other.Peers.Single().Endpoint);
        device.Process.WaitForLine($"UDP port {Taken} is open", TwoHosts.Patience);
        Assert.Single(device.Process.Error.Split('\n'), line => line.Contains("tried again", StringComparison.Ordinal));
    }

    [Fact]
    public void A_random_port_that_is_taken_after_a_restart_is_replaced_and_one_that_was_asked_for_is_waited_for()
    {
        PersistentDevice device = PersistentDevice.Start(_hosts.A, "--restore");
        _hosts.A.Ip("link", "set", device.Name, "up");
        Wait.Until(() => device.ListenPort != 0, TwoHosts.Patience, "a port");
        int random = device.ListenPort;
        Wait.Until(() => IsKept(device, random), TwoHosts.Patience, "the port on disk");
        device.Kill();
        UdpPort taker = Take((ushort)random);
        device.Start();

        device.Process.WaitForLine("Nobody asked for this port", TwoHosts.Patience);
        Wait.Until(() => device.ListenPort is not 0 && device.ListenPort != random, TwoHosts.Patience, "another port");

        taker.Close();
        device.Set("listen-port", $"{Taken}");
        Wait.Until(() => IsKept(device, Taken), TwoHosts.Patience, "the port on disk");
        device.Kill();
        taker = Take(Taken);
        device.Start();
        device.Process.WaitForLine("tried again", TwoHosts.Patience);
        Assert.Equal(0, device.ListenPort);
        taker.Close();
        Wait.Until(() => device.ListenPort == Taken, TwoHosts.Patience, "the port that was asked for");
    }

    [Fact]
    public void Rp_ends_with_the_word_that_names_its_port()
    {
        Take(Taken);
        string keys = Path.Combine(_hosts.Net.TempFolder, "keys");
        _hosts.A.Run(Repository.Program, "rp", "genkey", keys);

        CommandResult rp = _hosts.A.TryRun(
            Repository.Program, "rp", "exchange", "--state-dir", _hosts.State, "--run-dir", _hosts.State, keys,
            "dev", _hosts.Net.NewInterfaceName(), "listen", $"{TwoHosts.OuterA}:{Taken - 1}");

        Assert.Equal(1, rp.ExitCode);
        Assert.Contains($"UDP port {Taken} is in use by", rp.Error, StringComparison.Ordinal);
        Assert.Contains("'listen'", rp.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("listen-port", rp.Error, StringComparison.Ordinal);
    }

    private static bool IsKept(PersistentDevice device, int port) =>
        File.Exists(device.StateFile) && File.ReadAllText(device.StateFile).Contains($"\"listenPort\":{port}", StringComparison.Ordinal);

    /// <summary>Takes a port on the first host, for this process.</summary>
    private UdpPort Take(ushort number)
    {
        UdpPort port = _hosts.A.Namespace.Run(() =>
        {
            var taker = new UdpPort();
            taker.Open(number);
            return taker;
        });
        _ports.Add(port);
        return port;
    }
}
