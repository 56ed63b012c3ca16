using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Linux;

public class Smoke
{
    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void A_datagram_arrives(string host)
    {
        using UdpPort a = new(), b = new();
        a.Open(0);
        b.Open(0);
        Assert.True(a.HasIPv4 && a.HasIPv6);
        PacketBuffer[] buffers = [new(), new()];
        buffers[0].Length = 100;
        buffers[0].Ecn = 2;
        buffers[0].Destination = new Endpoint(IpAddress.Parse(host), (ushort)b.Port);
        Assert.Equal(1, a.Send(buffers.AsSpan(0, 1)));
        b.WaitReadable();
        Assert.Equal(1, b.Receive(buffers));
        Assert.Equal(100, buffers[0].Length);
        Assert.Equal(2, buffers[0].Ecn);
        Assert.Equal(new Endpoint(IpAddress.Parse(host), (ushort)a.Port), buffers[0].Source);
        Assert.Equal(new Endpoint(IpAddress.Parse(host), (ushort)b.Port, 1), buffers[0].Destination);
        Assert.Equal(default, a.Losses);
        Assert.Equal(default, b.Losses);
    }

    [Fact]
    public void A_tun_device_is_made()
    {
        using var tun = TunDevice.Create("kdgt%d");
        Assert.StartsWith("kdgt", tun.Name);
        Assert.Equal(1420, tun.Mtu);
        Assert.Equal(0, tun.Read([new PacketBuffer()]));
        PacketBuffer packet = new() { Length = 40 };
        packet.Packet[0] = 0x45;
        Assert.Equal(0, tun.Write([packet]));
        Assert.Equal(new TunLosses(1, 0, 0), tun.Losses);
        Assert.True(BootClock.Now.Ticks > 0);
    }
}
