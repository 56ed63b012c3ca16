using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>The distribution's wireguard-go with itself: when this fails, the ground is at fault and not Kedge.</summary>
public class WireGuardGoTests
{
    [Fact]
    public void The_distributions_device_speaks_to_itself_over_our_topology()
    {
        using var net = Topology.Create();
        Host a = net.AddHost("a"), b = net.AddHost("b");
        net.Connect(a, b, ["10.1.0.1/24"], ["10.1.0.2/24"]);
        DeviceProcess atA = DeviceProcess.StartWireGuardGo(a), atB = DeviceProcess.StartWireGuardGo(b);
        string psk = WireGuardKeys.GeneratePresharedKey();
        atA.AddPeer(atB, ["192.168.7.2/32", "fd07::2/128"], $"10.1.0.2:{atB.ListenPort}", psk);
        atB.AddPeer(atA, ["192.168.7.1/32", "fd07::1/128"], presharedKey: psk);
        atA.SetUp(["192.168.7.1/24", "fd07::1/64"]);
        atB.SetUp(["192.168.7.2/24", "fd07::2/64"]);

        Assert.True(Ping.Run(a, "192.168.7.2").AllReceived);
        Assert.True(Ping.Run(b, "fd07::1").AllReceived);
        Assert.True(Iperf.Tcp(a, b, "192.168.7.2", TimeSpan.FromSeconds(1)).BitsPerSecond > 0);
        Iperf udp = Iperf.Udp(a, b, "192.168.7.2", TimeSpan.FromSeconds(1), 1_000_000, 1000);
        Assert.InRange(udp.Packets, 100, 200);
        Assert.InRange(udp.LostPackets, 0, udp.Packets / 10);

        PeerStatus peer = Assert.Single(atA.Peers);
        Assert.Equal(atB.Keys.PublicKey, peer.PublicKey);
        Assert.True(peer.HasPresharedKey);
        Assert.NotNull(peer.LatestHandshake);
        Assert.Equal(["192.168.7.2/32", "fd07::2/128"], peer.AllowedIps);
        Assert.StartsWith("10.1.0.1:", Assert.Single(atB.Peers).Endpoint, StringComparison.Ordinal);
    }
}
