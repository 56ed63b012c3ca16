using Kedge.Demo;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Soak;

/// <summary>
/// Sessions that are renewed in real time (WireGuard paper, section 6.2): by the initiator, at 120 s, without the loss of a packet.
/// </summary>
[Trait("Category", "Soak")]
public abstract class RekeyTests(Implementation initiator)
{
    // The paper's REKEY_AFTER_TIME and REJECT_AFTER_TIME, with what the clocks of two processes and a busy machine may add.
    private static readonly TimeSpan RekeyAfter = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan RejectAfter = TimeSpan.FromSeconds(180);
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(3);

    [Fact]
    public void A_session_is_renewed_by_its_initiator_and_loses_nothing()
    {
        using var tunnel = Tunnel.Start(initiator);
        using Capture cable = tunnel.CaptureCable();
        using var pings = PingStream.Start(tunnel.Initiator.Host, tunnel.Responder.Address);
        pings.WaitForReplies(Timeouts.Soon);
        DateTimeOffset first = tunnel.Kedge.Peer.LatestHandshake!.Value;

        cable.WaitUntil(
            packets => Initiations(packets).Count >= 3 && packets[^1].Time > Initiations(packets)[2].Time + Slack,
            2 * (RekeyAfter + Slack) + Timeouts.Retry,
            "two renewals");
        IReadOnlyList<int> lost = pings.Lost;
        IReadOnlyList<CapturedPacket> packets = cable.Packets;

        Assert.Empty(lost);
        Assert.True(tunnel.Kedge.Peer.LatestHandshake > first + 2 * RekeyAfter - Slack);
        List<CapturedPacket> initiations = Initiations(packets);
        Assert.All(initiations, packet => Assert.True(packet.IsFrom(tunnel.Initiator), $"an initiation by {packet.Source}"));
        Assert.All(
            initiations.Zip(initiations.Skip(1), (one, next) => next.Time - one.Time),
            interval => Assert.InRange(interval, RekeyAfter - Slack, RekeyAfter + Slack));
        NoSessionIsUsedTooLong(packets, tunnel);
    }

    [Fact]
    public void Ten_minutes_of_traffic_pass()
    {
        TimeSpan duration = TimeSpan.FromMinutes(10);
        using var tunnel = Tunnel.Start(initiator);
        using Capture handshakes = Capture.Start(tunnel.Cable.A, tunnel.Cable.InterfaceOfA, "udp[8] != 4");
        tunnel.Initiator.Reaches(tunnel.Responder.Address); // before anything that would make the other end initiate
        using var pings = PingStream.Start(tunnel.Responder.Host, tunnel.Initiator.Address, interval: 1);

        Iperf traffic = Iperf.Udp(tunnel.Initiator.Host, tunnel.Responder.Host, tunnel.Responder.Address, duration, 20_000_000, 1200);

        Assert.InRange(traffic.Packets, 20_000_000 / 8 / 1200 * 590L, 20_000_000 / 8 / 1200 * 610L);
        Assert.InRange(traffic.LostPackets, 0, traffic.Packets / 1000);
        Assert.Empty(pings.Lost);
        Assert.True(pings.Answered.Count > 550, $"{pings.Answered.Count} replies"); // ping waits a little longer than the second it is told
        Assert.InRange(Initiations(handshakes.Packets).Count, 5, 6);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{initiator} initiates: {traffic.LostPackets} of {traffic.Packets} datagrams lost");
    }

    private static List<CapturedPacket> Initiations(IEnumerable<CapturedPacket> packets) =>
        [.. packets.Where(packet => packet.MessageType == 1)];

    private static void NoSessionIsUsedTooLong(IReadOnlyList<CapturedPacket> packets, Tunnel tunnel)
    {
        // A session is known by the index that its receiver has given it: one a session and direction.
        var sessions = packets.Where(packet => packet.MessageType == 4).GroupBy(packet => (packet.Source, packet.ReceiverIndex)).ToList();
        Assert.Equal(2 * 3, sessions.Count);
        Assert.All(sessions, session => Assert.InRange(session.Last().Time - session.First().Time, TimeSpan.Zero, RejectAfter));
        // And each end goes over to the new one for good.
        foreach (TunnelEnd end in new[] { tunnel.Kedge, tunnel.Other })
        {
            var used = packets
                .Where(packet => packet.MessageType == 4 && packet.IsFrom(end))
                .Select(packet => packet.ReceiverIndex)
                .ToList();
            Assert.Equal(used.Distinct().Count() - 1, used.Zip(used.Skip(1)).Count(pair => pair.First != pair.Second));
        }
    }
}

public sealed class RekeyByKedgeTests() : RekeyTests(Implementation.Kedge);

public sealed class RekeyByWireGuardGoTests() : RekeyTests(Implementation.WireGuardGo);
