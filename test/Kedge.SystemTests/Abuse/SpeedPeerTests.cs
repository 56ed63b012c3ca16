namespace Kedge.SystemTests.Abuse;

/// <summary>What one peer can send inside its own tunnel while a stream through that of another one takes all that the machine has.</summary>
[Collection(BusyTunnelTests.Name)]
public class SpeedPeerTests(BusyTunnel tunnel)
{
    private const int Count = 100_000;

    [Fact]
    public void A_peer_that_sends_again_what_it_has_sent()
    {
        using RoguePeer rogue = tunnel.AddRoguePeer();
        long acceptable = 0;
        int again = 0;

        Dictionary<string, long> counted = tunnel.Withstand(
            _ => again = rogue.SendReplays(Count, sentOnce: () => acceptable = rogue.SentBytes));

        Assert.True(counted["Replayed"] > again / 20, $"{counted["Replayed"]} of {again} copies were taken for such");
        Assert.InRange(tunnel.AcceptedFrom(rogue), 1, acceptable);
    }

    [Fact]
    public void A_peer_that_sends_nothing_but_fragments()
    {
        using RoguePeer rogue = tunnel.AddRoguePeer();

        Dictionary<string, long> counted = tunnel.Withstand(_ => rogue.SendFragments(Count));

        Assert.InRange(tunnel.AcceptedFrom(rogue), rogue.SentBytes / 20, rogue.SentBytes);
        Assert.Equal(0, counted["MalformedInnerPacket"]);
        Assert.Equal(0, counted["NotAuthentic"]);
    }

    [Fact]
    public void A_peer_that_sends_the_shortest_and_the_longest_packets()
    {
        using RoguePeer rogue = tunnel.AddRoguePeer();

        Dictionary<string, long> counted = tunnel.Withstand(_ => rogue.SendExtremes(Count));

        // An empty one is a keepalive and a header alone is a packet; what is shorter is neither.
        Assert.InRange(counted["MalformedInnerPacket"], Count / 40, Count / 2);
        Assert.Equal(0, counted["SourceNotAllowed"]);
        Assert.Equal(0, counted["NotAuthentic"]);
    }
}
