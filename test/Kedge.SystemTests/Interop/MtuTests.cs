using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>Tunnels of every size, over a path that cuts the datagrams into fragments and over one that need not.</summary>
public sealed class MtuTests
{
    private const int Headers = 28; // IPv4 and ICMP

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
            from.Reaches(to.Address, mtu);
            from.Reaches(to.Address6, mtu);
            Assert.Equal(0, Ping.Run(from.Host, to.Address, count: 1, payloadBytes: mtu - Headers + 1, mayFragment: false, patience: Ping.Brief).Received);

            Iperf tcp = Iperf.Tcp(from.Host, to.Host, to.Address, TimeSpan.FromSeconds(1));
            Assert.True(tcp.BitsPerSecond > 1e6, $"{from} at MTU {mtu}: {tcp}");
            TestContext.Current.TestOutputHelper?.WriteLine($"MTU {mtu} over {pathMtu}, {from} sends: {tcp.BitsPerSecond / 1e6:0} Mbit/s");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void TCP_to_a_stock_peer_is_cut_to_what_the_interface_on_the_way_carries(bool overIPv6)
    {
        using var tunnel = Tunnel.Start(overIPv6: overIPv6, mtu: 1420, pathMtu: 1280);
        DropFragments(tunnel.Other.Host);
        tunnel.Handshake();
        Assert.Equal(0, Ping.Run(tunnel.Kedge.Host, tunnel.Other.Address, count: 1, payloadBytes: 1400 - Headers, patience: Ping.Brief).Received);

        Iperf tcp = Iperf.Tcp(tunnel.Kedge.Host, tunnel.Other.Host, tunnel.Other.Address, TimeSpan.FromSeconds(1));

        Assert.True(tcp.BitsPerSecond > 20e6, $"{tcp}");
    }

    [Fact]
    public void An_MTU_changed_while_the_tunnel_is_up_counts_at_once()
    {
        using var tunnel = Tunnel.Start(mtu: 1280, pathMtu: 9100);
        tunnel.Handshake();
        Assert.Equal(0, Ping.Run(tunnel.Kedge.Host, tunnel.Other.Address, count: 1, payloadBytes: 8000, mayFragment: false, patience: Ping.Brief).Received);

        foreach (TunnelEnd end in new[] { tunnel.Kedge, tunnel.Other })
            end.Host.Ip("link", "set", end.Device.Name, "mtu", "9000");

        tunnel.Kedge.Reaches(tunnel.Other.Address, 9000);
        tunnel.Other.Reaches(tunnel.Kedge.Address, 9000);
    }

    private static void DropFragments(Host host) => host.Run(new Command("nft", "-f", "-")
    {
        Input = """
            table inet fragments {
                chain before {
                    type filter hook prerouting priority -450; policy accept;
                    ip frag-off & 0x3fff != 0 drop
                    exthdr frag exists drop
                }
            }

            """,
    });
}
