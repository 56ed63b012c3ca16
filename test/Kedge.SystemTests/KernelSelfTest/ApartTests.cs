using System.Net;
using System.Net.Sockets;
using Kedge.Demo;
using Kedge.SystemTests.Device;
using DeviceStatus = Kedge.Protocol.WireGuard.Uapi.DeviceStatus;

namespace Kedge.SystemTests.KernelSelfTest;

/// <summary>
/// Two devices whose UDP ports are on the loopback interface of one host, and whose interfaces are on two others, without any other link
/// between the three.
/// </summary>
public sealed class ApartTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _middle, _hostOne, _hostTwo;
    private readonly SelfTestEnd _one, _two;

    public ApartTests()
    {
        (_middle, _hostOne, _hostTwo) = (_net.AddHost("middle"), _net.AddHost("one"), _net.AddHost("two"));
        (_one, _two) = SelfTestEnd.StartPair(_middle, _hostOne, _middle, _hostTwo);
    }

    public void Dispose() => _net.Dispose();

    [Fact]
    public void Ten_pings_are_counted_to_the_byte_at_both_ends()
    {
        Meet("127.0.0.1:1", "127.0.0.1:2");
        Assert.True(Ping.Run(_hostTwo, _one.Address, count: 10, interval: TimeSpan.FromMilliseconds(10)).AllReceived);
        PeerStatus atOne = _one.Device.Peers.Single(), atTwo = _two.Device.Peers.Single();
        // Ten data messages of 128 bytes, and an initiation, a response and perhaps a keepalive.
        Assert.Equal((10 * 128 + 92, 10 * 128 + 92), (atOne.SentBytes, atTwo.ReceivedBytes));
        Assert.True(atTwo.SentBytes is 10 * 128 + 148 or 10 * 128 + 148 + 32, $"{atTwo.SentBytes}");
        Assert.Equal(atTwo.SentBytes, atOne.ReceivedBytes);
        Assert.NotNull(atOne.LatestHandshake);
    }

    [Theory]
    [InlineData("127.0.0.1", 1420)]
    [InlineData("127.0.0.1", 34736)]
    [InlineData("[::1]", 1420)]
    [InlineData("[::1]", 34736)]
    public void Ping_TCP_and_UDP_of_both_families_pass_at_any_MTU(string outer, int mtu)
    {
        _one.SetLink("mtu", $"{mtu}");
        _two.SetLink("mtu", $"{mtu}");
        Meet($"{outer}:1", $"{outer}:2");
        foreach ((SelfTestEnd from, SelfTestEnd to) in new[] { (_one, _two), (_two, _one) })
        {
            from.Reaches(to.Address);
            from.Reaches(to.Address6);
        }
        TimeSpan second = TimeSpan.FromSeconds(1);
        Assert.True(Iperf.Tcp(_hostOne, _hostTwo, _two.Address, second, streams: 5).BitsPerSecond > 1e6);
        Assert.True(Iperf.Tcp(_hostTwo, _hostOne, _one.Address6, second).BitsPerSecond > 1e6);
        Assert.True(Iperf.Udp(_hostOne, _hostTwo, _two.Address6, second, 1_000_000, 1200).BitsPerSecond > 1e5);
    }

    [Fact]
    public void A_peer_is_followed_to_another_address_port_and_family()
    {
        Meet("127.0.0.1:1", "127.0.0.1:2");
        _one.Reaches(_two.Address);

        _middle.Ip("address", "delete", "127.0.0.1/8", "dev", "lo");
        _middle.Ip("address", "add", "127.212.121.99/8", "dev", "lo");
        _one.Device.Set("listen-port", "9999");
        _one.SetEndpoint(_two, "127.0.0.1:2");
        _one.Reaches(_two.Address6);
        Assert.Equal("127.212.121.99:9999", _two.PeerEndpoint);

        _one.Device.Set("listen-port", "9998");
        _one.SetEndpoint(_two, "[::1]:2");
        _one.Reaches(_two.Address);
        Assert.Equal("[::1]:9998", _two.PeerEndpoint);
    }

    [Fact]
    public void A_packet_from_an_address_that_belongs_to_another_peer_goes_nowhere_but_moves_the_endpoint()
    {
        Meet("[::1]:1", "[::1]:2");
        _one.Device.Set("peer", _two.PublicKey, "allowed-ips", "192.168.241.0/24");
        using Socket receiver = Open(_hostOne, _one.Address), sender = Open(_hostTwo, _two.Address);
        Wait.Until(() => Passes(sender, receiver), SelfTestEnd.Patience, "a datagram");

        string other = WireGuardKeys.Generate().PublicKey;
        _one.Device.Set("peer", other, "allowed-ips", $"{_two.Address}/32");
        _two.Device.Set("listen-port", "9997");
        Assert.False(Passes(sender, receiver));
        Wait.Until(() => Endpoint(_one, _two) == "[::1]:9997", SelfTestEnd.Patience, "the new endpoint");
        _one.Device.Set("peer", other, "remove");
        _one.Device.Set("peer", _two.PublicKey, "allowed-ips", $"{_two.Address}/32");
        Wait.Until(() => Passes(sender, receiver), SelfTestEnd.Patience, "a datagram again");
    }

    [Fact]
    public void Another_private_key_makes_another_session_at_once()
    {
        Meet("127.0.0.1:1", "127.0.0.1:2");
        _one.Reaches(_two.Address);
        WireGuardKeys keys = WireGuardKeys.Generate();
        string psk = _net.WriteSecret("other.psk", WireGuardKeys.GeneratePresharedKey());

        _one.Device.Set("private-key", _net.WriteSecret("other.key", keys.PrivateKey), "peer", _two.PublicKey, "preshared-key", psk);
        _two.Device.Set("peer", keys.PublicKey, "preshared-key", psk, "allowed-ips", $"{_one.Address}/32");
        _two.Device.Set("peer", _one.PublicKey, "remove");

        _one.Reaches(_two.Address);
        Assert.Equal(keys.PublicKey, Assert.Single(_two.Device.Peers).PublicKey);
    }

    [Fact]
    public void A_tunnel_passes_through_another_one()
    {
        Meet("127.0.0.1:1", "127.0.0.1:2");
        var inner = SelfTestEnd.StartPair(_hostOne, _net.AddHost("inner-one"), _hostTwo, _net.AddHost("inner-two"));
        inner.One.SetLink("mtu", "1340");
        inner.Two.SetLink("mtu", "1340");
        inner.One.SetEndpoint(inner.Two, $"[{_two.Address6}]:2");
        inner.Two.SetEndpoint(inner.One, $"[{_one.Address6}]:1");

        inner.One.Reaches(inner.Two.Address6);
        Iperf tcp = Iperf.Tcp(inner.One.Inside, inner.Two.Inside, inner.Two.Address, TimeSpan.FromSeconds(1), streams: 5);
        Assert.True(tcp.BitsPerSecond > 1e6, $"{tcp}");
    }

    [Fact]
    public void Two_devices_that_each_send_through_the_other_do_so_only_a_few_times()
    {
        Meet("127.0.0.1:1", "127.0.0.1:2");
        var inner = SelfTestEnd.StartPair(_hostOne, _middle, _hostTwo, _net.AddHost("inner-two"));
        inner.One.SetLink("mtu", "1340");
        inner.Two.SetLink("mtu", "1340");
        inner.One.SetEndpoint(inner.Two, $"[{_two.Address6}]:2");
        inner.One.Reaches(inner.Two.Address);

        _one.SetEndpoint(_two, $"{inner.Two.Address}:7");
        _two.Device.Dispose();
        inner.Two.Device.Dispose();
        long before = inner.One.Device.Peers.Single().SentBytes;
        Assert.False(Ping.Run(_middle, inner.Two.Address, count: 10, patience: Ping.Brief).AllReceived);

        AssertFewBytes();
        Wait.Until(() => Loops(_one) + Loops(inner.One) >= 10, SelfTestEnd.Patience, "the ends of ten packets");
        AssertFewBytes();

        void AssertFewBytes() => Assert.InRange(inner.One.Device.Peers.Single().SentBytes - before, 1, 70_000);
    }

    private static long Loops(SelfTestEnd end)
    {
        using DeviceStatus status = TwoHosts.StatusOf(end.Device.Name);
        return status.Drops.Single(drop => drop.Name == "RoutingLoop").Value;
    }

    private static string Endpoint(SelfTestEnd at, SelfTestEnd of) =>
        at.Device.Peers.Single(peer => peer.PublicKey == of.PublicKey).Endpoint ?? "";

    private static bool Passes(Socket sender, Socket receiver)
    {
        sender.SendTo("X"u8, new IPEndPoint(((IPEndPoint)receiver.LocalEndPoint!).Address, 1111));
        return receiver.Poll(TimeSpan.FromSeconds(1), SelectMode.SelectRead) && receiver.Receive(new byte[8]) == 1;
    }

    private static Socket Open(Host host, string address) => host.Namespace.Run(() =>
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Parse(address), 1111));
        return socket;
    });

    private void Meet(string endpointOfOne, string endpointOfTwo)
    {
        _one.SetEndpoint(_two, endpointOfTwo);
        _two.SetEndpoint(_one, endpointOfOne);
    }
}
