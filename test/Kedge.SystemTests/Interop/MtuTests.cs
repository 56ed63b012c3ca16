using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>Tunnels of every size, over a path that cuts the datagrams into fragments and over one that need not.</summary>
public sealed class MtuTests
{
    private const int IPv4Headers = 28, IPv6Headers = 48; // IP and ICMP

    [Theory]
    [InlineData(1280, 1500, false)]
    [InlineData(1420, 1500, true)]
    [InlineData(9000, 1500, false)]
    [InlineData(9000, 9100, true)]
    [InlineData(65000, 1500, true)]
    [InlineData(65000, 65535, false)]
    public void Packets_as_long_as_the_MTU_pass_whole(int mtu, int pathMtu, bool overIPv6)
    {
        using var tunnel = Tunnel.Start(overIPv6: overIPv6, mtu: mtu, pathMtu: pathMtu);
        foreach ((TunnelEnd from, TunnelEnd to) in new[] { (tunnel.Kedge, tunnel.Other), (tunnel.Other, tunnel.Kedge) })
        {
            Assert.True(Ping.Run(from.Host, to.Address, payloadBytes: mtu - IPv4Headers, mayFragment: false).AllReceived, $"{mtu} bytes over IPv4 from {from}");
            Assert.True(Ping.Run(from.Host, to.Address6, payloadBytes: mtu - IPv6Headers, mayFragment: false).AllReceived, $"{mtu} bytes over IPv6 from {from}");
            Assert.Equal(0, Ping.Run(from.Host, to.Address, count: 1, payloadBytes: mtu - IPv4Headers + 1, mayFragment: false).Received);

            Iperf tcp = Iperf.Tcp(from.Host, to.Host, to.Address, TimeSpan.FromSeconds(1));
            Assert.True(tcp.BitsPerSecond > 20e6, $"{from} at MTU {mtu}: {tcp}");
            TestContext.Current.TestOutputHelper?.WriteLine($"MTU {mtu} over {pathMtu}, {from} sends: {tcp.BitsPerSecond / 1e6:0} Mbit/s");
        }
    }

    [Fact]
    public void An_MTU_changed_while_the_tunnel_is_up_counts_at_once()
    {
        using var tunnel = Tunnel.Start(mtu: 1280, pathMtu: 9100);
        tunnel.Handshake();
        Assert.Equal(0, Ping.Run(tunnel.Kedge.Host, tunnel.Other.Address, count: 1, payloadBytes: 8000, mayFragment: false).Received);

        foreach (TunnelEnd end in new[] { tunnel.Kedge, tunnel.Other })
            end.Host.Ip("link", "set", end.Device.Name, "mtu", "9000");

        Assert.True(Ping.Run(tunnel.Kedge.Host, tunnel.Other.Address, payloadBytes: 9000 - IPv4Headers, mayFragment: false).AllReceived);
        Assert.True(Ping.Run(tunnel.Other.Host, tunnel.Kedge.Address, payloadBytes: 9000 - IPv4Headers, mayFragment: false).AllReceived);
    }
}
