using Kedge.Demo;

namespace Kedge.SystemTests.Device;

/// <summary>An interface that stays when its process ends, and is adopted by the next one; and those that are not adopted.</summary>
public sealed class PersistenceTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _host;

    public PersistenceTests() => _host = _net.AddHost("host");

    public void Dispose() => _net.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_interface_stays_as_it_is_when_its_process_ends_and_is_adopted(bool killed)
    {
        PersistentDevice device = PersistentDevice.Start(_host);
        _host.Ip("link", "set", device.Name, "up");
        _host.AddAddress(device.Name, "10.200.0.5/32");
        _host.AddAddress(device.Name, "fd20::5/128");
        _host.Ip("route", "add", "10.200.0.0/20", "dev", device.Name, "src", "10.200.0.5");
        _host.Ip("route", "add", "10.77.0.0/16", "dev", device.Name, "table", "19301");
        string before = Everything(device.Name);

        if (killed)
            device.Kill();
        else
            Assert.Equal(0, device.Process.Stop().ExitCode);
        Assert.True(TwoHosts.HasInterface(_host, device.Name));
        // Local senders are not led astray meanwhile: the route stays.
        Assert.Contains($"dev {device.Name} ", _host.Ip("route", "get", "10.200.0.6").Output, StringComparison.Ordinal);
        Assert.Contains("NO-CARRIER", _host.Ip("link", "show", "dev", device.Name).Output, StringComparison.Ordinal);

        device.Start();
        Assert.Equal(before, Everything(device.Name));
    }

    [Fact]
    public void An_interface_that_is_deleted_ends_the_process()
    {
        PersistentDevice device = PersistentDevice.Start(_host);
        _host.Ip("link", "delete", device.Name);
        Assert.Equal(0, device.Process.WaitForExit(TwoHosts.Patience).ExitCode);
        Assert.False(File.Exists(device.SocketPath));
    }

    [Fact]
    public void Without_being_asked_to_leave_it_a_device_takes_its_interface_along()
    {
        string name = _net.NewInterfaceName();
        RunningProcess process = _host.Start(PersistentDevice.Call(_host, name));
        process.WaitForLine("Ready to be configured", TwoHosts.Patience);
        process.Kill();
        Wait.Until(() => !TwoHosts.HasInterface(_host, name), TwoHosts.Patience, "the interface gone");
    }

    [Fact]
    public void What_another_process_holds_is_refused_and_left_alone()
    {
        PersistentDevice device = PersistentDevice.Start(_host);
        string sockets = Path.Combine(_net.TempFolder, "sockets");
        CommandResult second = _host.TryRun(PersistentDevice.Call(_host, device.Name, "--persistent", "--runtime-dir", sockets));

        Refused(second, device.Name, "which another process holds", $"ip link delete {device.Name}");
        Assert.Equal(device.Keys.PublicKey, device.Show("public-key")); // it still answers
    }

    [Theory]
    [InlineData("'veth'", "link", "add", "NAME", "type", "veth", "peer", "name", "NAMEp")]
    [InlineData("'bridge'", "link", "add", "name", "NAME", "type", "bridge")]
    [InlineData("is a TAP", "tuntap", "add", "mode", "tap", "name", "NAME")]
    public void An_interface_of_another_kind_is_refused_and_left_alone(string reason, params string[] command)
    {
        string name = _net.NewInterfaceName();
        _host.Ip([.. command.Select(word => word.Replace("NAME", name, StringComparison.Ordinal))]);
        string before = Everything(name);

        Refused(_host.TryRun(PersistentDevice.Call(_host, name, "--persistent")), name, reason, $"ip link delete {name}");
        Assert.Equal(before, Everything(name));
    }

    [Theory]
    [InlineData("on", "vnet_hdr on")]
    [InlineData("off", "vnet_hdr off")]
    public void What_another_program_left_with_headers_before_each_packet_is_set_right(string offload, string expected)
    {
        string name = _net.NewInterfaceName();
        _host.Ip("tuntap", "add", "mode", "tun", "name", name, "pi", "vnet_hdr");
        RunningProcess process = _host.Start(PersistentDevice.Call(_host, name, "--persistent", "--offload", offload));
        process.WaitForLine("Ready to be configured", TwoHosts.Patience);

        string details = _host.Ip("-details", "link", "show", "dev", name).Output;
        Assert.Contains($"tun type tun pi off {expected} persist on", details, StringComparison.Ordinal);
    }

    private static void Refused(CommandResult result, params string[] parts)
    {
        Assert.Equal(1, result.ExitCode);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        foreach (string part in parts)
            Assert.Contains(part, result.Error, StringComparison.Ordinal);
    }

    private string Everything(string name) => string.Join(
        '\n',
        // An interface whose carrier has gone and come is UP, and UNKNOWN while nothing has changed yet.
        _host.Ip("address", "show", "dev", name).Output.Replace("state UNKNOWN", "state UP", StringComparison.Ordinal),
        _host.Ip("route", "show", "table", "all").Output,
        _host.Ip("-6", "route", "show", "table", "all").Output);
}
