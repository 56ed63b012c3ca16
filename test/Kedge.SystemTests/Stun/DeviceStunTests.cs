using Kedge.Demo;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.SystemTests.Device;
using Kedge.SystemTests.Wg;

namespace Kedge.SystemTests.Stun;

/// <summary>
/// A device behind a NAT asks servers from its data socket:
/// <code>
///   device 10.1.0.1 ---- 10.1.0.2 NAT 192.0.2.2 ----- 192.0.2.11, 192.0.2.12 one server
///                                 NAT 198.51.100.2 -- 198.51.100.1 another server
/// </code>
/// </summary>
public sealed class DeviceStunTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _host;
    private readonly Host _nat;
    private readonly DeviceProcess _device;
    private readonly StunPort _first;
    private readonly StunPort _second;

    public DeviceStunTests()
    {
        (_host, _nat) = (_net.AddHost("host"), _net.AddHost("nat"));
        Host servers = _net.AddHost("servers");
        _net.Connect(_host, _nat, ["10.1.0.1/24"], ["10.1.0.2/24"]);
        _net.Connect(_nat, servers, ["192.0.2.2/24"], ["192.0.2.11/24", "192.0.2.12/24"]);
        _host.AddRoute("default", "10.1.0.2");
        _nat.EnableForwarding();
        _first = new StunPort(servers);
        Host more = _net.AddHost("more");
        _net.Connect(_nat, more, ["198.51.100.2/24"], ["198.51.100.1/24"]);
        _second = new StunPort(more);
        _device = DeviceProcess.StartKedge(_host, Repository.Program);
        _device.SetUp(["10.200.0.1/24"]);
        _device.Set("listen-port", "51820");
    }

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
        _net.Dispose();
    }

    [Fact]
    public void A_NAT_with_two_ways_out_shows_each_server_another_endpoint()
    {
        Masquerade("masquerade");
        UseServers("192.0.2.11:3478", "198.51.100.1:3478");
        AwaitAnswers(2);
        using DeviceStatus status = TwoHosts.StatusOf(_device.Name);
        Assert.Equal("192.0.2.2:51820", status.StunResults[0].Reflexive.ToString());
        Assert.Equal("198.51.100.2:51820", status.StunResults[1].Reflexive.ToString());
        Assert.Equal(NatMapping.EndpointDependent, status.NatMapping);
    }

    [Fact]
    public void Behind_a_NAT_that_keeps_its_mapping_all_servers_see_one_endpoint()
    {
        Masquerade("masquerade");
        UseServers("192.0.2.11:3478", "192.0.2.12:3478");
        AwaitAnswers(2);
        using DeviceStatus status = TwoHosts.StatusOf(_device.Name);
        Assert.All(status.StunResults, result => Assert.Equal("192.0.2.2:51820", result.Reflexive.ToString()));
        Assert.Equal(NatMapping.EndpointIndependent, status.NatMapping);
    }

    [Fact]
    public void Behind_a_NAT_that_maps_each_destination_anew_they_do_not()
    {
        Masquerade("masquerade fully-random");
        UseServers("192.0.2.11:3478", "192.0.2.12:3478");
        AwaitAnswers(2);
        using DeviceStatus status = TwoHosts.StatusOf(_device.Name);
        Assert.NotEqual(status.StunResults[0].Reflexive, status.StunResults[1].Reflexive);
        Assert.Equal(NatMapping.EndpointDependent, status.NatMapping);
    }

    [Fact]
    public void Another_port_is_asked_about_at_once()
    {
        Masquerade("masquerade");
        UseServers("192.0.2.11:3478");
        AwaitReflexive("192.0.2.2:51820");
        _device.Set("listen-port", "51821");
        AwaitReflexive("192.0.2.2:51821");
    }

    [Fact]
    public void A_server_that_is_deaf_at_first_is_asked_again()
    {
        Masquerade("masquerade");
        _first.IsDeaf = true;
        UseServers("192.0.2.11:3478");
        Wait.Until(() => Counter("packets") >= 2, TwoHosts.Patience, "a second request");
        Assert.DoesNotContain("reflexive_endpoint", Show(), StringComparison.Ordinal);
        _first.IsDeaf = false;
        AwaitReflexive("192.0.2.2:51820");
    }

    [Fact]
    public void Stock_wg_does_not_notice()
    {
        string before = _host.Run("wg", "showconf", _device.Name).Output;
        string dump = _device.Show("dump");
        Masquerade("masquerade");
        UseServers("192.0.2.11:3478");
        AwaitReflexive("192.0.2.2:51820");

        Assert.Equal(before, _host.Run("wg", "showconf", _device.Name).Output);
        Assert.Equal(dump, _device.Show("dump"));
        Assert.DoesNotContain("stun", UapiClient.Ask(_device.SocketPath, "get=1\n\n"), StringComparison.Ordinal);
        _host.Run("wg", "show", _device.Name);

        // What wg replaces is not the STUN servers.
        string configuration = _net.WriteSecret("wg.conf", before);
        _host.Run("wg", "syncconf", _device.Name, configuration);
        _host.Run("wg", "setconf", _device.Name, configuration);
        Assert.Contains("stun_server=192.0.2.11:3478\n", Show(), StringComparison.Ordinal);

        Assert.Equal("errno=0\n\n", UapiClient.Ask(_device.SocketPath, "set=1\nreplace_stun_servers=true\n\n"));
        Assert.DoesNotContain("stun_server", Show(), StringComparison.Ordinal);
    }

    [Fact]
    public void Strangers_messages_are_dropped_and_counted()
    {
        UseServers("192.0.2.11:3478");
        byte[] answer = [1, 1, 0, 12, 0x21, 0x12, 0xA4, 0x42, .. new byte[12], 0, 0x20, 0, 8, 0, 1, 1, 2, 3, 4, 5, 6];
        string escaped = string.Concat(answer.Select(value => $"\\x{value:x2}"));
        _nat.Run("bash", "-c", $"printf '{escaped}' > /dev/udp/10.1.0.1/51820");
        Wait.Until(() => Show().Contains("drop=UnexpectedStun 1\n", StringComparison.Ordinal), TwoHosts.Patience, "the drop counted");
    }

    private void Masquerade(string how) => _nat.Run(new Command("nft", "-f", "-")
    {
        Input = "add table ip nat\n"
            + "add chain ip nat out { type nat hook postrouting priority 100; }\n"
            + $"add rule ip nat out ip saddr 10.1.0.0/24 {how}\n"
            + "add table ip seen\n"
            + "add chain ip seen forward { type filter hook forward priority 0; }\n"
            + "add rule ip seen forward udp dport 3478 counter\n",
    });

    private long Counter(string what) => long.Parse(
        _nat.Run("nft", "list", "chain", "ip", "seen", "forward").Output.Split($"{what} ")[1].Split(' ')[0],
        System.Globalization.CultureInfo.InvariantCulture);

    private void UseServers(params string[] servers) => Assert.Equal(
        "errno=0\n\n",
        UapiClient.Ask(
            _device.SocketPath, $"set=1\nreplace_stun_servers=true\n{string.Concat(servers.Select(server => $"stun_server={server}\n"))}\n"));

    private string Show() => UapiClient.Ask(_device.SocketPath, "kedge_get=1\n\n");

    private void AwaitReflexive(string endpoint) => Wait.Until(
        () => Show().Contains($"reflexive_endpoint={endpoint}\n", StringComparison.Ordinal), TimeSpan.FromSeconds(40), $"the reflexive endpoint {endpoint}");

    private void AwaitAnswers(int count) => Wait.Until(
        () => Show().Split("reflexive_endpoint=").Length == count + 1, TwoHosts.Patience, $"{count} reflexive endpoints");
}
