using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>The preshared key, which is mixed into every handshake: right, wrong, repaired, and changed while the tunnel is up.</summary>
public abstract class PresharedKeyTests(Implementation initiator)
{
    private readonly string _key = WireGuardKeys.GeneratePresharedKey(), _otherKey = WireGuardKeys.GeneratePresharedKey();

    [Fact]
    public void With_the_same_key_at_both_ends_packets_pass()
    {
        using var tunnel = Tunnel.Start(initiator, presharedKey: _key);

        tunnel.Handshake();

        Assert.True(tunnel.Kedge.Peer.HasPresharedKey);
        Assert.True(tunnel.Other.Peer.HasPresharedKey);
    }

    [Fact]
    public void With_different_keys_nothing_passes_until_they_are_the_same()
    {
        using var tunnel = Tunnel.Start(initiator, presharedKey: _key);
        tunnel.Initiator.SetPresharedKey(_otherKey);
        using Capture cable = tunnel.CaptureCable();

        Assert.Equal(0, Ping.Run(tunnel.Initiator.Host, tunnel.Responder.Address, count: 5, patience: Ping.Brief).Received);
        // An answer comes, since only the answer is made with the key, but nobody can use it.
        cable.WaitUntil(packets => packets.Any(packet => packet.MessageType == 2), Timeouts.Soon, "a response");
        Assert.DoesNotContain(cable.Packets, packet => packet.MessageType == 4);
        Assert.Null(tunnel.Kedge.Peer.LatestHandshake);
        Assert.Null(tunnel.Other.Peer.LatestHandshake);

        tunnel.Initiator.SetPresharedKey(_key);
        using var pings = PingStream.Start(tunnel.Initiator.Host, tunnel.Responder.Address);
        pings.WaitForReplies(Timeouts.Retry);
    }

    [Fact]
    public void A_key_changed_while_the_tunnel_is_up_counts_from_the_very_next_handshake()
    {
        using var tunnel = Tunnel.Start(initiator, presharedKey: _key);
        tunnel.Handshake();

        // The session in use is not touched, whoever changes the key.
        tunnel.Kedge.SetPresharedKey(_otherKey);
        tunnel.Initiator.Reaches(tunnel.Responder.Address);

        // The next handshake mixes in the new key at Kedge's end, so it fails while the other end has the old one.
        using Capture cable = tunnel.CaptureCable();
        tunnel.Initiator.EndSessions();
        using var pings = PingStream.Start(tunnel.Initiator.Host, tunnel.Responder.Address);
        cable.WaitUntil(packets => packets.Any(packet => packet.MessageType == 2), Timeouts.Soon, "a response");
        cable.WaitUntil(packets => packets.Count(packet => packet.MessageType == 1) > 1, Timeouts.Soon, "a second initiation");
        Assert.Empty(pings.Answered);

        // And as soon as that has it too, the handshake that is tried next succeeds.
        tunnel.Other.SetPresharedKey(_otherKey);
        int tried = cable.Packets.Count(packet => packet.MessageType == 1);
        pings.WaitForReplies(Timeouts.Retry);
        Assert.InRange(cable.Packets.Count(packet => packet.MessageType == 1), tried, tried + 1);
    }
}

public sealed class PresharedKeyOfKedgeInitiatingTests() : PresharedKeyTests(Implementation.Kedge);

public sealed class PresharedKeyOfWireGuardGoInitiatingTests() : PresharedKeyTests(Implementation.WireGuardGo);
