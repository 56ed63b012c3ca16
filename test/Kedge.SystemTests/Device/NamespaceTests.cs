using Kedge.Demo;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.SystemTests.Wg;

namespace Kedge.SystemTests.Device;

/// <summary>The interface in one network namespace, the UDP port in another.</summary>
public sealed class NamespaceTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _host;
    private readonly Host _other;

    public NamespaceTests()
    {
        (_host, _other) = (_net.AddHost("host"), _net.AddHost("other"));
        _net.Connect(_host, _other, ["10.1.0.1/24"], ["10.1.0.2/24"]);
    }

    public void Dispose() => _net.Dispose();

    [Fact]
    public void The_interface_is_inside_and_its_datagrams_outside()
    {
        Host inside = _net.AddHost("inside");
        DeviceProcess other = StartOther("192.168.7.2/24");
        PersistentDevice device = StartInside(inside, other, "192.168.7.1/32", "192.168.7.0/24");

        Assert.True(TwoHosts.HasInterface(inside, device.Name));
        Assert.False(TwoHosts.HasInterface(_host, device.Name));
        TwoHosts.AwaitTunnel(inside, "192.168.7.2");
        Assert.Contains("10.1.0.1:", Assert.Single(other.Peers).Endpoint, StringComparison.Ordinal);
        Assert.Contains("Network is unreachable", _host.TryRun("ping", "-c", "1", "192.168.7.2").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_runs_in_a_user_namespace_as_in_a_rootless_container()
    {
        string name = _net.NewInterfaceName();

        using RunningProcess device = _host.Start(
            "unshare", "--user", "--map-root-user", "--net", "--kill-child",
            Repository.Program, "wg", name, "--runtime-dir", _net.TempFolder, "--state-dir", _net.TempFolder);

        device.WaitForLine("Ready to be configured", TwoHosts.Patience);
        Assert.Contains("errno=0", UapiClient.Ask(Path.Combine(_net.TempFolder, $"{name}.sock"), "get=1\n\n"), StringComparison.Ordinal);
    }

    [Fact]
    public void An_interface_that_gets_the_index_of_one_that_was_moved_disturbs_nobody()
    {
        Host inside = _net.AddHost("inside");
        DeviceProcess other = StartOther("192.168.7.2/24");
        DeviceProcess device = DeviceProcess.StartKedge(_host, Repository.Program);
        string index = _host.Ip("-o", "link", "show", device.Name).Output.Split(':')[0];
        _host.Ip("link", "set", device.Name, "netns", inside.Namespace.Name);
        inside.AddAddress(device.Name, "192.168.7.1/24");
        inside.Ip("link", "set", device.Name, "up");
        other.AddPeer(device, ["192.168.7.1/32"]);
        device.AddPeer(other, ["192.168.7.2/32"], $"10.1.0.2:{other.ListenPort}");
        TwoHosts.AwaitTunnel(inside, "192.168.7.2");

        _host.Ip("link", "add", "stranger", "index", index, "mtu", "1300", "type", "ifb");
        _host.Ip("link", "set", "stranger", "up");
        _host.Ip("link", "set", "stranger", "down");
        _host.Ip("link", "delete", "stranger");

        Assert.True(Ping.Run(inside, "192.168.7.2", count: 3, payloadBytes: 1000).AllReceived);
        using (DeviceStatus status = TwoHosts.StatusOf(device.Name))
            Assert.Equal(1420, status.Mtu);
        Assert.Single(other.Peers);
        Assert.False(device.Process.HasExited);
        inside.Ip("link", "set", device.Name, "mtu", "1380");
        Wait.Until(() => MtuOf(device) == 1380, TwoHosts.Patience, "its MTU of there");
        int port = device.ListenPort;
        inside.Ip("link", "set", device.Name, "down");
        Wait.Until(() => !HasPort(port), TwoHosts.Patience, "the port closed");
        inside.Ip("link", "delete", device.Name);
        Assert.Equal(0, device.Process.WaitForExit(TwoHosts.Patience).ExitCode);
    }

    private static int MtuOf(DeviceProcess device)
    {
        using DeviceStatus status = TwoHosts.StatusOf(device.Name);
        return status.Mtu;
    }

    [Fact]
    public void Its_state_is_seen_inside()
    {
        Host inside = _net.AddHost("inside");
        DeviceProcess other = StartOther("192.168.7.2/24");
        PersistentDevice device = StartInside(inside, other, "192.168.7.1/32", "192.168.7.0/24");
        TwoHosts.AwaitTunnel(inside, "192.168.7.2");
        int port = device.ListenPort;

        inside.Ip("link", "set", device.Name, "down");
        Wait.Until(() => !HasPort(port), TwoHosts.Patience, "the port closed");
        inside.Ip("link", "set", device.Name, "up");
        inside.Ip("route", "replace", "192.168.7.0/24", "dev", device.Name);
        Wait.Until(() => HasPort(port), TwoHosts.Patience, "the port open");
        TwoHosts.AwaitTunnel(inside, "192.168.7.2");
    }

    [Fact]
    public void It_is_adopted_inside()
    {
        Host inside = _net.AddHost("inside");
        DeviceProcess other = StartOther("192.168.7.2/24");
        PersistentDevice device = StartInside(inside, other, "192.168.7.1/32", "192.168.7.0/24", "--restore");
        TwoHosts.AwaitTunnel(inside, "192.168.7.2");
        string before = Addresses(inside, device);

        Wait.Until(() => File.Exists(device.StateFile), TwoHosts.Patience, "the state on disk");
        device.Process.Stop();
        device.Start();
        Assert.Equal(before, Addresses(inside, device));
        Assert.False(TwoHosts.HasInterface(_host, device.Name));
        TwoHosts.AwaitTunnel(inside, "192.168.7.2");
    }

    [Fact]
    public void Two_networks_with_the_same_prefix_are_kept_apart_on_one_machine()
    {
        Host first = _net.AddHost("first"), second = _net.AddHost("second");
        // Both overlays use 10.200.0.0/20, and the very same addresses.
        DeviceProcess red = StartOther("10.200.0.2/20");
        Host elsewhere = _net.AddHost("elsewhere");
        _net.Connect(_host, elsewhere, ["10.2.0.1/24"], ["10.2.0.2/24"]);
        DeviceProcess blue = DeviceProcess.StartWireGuardGo(elsewhere);
        blue.SetUp(["10.200.0.2/20"]);

        PersistentDevice toRed = StartInside(first, red, "10.200.0.1/32", "10.200.0.0/20");
        PersistentDevice toBlue = StartInside(second, blue, "10.200.0.1/32", "10.200.0.0/20", [], "10.2.0.2");

        TwoHosts.AwaitTunnel(first, "10.200.0.2");
        TwoHosts.AwaitTunnel(second, "10.200.0.2");
        long redBefore = red.Peers.Single().ReceivedBytes, blueBefore = blue.Peers.Single().ReceivedBytes;
        Assert.True(Ping.Run(first, "10.200.0.2", count: 3, payloadBytes: 1000).AllReceived);
        Assert.InRange(red.Peers.Single().ReceivedBytes - redBefore, 3_000, 100_000);
        Assert.InRange(blue.Peers.Single().ReceivedBytes - blueBefore, 0, 500);
        Assert.NotEqual(toRed.ListenPort, toBlue.ListenPort);
    }

    [Fact]
    public void A_namespace_that_is_not_there_is_refused()
    {
        CommandResult result = _host.TryRun(PersistentDevice.Call(_host, _net.NewInterfaceName(), "--netns", "nowhere"));
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("ip netns add nowhere", result.Error, StringComparison.Ordinal);
    }

    private static string Addresses(Host inside, PersistentDevice device) =>
        inside.Ip("-brief", "address", "show", "dev", device.Name).Output.Replace("UNKNOWN", "UP     ", StringComparison.Ordinal);

    private DeviceProcess StartOther(string address)
    {
        DeviceProcess other = DeviceProcess.StartWireGuardGo(_other);
        other.SetUp([address]);
        return other;
    }

    private PersistentDevice StartInside(Host inside, DeviceProcess other, string address, string route, params string[] options) =>
        StartInside(inside, other, address, route, options, "10.1.0.2");

    private PersistentDevice StartInside(
        Host inside, DeviceProcess other, string address, string route, string[] options, string outerAddress)
    {
        PersistentDevice device = PersistentDevice.Start(_host, ["--netns", inside.Namespace.Name, .. options]);
        inside.Ip("link", "set", device.Name, "up");
        inside.AddAddress(device.Name, address);
        inside.Ip("route", "add", route, "dev", device.Name);
        other.Set("peer", device.Keys.PublicKey, "allowed-ips", address);
        device.AddPeer(other.Keys.PublicKey, route, $"{outerAddress}:{other.ListenPort}");
        return device;
    }

    private bool HasPort(int port) =>
        _host.Run("ss", "-Hlun").Output.Contains($":{port} ", StringComparison.Ordinal);
}
