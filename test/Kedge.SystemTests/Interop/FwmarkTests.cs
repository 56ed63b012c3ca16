using System.Globalization;
using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>The firewall mark of what Kedge sends, by which routes and rules tell it from what passes through the tunnel.</summary>
public sealed class FwmarkTests
{
    private const string Mark = "0x4b45";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_datagram_carries_the_mark(bool overIPv6)
    {
        using var tunnel = Tunnel.Start(Implementation.Kedge, overIPv6);
        Host kedge = tunnel.Kedge.Host;
        // Nothing without the mark leaves this machine, so the tunnel is up only if everything has it: handshakes, data, keepalives.
        kedge.Run(new Command("nft", "-f", "-")
        {
            Input =
                $$"""
                table inet marks {
                    chain unmarked {
                        type filter hook output priority 0
                        udp dport {{TunnelEnd.Port}} meta mark != {{Mark}} counter drop
                    }
                }

                """,
        });
        Assert.Equal(0, Ping.Run(kedge, tunnel.Other.Address, count: 2, patience: Ping.Brief).Received);
        Assert.Null(tunnel.Kedge.Peer.LatestHandshake);

        tunnel.Kedge.Device.Set("fwmark", Mark);
        using var pings = PingStream.Start(kedge, tunnel.Other.Address);
        pings.WaitForReplies(Timeouts.Retry);
        long dropped = Dropped(kedge);
        Assert.True(dropped > 0);
        Assert.Equal(Mark, tunnel.Kedge.Device.Show("fwmark").Trim());

        // Another port is another socket.
        tunnel.Kedge.Device.Set("listen-port", "51999");
        pings.WaitForReplies(Timeouts.Soon);
        Assert.Equal(dropped, Dropped(kedge));

        tunnel.Kedge.Device.Set("fwmark", "0");
        Wait.Until(() => Dropped(kedge) > dropped, Timeouts.Soon, "a datagram without the mark");
    }

    [Fact]
    public void The_mark_chooses_the_route()
    {
        using var tunnel = Tunnel.Start(Implementation.Kedge);
        Host kedge = tunnel.Kedge.Host;
        // As wg-quick does it for a default route: the tunnel is the way to everywhere, but for what has the mark.
        kedge.Ip("route", "add", "192.0.2.0/24", "dev", tunnel.Cable.InterfaceOfA, "src", "192.0.2.1", "table", "77");
        kedge.Ip("rule", "add", "fwmark", Mark, "lookup", "77");
        kedge.Ip("route", "delete", "192.0.2.0/24", "dev", tunnel.Cable.InterfaceOfA);
        kedge.Ip("route", "add", "default", "dev", tunnel.Kedge.Device.Name);
        Assert.Equal(0, Ping.Run(kedge, tunnel.Other.Address, count: 2, patience: Ping.Brief).Received);

        tunnel.Kedge.Device.Set("fwmark", Mark);

        using var pings = PingStream.Start(kedge, tunnel.Other.Address);
        pings.WaitForReplies(Timeouts.Retry);
    }

    private static long Dropped(Host host)
    {
        string[] words = host.Run("nft", "list", "chain", "inet", "marks", "unmarked").Output.Split(' ');
        return long.Parse(words[Array.IndexOf(words, "packets") + 1], CultureInfo.InvariantCulture);
    }
}
