using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>Keepalives as they are seen on the wire: those that were asked for, at their interval, and no other.</summary>
public abstract class PersistentKeepaliveTests(Implementation sender)
{
    private const int Count = 13;

    [Fact]
    public void A_persistent_keepalive_is_sent_at_its_interval_and_never_answered()
    {
        using var tunnel = Tunnel.Start(initiator: sender);
        using Capture cable = tunnel.CaptureCable();
        TunnelEnd from = tunnel.Initiator, to = tunnel.Responder;

        // Configured on an idle tunnel, it also begins the handshake: nothing else does.
        from.SetPersistentKeepalive(1);
        cable.WaitUntil(
            packets => packets.Count(packet => packet.IsKeepalive && packet.IsFrom(from)) >= Count,
            Timeouts.NoAnswer,
            $"{Count} keepalives of {from}");

        IReadOnlyList<CapturedPacket> seen = cable.Packets;
        TimeSpan[] times = [.. seen.Where(packet => packet.IsKeepalive && packet.IsFrom(from)).Select(packet => packet.Time)];
        // The first one confirms the session; the interval counts from the last packet of either end.
        for (int i = 2; i < times.Length; i++)
            Assert.InRange((times[i] - times[i - 1]).TotalSeconds, 0.95, 1.5);
        // An answer to a keepalive would come 10 s after it. The tunnel was idle for longer than that.
        Assert.True((times[^1] - times[0]).TotalSeconds > 11);
        Assert.Equal([1], seen.Where(packet => packet.IsFrom(from) && !packet.IsKeepalive).Select(packet => packet.MessageType));
        Assert.Equal([2], seen.Where(packet => packet.IsFrom(to)).Select(packet => packet.MessageType));
        Assert.Equal(TimeSpan.FromSeconds(1), from.Peer.PersistentKeepalive);
        Assert.NotNull(to.Peer.LatestHandshake);
    }
}

public sealed class PersistentKeepaliveOfKedgeTests() : PersistentKeepaliveTests(Implementation.Kedge);

public sealed class PersistentKeepaliveOfWireGuardGoTests() : PersistentKeepaliveTests(Implementation.WireGuardGo);

/// <summary>The keepalive that acknowledges data when nothing else is sent back, in both roles.</summary>
public abstract class PassiveKeepaliveTests(Implementation sender)
{
    [Fact]
    public void Data_without_a_reply_is_acknowledged_once_after_10_seconds_and_that_is_all()
    {
        using var tunnel = Tunnel.Start(initiator: sender);
        TunnelEnd from = tunnel.Initiator, to = tunnel.Responder;
        to.Host.SetSetting("net.ipv4.icmp_echo_ignore_all", "1");
        using Capture cable = tunnel.CaptureCable();

        Assert.Equal(0, Ping.Run(from.Host, to.Address, count: 1, patience: Ping.Brief).Received);
        cable.WaitUntil(packets => packets.Any(packet => packet.IsKeepalive && packet.IsFrom(to)), Timeouts.Retry, $"a keepalive of {to}");
        TimeSpan answered = cable.Packets.First(packet => packet.IsKeepalive && packet.IsFrom(to)).Time;

        // An answer to that keepalive would come 10 s later. The next packet, a persistent keepalive that is due after them, marks the
        // time.
        from.SetPersistentKeepalive(0);
        to.SetPersistentKeepalive(12);
        cable.WaitUntil(
            packets => packets.Any(packet => packet.IsFrom(to) && packet.Time > answered + TimeSpan.FromSeconds(11)),
            Timeouts.Retry,
            "the mark");

        IReadOnlyList<CapturedPacket> seen = cable.Packets;
        CapturedPacket data = Assert.Single(seen, packet => packet.MessageType == 4 && !packet.IsKeepalive);
        Assert.True(data.IsFrom(from));
        Assert.InRange((answered - data.Time).TotalSeconds, 9.5, 12);
        Assert.DoesNotContain(seen, packet => packet.IsFrom(from) && packet.Time > data.Time);
    }
}

public sealed class PassiveKeepaliveOfWireGuardGoTests() : PassiveKeepaliveTests(sender: Implementation.Kedge);

public sealed class PassiveKeepaliveOfKedgeTests() : PassiveKeepaliveTests(sender: Implementation.WireGuardGo);
