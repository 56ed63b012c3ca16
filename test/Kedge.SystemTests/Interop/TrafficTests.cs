using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>IPv4 and IPv6 inside IPv4 and IPv6, in both roles, ICMP, TCP and UDP both ways.</summary>
public abstract class TrafficTests(bool overIPv6)
{
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(1);

    [Theory]
    [InlineData(Implementation.Kedge)]
    [InlineData(Implementation.WireGuardGo)]
    public void Both_families_pass_inside_whoever_begins(Implementation initiator)
    {
        using var tunnel = Tunnel.Start(initiator, overIPv6);
        TunnelEnd kedge = tunnel.Kedge, other = tunnel.Other;

        tunnel.Initiator.Reaches(tunnel.Responder.Address);
        tunnel.Initiator.Reaches(tunnel.Responder.Address6);
        tunnel.Responder.Reaches(tunnel.Initiator.Address);
        tunnel.Responder.Reaches(tunnel.Initiator.Address6);
        Carries(kedge, other, other.Address);
        Carries(kedge, other, other.Address6);
        Carries(other, kedge, kedge.Address);
        Carries(other, kedge, kedge.Address6);

        Assert.Equal(other.Endpoint, kedge.Peer.Endpoint);
        Assert.Equal(kedge.Endpoint, other.Peer.Endpoint);
        Assert.NotNull(kedge.Peer.LatestHandshake);
        Assert.NotNull(other.Peer.LatestHandshake);
    }

    private static void Carries(TunnelEnd from, TunnelEnd to, string address)
    {
        long sentBefore = from.Peer.SentBytes, receivedBefore = to.Peer.ReceivedBytes;
        Iperf tcp = Iperf.Tcp(from.Host, to.Host, address, Duration);
        long sent = from.Peer.SentBytes - sentBefore, received = to.Peer.ReceivedBytes - receivedBefore;
        double payload = tcp.BitsPerSecond / 8 * Duration.TotalSeconds;
        Assert.True(tcp.BitsPerSecond > 1e6, $"{from} to {address}: {tcp}");
        Assert.InRange(received, (long)(0.9 * payload), sent);

        Iperf udp = Iperf.Udp(from.Host, to.Host, address, Duration, 1_000_000, 1200);
        Assert.InRange(udp.Packets, 90, 120);
        Assert.InRange(udp.LostPackets, 0, udp.Packets / 10);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{from} to {address}: {tcp.BitsPerSecond / 1e6:0} Mbit/s, UDP {udp.LostPackets} of {udp.Packets} lost");
    }
}

public sealed class TrafficOverIPv4Tests() : TrafficTests(overIPv6: false);

public sealed class TrafficOverIPv6Tests() : TrafficTests(overIPv6: true);
