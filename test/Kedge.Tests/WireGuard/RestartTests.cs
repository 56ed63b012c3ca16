using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>Nodes that stop and start again, with the same keys and perhaps another idea of the time.</summary>
public class RestartTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RoundTrip = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_initiator_that_restarts_connects_at_once(bool crashes)
    {
        using Pair pair = Pair.InSession();
        pair.Run(7 * Second);
        Restart(pair.A, crashes);
        Pair.Send(pair.A, pair.B, 1);
        pair.Run(RoundTrip * 2);
        Assert.Equal(1UL, Assert.Single(pair.B.Delivered).Number);
        Assert.True(pair.HaveSession);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_responder_that_restarts_connects_at_once_when_it_has_something_to_send(bool crashes)
    {
        using Pair pair = Pair.InSession();
        pair.Run(7 * Second);
        Restart(pair.B, crashes);
        Pair.Send(pair.B, pair.A, 1);
        pair.Run(RoundTrip * 2);
        Assert.Equal(1UL, Assert.Single(pair.A.Delivered).Number);
        Assert.True(pair.HaveSession);
    }

    [Fact]
    public void A_responder_that_restarts_and_only_listens_is_missed_after_15_s()
    {
        using Pair pair = Pair.InSession();
        pair.Run(7 * Second);
        pair.B.Crash();
        pair.Every(Second / 4, 120, i => Pair.Send(pair.A, pair.B, (ulong)i));
        pair.Run(15 * Second);
        Assert.Empty(pair.B.Delivered);
        Assert.True(pair.B.Device.Drops[DropReason.UnknownIndex] > 0);
        pair.Run(Second);
        Assert.True(pair.HaveSession);
        pair.Run(15 * Second);
        Assert.InRange(pair.B.Delivered.Count, 56, 60);
    }

    [Fact]
    public void Both_ends_restart()
    {
        using Pair pair = Pair.InSession();
        pair.Run(7 * Second);
        pair.A.Crash();
        pair.B.Crash();
        Pair.Send(pair.A, pair.B, 1);
        Pair.Send(pair.B, pair.A, 2);
        pair.Run(RoundTrip * 2);
        Assert.Single(pair.A.Delivered);
        Assert.Single(pair.B.Delivered);
    }

    [Theory]
    [InlineData(-1, true)]
    [InlineData(-1, false)]
    [InlineData(-100_000, true)]
    [InlineData(24, true)]
    public void A_clock_that_is_wrong_after_a_restart_locks_nobody_out(int hours, bool crashes)
    {
        using Pair pair = Pair.InSession();
        pair.Run(7 * Second);
        Restart(pair.A, crashes);
        pair.A.ClockError = hours * Hour;
        Pair.Send(pair.A, pair.B, 1);
        pair.Run(RoundTrip * 2);
        Assert.Single(pair.B.Delivered);

        // And is put right again, at both ends of another restart.
        pair.Run(7 * Second);
        Restart(pair.A, crashes);
        pair.A.ClockError = default;
        Pair.Send(pair.A, pair.B, 2);
        pair.Run(RoundTrip * 2);
        Assert.Equal(2, pair.B.Delivered.Count);
    }

    [Fact]
    public void A_clock_that_goes_back_while_a_node_runs_locks_nobody_out()
    {
        using Pair pair = Pair.InSession();
        for (int i = 0; i < 20; i++)
        {
            pair.A.ClockError -= Hour;
            pair.Run(7 * Second);
            pair.A.TunnelTo(pair.B).RequestHandshake();
            pair.Run(RoundTrip * 2);
        }
        Assert.Equal(20, pair.Eavesdropper.Responses.Count());
        Assert.Equal(0, pair.B.Device.Drops[DropReason.InitiationReplayed]);
    }

    [Fact]
    public void A_disk_that_fails_costs_nothing_while_the_node_runs_or_the_clock_goes_on()
    {
        using Pair pair = Pair.Connected();
        pair.A.DiskFails = true;
        pair.Handshake();
        pair.A.ClockError -= Hour;
        pair.Run(7 * Second);
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(RoundTrip * 2);
        Assert.Equal(2, pair.Eavesdropper.Responses.Count());

        pair.A.ClockError = default;
        pair.A.Crash();
        Pair.Send(pair.A, pair.B);
        pair.Run(RoundTrip * 2);
        Assert.Single(pair.B.Delivered);
    }

    [Fact]
    public void A_disk_that_fails_and_a_clock_that_goes_back_leave_it_to_the_peer_to_initiate()
    {
        using Pair pair = Pair.Connected();
        pair.A.DiskFails = true;
        pair.Handshake();
        pair.Run(7 * Second);
        pair.A.Crash();
        pair.A.ClockError -= Hour;
        Pair.Send(pair.A, pair.B, 1);
        pair.Run(RoundTrip * 2);
        Assert.Empty(pair.B.Delivered);
        Assert.Equal(1, pair.B.Device.Drops[DropReason.InitiationReplayed]);

        // B believes to have a session, and notices that nobody answers in it. What waits at A goes with the session that B makes then.
        Pair.Send(pair.B, pair.A, 2);
        pair.Run(16 * Second);
        Assert.Equal(1UL, Assert.Single(pair.B.Delivered).Number);
        Pair.Send(pair.B, pair.A, 3);
        pair.Run(RoundTrip);
        Assert.Equal(3UL, Assert.Single(pair.A.Delivered).Number);
    }

    private static void Restart(Node node, bool crashes)
    {
        if (crashes)
            node.Crash();
        else
            node.Restart();
    }
}
