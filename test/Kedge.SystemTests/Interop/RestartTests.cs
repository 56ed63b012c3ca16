namespace Kedge.SystemTests.Interop;

/// <summary>An end is killed and comes back with the same keys, and the other end, whose session is worth nothing now, finds out.</summary>
public abstract class RestartTests(Implementation killed)
{
    [Fact]
    public void When_the_restarted_end_has_something_to_send_it_begins_at_once()
    {
        using var tunnel = Tunnel.Start(initiator: killed);
        tunnel.Handshake();
        DateTimeOffset before = tunnel.Responder.Peer.LatestHandshake!.Value;

        tunnel.Initiator.Restart();
        using var pings = PingStream.Start(tunnel.Initiator.Host, tunnel.Responder.Address);
        TimeSpan taken = pings.WaitForReplies(Timeouts.Retry);

        Assert.Null(tunnel.Initiator.Peer.PersistentKeepalive);
        Assert.True(tunnel.Responder.Peer.LatestHandshake >= before);
        Report($"{killed} restarted, sends: first reply after {taken.TotalSeconds:0.0} s");
    }

    [Fact]
    public void When_only_the_other_end_sends_it_notices_after_15_seconds_without_an_answer()
    {
        Implementation other = killed == Implementation.Kedge ? Implementation.WireGuardGo : Implementation.Kedge;
        using var tunnel = Tunnel.Start(initiator: other);
        tunnel.Handshake();
        using Capture cable = tunnel.CaptureCable();
        using var pings = PingStream.Start(tunnel.Initiator.Host, tunnel.Responder.Address);
        pings.WaitForReplies(Timeouts.Soon);

        tunnel.Responder.Restart();
        TimeSpan taken = pings.WaitForReplies(Timeouts.NoAnswer);

        // 15 s after the first packet without an answer, and not on a hunch before.
        IReadOnlyList<CapturedPacket> seen = cable.Packets;
        CapturedPacket initiation = seen.First(packet => packet.MessageType == 1);
        CapturedPacket lastAnswer = seen.TakeWhile(packet => packet != initiation).Last(packet => packet.IsFrom(tunnel.Responder));
        double unanswered = (initiation.Time - lastAnswer.Time).TotalSeconds;
        Assert.InRange(unanswered, 14.5, 20);
        Report($"{killed} restarted, is sent to: first reply after {taken.TotalSeconds:0.0} s, initiation after {unanswered:0.0} s");
    }

    private static void Report(string text) => TestContext.Current.TestOutputHelper?.WriteLine(text);
}

public sealed class RestartOfKedgeTests() : RestartTests(Implementation.Kedge);

public sealed class RestartOfWireGuardGoTests() : RestartTests(Implementation.WireGuardGo);
