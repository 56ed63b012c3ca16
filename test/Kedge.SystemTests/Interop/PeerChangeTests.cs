namespace Kedge.SystemTests.Interop;

/// <summary>Peers that are removed and added again while packets flow.</summary>
public abstract class PeerChangeTests(Implementation changed)
{
    [Fact]
    public void A_peer_that_is_removed_is_heard_no_more_until_it_is_added_again()
    {
        using var tunnel = Tunnel.Start(initiator: changed);
        TunnelEnd here = tunnel.Initiator, there = tunnel.Responder;
        using var pings = PingStream.Start(here.Host, there.Address);
        using var back = PingStream.Start(there.Host, here.Address);
        pings.WaitForReplies(Timeouts.Soon);
        back.WaitForReplies(Timeouts.Soon);

        here.Forget();
        Assert.Empty(here.Device.Peers);
        (int received, int receivedBack) = (pings.Answered.Count, back.Answered.Count);
        // Datagrams go on to arrive, and are of no peer.
        using (Capture cable = tunnel.CaptureCable())
            cable.WaitUntil(packets => packets.Count(packet => packet.IsFrom(there)) >= 10, Timeouts.Soon, "what the peer still sends");
        // One reply may have been under way.
        Assert.InRange(pings.Answered.Count, received, received + 1);
        Assert.InRange(back.Answered.Count, receivedBack, receivedBack + 1);

        here.Meet(there, knowsEndpoint: true);
        TimeSpan taken = pings.WaitForReplies(Timeouts.Retry);
        back.WaitForReplies(Timeouts.Retry);
        Assert.Equal(there.Device.Keys.PublicKey, here.Peer.PublicKey);
        TestContext.Current.TestOutputHelper?.WriteLine($"peer added again to {changed}: first reply after {taken.TotalSeconds:0.0} s");
    }
}

public sealed class PeerChangeAtKedgeTests() : PeerChangeTests(Implementation.Kedge);

public sealed class PeerChangeAtWireGuardGoTests() : PeerChangeTests(Implementation.WireGuardGo);
