using Kedge.Demo;

namespace Kedge.SystemTests.KernelSelfTest;

/// <summary>A host behind a router that translates addresses, and one in front of it.</summary>
public sealed class RouterTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _hostOne, _router, _hostTwo;
    private readonly Link _home;
    private readonly SelfTestEnd _one, _two;

    public RouterTests()
    {
        (_hostOne, _router, _hostTwo) = (_net.AddHost("one"), _net.AddHost("router"), _net.AddHost("two"));
        _home = _net.Connect(_hostOne, _router, ["192.168.1.100/24", "fc00::9/96"], ["192.168.1.1/24"]);
        _net.Connect(_router, _hostTwo, ["10.0.0.1/24"], ["10.0.0.100/24"]);
        _hostOne.AddRoute("default", "192.168.1.1");
        _router.EnableForwarding();
        Translate(_router, "192.168.1.0/24", "10.0.0.0/24", "10.0.0.1");
        (_one, _two) = SelfTestEnd.StartPair(_hostOne, _hostOne, _hostTwo, _hostTwo);
        _one.SetEndpoint(_two, "10.0.0.100:2");
    }

    public void Dispose() => _net.Dispose();

    [Fact]
    public void A_keepalive_keeps_the_way_back_open()
    {
        _router.TrySetSetting("net.netfilter.nf_conntrack_udp_timeout", "2");
        _router.TrySetSetting("net.netfilter.nf_conntrack_udp_timeout_stream", "2");
        _one.Device.Set("peer", _two.PublicKey, "persistent-keepalive", "1");
        _one.Reaches(_two.Address);
        _two.Reaches(_one.Address);
        Assert.Equal("10.0.0.1:1", _two.PeerEndpoint);

        // Longer than the router remembers a flow without packets: what passes meanwhile are keepalives.
        long before = _two.Device.Peers.Single().ReceivedBytes;
        Wait.Until(() => _two.Device.Peers.Single().ReceivedBytes >= before + 3 * 32, SelfTestEnd.Patience, "three keepalives");
        Assert.True(Ping.Run(_hostTwo, _one.Address, count: 1).AllReceived);
    }

    [Fact]
    public void Packets_that_are_bound_to_the_interface_or_marked_on_their_way_pass()
    {
        _one.Reaches(_two.Address);
        string[] bound = ["ping", "-n", "-I", _one.Device.Name, "-c", "1", "-W", "5", _two.Address];
        Assert.True(_hostOne.TryRun(bound).Succeeded);
        _hostOne.Run("iptables", "-t", "mangle", "-I", "OUTPUT", "-j", "MARK", "--set-xmark", "1");
        Assert.True(Ping.Run(_hostOne, _two.Address, count: 1).AllReceived);
        Assert.True(_hostOne.TryRun(bound).Succeeded);
    }

    [Fact]
    public void A_peer_is_reached_through_another_peer_of_the_same_interface_and_a_loop_of_it_carries_nothing()
    {
        SelfTestEnd third = new(_hostTwo, _hostTwo, 3);
        _hostTwo.AddAddress(third.Device.Name, "192.168.242.2/24");
        third.SetLink("up");
        third.Device.Set("listen-port", "5", "peer", _one.PublicKey, "allowed-ips", "192.168.242.1/32");
        _one.Device.Set("peer", third.PublicKey, "allowed-ips", "192.168.242.2/32", "endpoint", $"{_two.Address}:5");
        _hostOne.AddAddress(_one.Device.Name, "192.168.242.1/24");

        _one.Reaches("192.168.242.2");

        _hostTwo.Ip("link", "delete", third.Device.Name);
        _one.SetEndpoint(third, "192.168.242.2:5");
        Assert.False(Ping.Run(_hostOne, "192.168.242.2", count: 1, patience: Ping.Brief).AllReceived);
        _one.Reaches(_two.Address);
    }

    [Fact]
    public void All_but_the_devices_own_datagrams_leave_by_a_default_route_of_the_tunnel()
    {
        string name = _one.Device.Name;
        _hostTwo.AddAddress(_two.Device.Name, "192.168.99.7/32");
        _hostTwo.AddAddress(_two.Device.Name, "abab::1111/128");
        _one.Device.Set("fwmark", "51820", "peer", _two.PublicKey, "allowed-ips", "192.168.99.7/32,abab::1111/128");
        _two.Device.Set("peer", _one.PublicKey, "allowed-ips", $"{_one.Address}/32,{_one.Address6}/128");
        foreach (string family in (string[])["-4", "-6"])
        {
            _hostOne.Ip(family, "route", "add", "default", "dev", name, "table", "51820");
            _hostOne.Ip(family, "rule", "add", "not", "fwmark", "51820", "table", "51820");
            _hostOne.Ip(family, "rule", "add", "table", "main", "suppress_prefixlength", "0");
        }
        _hostOne.SetSetting($"net.ipv4.conf.{_home.InterfaceOfA}.rp_filter", "0");
        _hostOne.SetSetting("net.ipv4.conf.all.rp_filter", "0");

        _one.Reaches("192.168.99.7");
        Assert.True(Ping.Run(_hostOne, "192.168.99.7", count: 100, interval: TimeSpan.FromMilliseconds(5)).Received > 95);
        Assert.True(Ping.Run(_hostOne, "abab::1111", count: 100, interval: TimeSpan.FromMilliseconds(5)).Received > 95);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_sender_of_a_packet_for_nobody_is_told_so_through_a_router_and_its_translation_of_addresses_too(bool isTranslated)
    {
        _two.Device.Set("peer", _one.PublicKey, "remove");
        Assert.Contains("Destination Host Unreachable", PingOnce(_hostTwo, _one.Address), StringComparison.Ordinal);
        Assert.Contains("Address unreachable", PingOnce(_hostTwo, _one.Address6), StringComparison.Ordinal);

        _hostTwo.EnableForwarding();
        _router.AddRoute($"{_one.Address}/32", "10.0.0.100");
        if (isTranslated)
            Translate(_hostTwo, "10.0.0.0/24", "192.168.241.0/24", _two.Address);
        Assert.Contains("Destination Host Unreachable", PingOnce(_router, _one.Address), StringComparison.Ordinal);
    }

    private static void Translate(Host host, string from, string to, string source) =>
        host.Run("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", from, "-d", to, "-j", "SNAT", "--to", source);

    private static string PingOnce(Host from, string address) => from.TryRun("ping", "-n", "-c", "1", "-W", "5", address).Output;
}
