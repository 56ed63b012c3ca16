using System.Globalization;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Abuse;

/// <summary>What an administrator, or a program that hangs, does to a tunnel while a stream takes all that the machine has.</summary>
[Collection(BusyTunnelTests.Name)]
public class SpeedChangeTests(BusyTunnel tunnel)
{
    [Fact]
    public void A_receiver_that_stops_reading()
    {
        Dictionary<string, long> counted = tunnel.Withstand(stream =>
        {
            stream.StopReading();
            stream.AwaitStandstill();
            Assert.Equal(0, stream.Measure(TimeSpan.FromSeconds(1)));
            stream.GoOnReading();
        });

        Assert.Equal(0, counted["MalformedInnerPacket"]);
        Assert.Equal(0, counted["NotAuthentic"]);
    }

    [Fact]
    public void The_interface_taken_down_and_up()
    {
        tunnel.Withstand(
            stream =>
            {
                for (int i = 0; i < 3; i++)
                {
                    Interface("down");
                    stream.AwaitStandstill();
                    Interface("up");
                    stream.AwaitMore();
                }
            },
            outwards: true);

        void Interface(string state) => tunnel.Victim.Host.Ip("link", "set", tunnel.Victim.Device.Name, state);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_MTU_changed(bool outwards)
    {
        // Down to what IPv6 needs, up to what the cable has no room for, and back.
        tunnel.Withstand(
            stream =>
            {
                foreach (int mtu in (int[])[1280, 1420, 9000, 576, 1420])
                {
                    foreach (TunnelEnd end in (TunnelEnd[])[tunnel.Victim, tunnel.Peer])
                        end.Host.Ip("link", "set", end.Device.Name, "mtu", mtu.ToString(CultureInfo.InvariantCulture));
                    stream.AwaitMore();
                }
            },
            outwards);
    }

    [Fact]
    public void The_listen_port_changed()
    {
        tunnel.Withstand(
            stream =>
            {
                foreach (int port in (int[])[50_001, 50_002, 50_003, TunnelEnd.Port])
                {
                    tunnel.Victim.Device.Set("listen-port", port.ToString(CultureInfo.InvariantCulture));
                    stream.AwaitMore();
                    Assert.Equal(TunnelEnd.EndpointOf(tunnel.Victim.Underlay, port), tunnel.Peer.Peer.Endpoint);
                }
            },
            outwards: true);
    }
}
