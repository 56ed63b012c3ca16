namespace Kedge.SystemTests.Abuse;

/// <summary>What an administrator, or a program that hangs, does to a tunnel while a stream takes all that the machine has.</summary>
[Collection(BusyTunnelTests.Name)]
public class SpeedChangeTests(BusyTunnel tunnel)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_receiver_that_stops_reading(bool outwards)
    {
        Dictionary<string, long> counted = tunnel.Withstand(BusyTunnel.StopReceiver, outwards);

        Assert.Equal(0, counted["NotAuthentic"]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_interface_taken_down_and_up(bool outwards) => tunnel.Withstand(tunnel.TakeDownAndUp, outwards);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_MTU_changed(bool outwards) => tunnel.Withstand(tunnel.ChangeMtu, outwards);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_listen_port_changed(bool outwards) => tunnel.Withstand(tunnel.ChangeListenPort, outwards);
}
