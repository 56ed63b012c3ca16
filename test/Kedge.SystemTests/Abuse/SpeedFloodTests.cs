namespace Kedge.SystemTests.Abuse;

/// <summary>What strangers can send to the UDP port while a stream through the tunnel takes all that the machine has.</summary>
[Collection(BusyTunnelTests.Name)]
public class SpeedFloodTests(BusyTunnel tunnel)
{
    private const int Seed = 20_2611;
    private readonly Random _random = new(Seed);

    [Fact]
    public void Half_a_million_datagrams_of_junk()
    {
        const int Count = 500_000;

        int sent = 0;
        Dictionary<string, long> counted = tunnel.Withstand(_ => sent = tunnel.FloodJunk(_random, Count));

        Assert.True(sent >= Count, $"{sent} datagrams were sent");
        Assert.True(counted["UnknownDatagram"] > sent / 20, $"{counted["UnknownDatagram"]} of {sent} datagrams were judged");
        Assert.Equal(0, counted["MalformedInnerPacket"]);
        Assert.Equal(0, counted["CookieReplies"]);
    }

    [Fact]
    public void Initiations_whose_first_mac_is_right_from_ten_thousand_addresses()
    {
        const int Count = 200_000;

        int sent = 0;
        Dictionary<string, long> counted = tunnel.Withstand(_ => sent = tunnel.FloodInitiations(_random, addresses: 10_000, Count));

        long judged = counted["CookieReplies"] + counted["HandshakeNotAuthentic"] + counted["HandshakeQueueFull"];
        Assert.True(judged > sent / 20, $"{judged} of {sent} initiations were judged");
        Assert.True(counted["CookieReplies"] > 0);
        // Only until the device knows that it is under load is each one looked into.
        Assert.InRange(counted["HandshakeNotAuthentic"], 0, judged / 4);
    }
}
