using Kedge.Protocol;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>When sessions are renewed and when they end: the WireGuard paper, sections 6.1 to 6.4.</summary>
public class RekeyTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan OneWay = TimeSpan.FromMilliseconds(10);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void After_120_s_the_initiator_renews_the_session_and_only_the_initiator(bool initiatorIsA)
    {
        using Pair pair = Pair.Connected();
        (Node initiator, Node responder) = initiatorIsA ? (pair.A, pair.B) : (pair.B, pair.A);
        initiator.TunnelTo(responder).RequestHandshake();
        pair.RunUntil(() => pair.HaveSession, Second);
        Instant created = initiator.TunnelTo(responder).Keys.Current!.Created;
        pair.Eavesdropper.Forget();

        pair.Every(Second / 2, 2 * 600, i =>
        {
            Pair.Send(initiator, responder, (ulong)i);
            Pair.Send(responder, initiator, (ulong)i);
        });
        pair.Run(Second * 600);

        SeenDatagram[] initiations = [.. pair.Eavesdropper.Initiations];
        Assert.Equal(4, initiations.Length);
        Assert.All(initiations, initiation => Assert.Equal(initiator.Address, initiation.Source));
        foreach (SeenDatagram initiation in initiations)
        {
            Assert.InRange(initiation.Time - created, 120 * Second, 120.5 * Second);
            created = initiation.Time + (2 * OneWay);
        }
    }

    [Fact]
    public void A_renewal_under_traffic_loses_nothing_repeats_nothing_and_keeps_the_order()
    {
        using Pair pair = Pair.InSession();
        pair.Eavesdropper.IsListening = false;
        pair.Every(TimeSpan.FromMilliseconds(20), 30_000, i =>
        {
            Pair.Send(pair.A, pair.B, (ulong)i);
            if (i % 7 == 0)
                Pair.Send(pair.B, pair.A, (ulong)i);
        });
        pair.Run(Second * 601);
        Assert.Equal(Enumerable.Range(0, 30_000), pair.B.Delivered.Select(delivery => (int)delivery.Number));
        Assert.Equal(Enumerable.Range(0, 30_000).Where(i => i % 7 == 0), pair.A.Delivered.Select(delivery => (int)delivery.Number));
        Assert.Equal(0, pair.A.Device.Drops[DropReason.NoSession] + pair.B.Device.Drops[DropReason.NoSession]);
    }

    // Each end then uses the session that it has initiated itself, and renews that one: the only renewals that are not free.
    [Fact]
    public void Ends_that_keep_initiating_at_the_same_moment_lose_a_round_trip_of_packets_at_most()
    {
        using Pair pair = Pair.Connected();
        pair.Eavesdropper.IsListening = false;
        const int packets = 12_500, packetsInARoundTrip = 2;
        pair.Every(Second / 100, packets, i =>
        {
            Pair.Send(pair.A, pair.B, (ulong)i);
            Pair.Send(pair.B, pair.A, (ulong)i);
        });
        pair.Run(Second * 126);
        foreach (Node node in (Node[])[pair.A, pair.B])
        {
            Assert.InRange(node.Delivered.Count, packets - packetsInARoundTrip, packets);
            Assert.Equal(packets - node.Delivered.Count, node.Device.Drops[DropReason.UnknownIndex]);
        }
    }

    [Fact]
    public void Before_120_s_nobody_renews()
    {
        using Pair pair = Pair.InSession();
        pair.Every(Second, 119, i => Pair.Send(pair.A, pair.B, (ulong)i));
        pair.Run(Second * 119.5);
        Assert.Empty(pair.Eavesdropper.Initiations);
    }

    [Fact]
    public void An_initiator_that_is_sent_to_after_165_s_renews_the_session()
    {
        using Pair pair = Pair.InSession();
        pair.After(Second * 166, () => Pair.Send(pair.B, pair.A));
        pair.Run(Second * 166.5);
        Assert.Single(pair.A.Delivered);
        Assert.Equal(pair.A.Address, Assert.Single(pair.Eavesdropper.Initiations).Source);
    }

    [Fact]
    public void An_initiator_that_is_sent_to_before_165_s_waits()
    {
        using Pair pair = Pair.InSession();
        pair.After(Second * 164, () => Pair.Send(pair.B, pair.A));
        pair.Run(Second * 166);
        Assert.Single(pair.A.Delivered);
        Assert.Empty(pair.Eavesdropper.Initiations);
    }

    [Fact]
    public void A_responder_does_not_renew_because_of_what_it_receives()
    {
        using Pair pair = Pair.InSession();
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.HandshakeInitiation;
        pair.After(Second * 170, () => Pair.Send(pair.A, pair.B));
        pair.Run(Second * 172);
        Assert.Single(pair.B.Delivered);
        Assert.All(pair.Eavesdropper.Initiations, initiation => Assert.Equal(pair.A.Address, initiation.Source));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void After_180_s_nothing_is_sent_in_a_session(bool initiatorSends)
    {
        using Pair pair = Pair.InSession();
        (Node from, Node to) = initiatorSends ? (pair.A, pair.B) : (pair.B, pair.A);
        KeyPair session = from.TunnelTo(to).Keys.Current!;
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.HandshakeInitiation;
        pair.Run(session.Created + (179.9 * Second) - pair.Now);
        Pair.Send(from, to, 1);
        pair.Run(OneWay * 1.5);
        Assert.Equal(1UL, Assert.Single(to.Delivered).Number);

        pair.Run(session.Created + (180 * Second) - pair.Now);
        pair.Eavesdropper.Forget();
        Pair.Send(from, to, 2);
        pair.Run(Second);
        Assert.Empty(pair.Eavesdropper.Data);
        Assert.True(from.TunnelTo(to).HasStaged);

        pair.Network.Loses = _ => false;
        pair.RunUntil(() => to.Delivered.Count == 2, 6 * Second);
    }

    [Theory]
    [InlineData(179.98, true)]
    [InlineData(180.01, false)]
    public void After_180_s_nothing_is_received_in_a_session(double age, bool isReceived)
    {
        using Pair pair = Pair.InSession();
        KeyPair session = pair.B.TunnelTo(pair.A).Keys.Current!;
        pair.Network.Loses = datagram => datagram.IsData;
        Pair.Send(pair.A, pair.B);
        SeenDatagram delayed = pair.Eavesdropper.Data.Single();
        pair.Network.Loses = datagram => datagram.Kind != DatagramKind.TransportData;
        pair.Run(session.Created + (Second * age) - pair.Now - OneWay);
        pair.Network.Send(delayed.Bytes, delayed.Source, delayed.Destination);
        pair.Run(2 * OneWay);
        Assert.Equal(isReceived ? 1 : 0, pair.B.Delivered.Count);
        Assert.Equal(isReceived ? 0 : 1, pair.B.Device.Drops[DropReason.SessionExpired]);
    }

    [Fact]
    public void Attempts_go_on_for_90_s_every_5_s_and_a_little_and_then_end_with_what_waited()
    {
        using Pair pair = Pair.Connected();
        pair.Network.Loses = _ => true;
        Pair.Send(pair.A, pair.B);
        pair.Run(Second * 89);
        Assert.True(pair.A.TunnelTo(pair.B).HasStaged);
        pair.Run(TimeSpan.FromHours(1));

        SeenDatagram[] initiations = [.. pair.Eavesdropper.Seen];
        Assert.All(initiations, datagram => Assert.Equal(DatagramKind.HandshakeInitiation, datagram.Kind));
        Assert.InRange(initiations.Length, 17, 18);
        TimeSpan[] gaps = [.. initiations.Zip(initiations.Skip(1), (first, second) => second.Time - first.Time)];
        Assert.All(gaps, gap => Assert.InRange(gap, TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(5333)));
        Assert.True(gaps.Distinct().Count() > 10, "The time between attempts is not random.");
        Assert.InRange(initiations[^1].Time - initiations[0].Time, Second * 84, Second * 90);
        Assert.False(pair.A.TunnelTo(pair.B).HasStaged);
        Assert.Equal(1, pair.A.Device.Drops[DropReason.NoSession]);

        // Every initiation is a new one.
        Assert.Equal(initiations.Length, initiations.Select(datagram => Convert.ToHexString(datagram.Bytes.AsSpan(8, 32))).Distinct().Count());
        Assert.Equal(initiations.Length, initiations.Select(datagram => Convert.ToHexString(datagram.Bytes.AsSpan(4, 4))).Distinct().Count());
    }

    [Fact]
    public void After_giving_up_the_next_packet_starts_again()
    {
        using Pair pair = Pair.Connected();
        pair.Network.Loses = _ => true;
        Pair.Send(pair.A, pair.B, 1);
        pair.Run(TimeSpan.FromMinutes(5));
        pair.Network.Loses = _ => false;
        Pair.Send(pair.A, pair.B, 2);
        pair.Run(OneWay * 3);
        Assert.Equal(2UL, Assert.Single(pair.B.Delivered).Number);
    }

    [Fact]
    public void A_packet_gives_a_running_attempt_its_full_time_again_but_does_not_make_it_faster()
    {
        using Pair pair = Pair.Connected();
        pair.Network.Loses = _ => true;
        Pair.Send(pair.A, pair.B, 1);
        pair.Every(Second / 10, 600, i => Pair.Send(pair.A, pair.B, (ulong)i));
        pair.Run(TimeSpan.FromMinutes(10));
        SeenDatagram[] initiations = [.. pair.Eavesdropper.Initiations];
        Assert.InRange(initiations[^1].Time - initiations[0].Time, Second * 144, Second * 150);
        Assert.All(
            initiations.Zip(initiations.Skip(1), (first, second) => second.Time - first.Time),
            gap => Assert.InRange(gap, TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(5333)));
    }

    [Fact]
    public void What_asks_for_a_handshake_while_one_is_under_way_gets_that_one()
    {
        using Pair pair = Pair.Connected();
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.HandshakeResponse;
        Pair.Send(pair.A, pair.B, 1);
        pair.Run(2 * OneWay);

        // The sending thread has another packet just before the handshake thread takes the response, which looks at timers a little later.
        pair.A.Latency = OneWay / 10;
        Pair.Send(pair.A, pair.B, 2);
        pair.A.Receive([.. pair.Eavesdropper.Responses.Single().Bytes], pair.B.Address);
        pair.Network.Loses = _ => false;
        pair.Run(60 * Second);
        Assert.Equal(2, pair.B.Delivered.Count);
        Assert.Single(pair.Eavesdropper.Initiations);
    }

    [Fact]
    public void A_session_that_was_renewed_by_the_peer_is_not_renewed_again()
    {
        using Pair pair = Pair.InSession();
        // B is asked for a session, and gets one from A before its own initiation arrives anywhere.
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.HandshakeInitiation && datagram.Source == pair.B.Address;
        pair.Run(10 * Second);
        pair.B.TunnelTo(pair.A).RequestHandshake();
        pair.After(Second, () => pair.A.TunnelTo(pair.B).RequestHandshake());
        pair.Run(100 * Second);
        Assert.Single(pair.Eavesdropper.Initiations, initiation => initiation.Source == pair.A.Address);
        Assert.Single(pair.Eavesdropper.Initiations, initiation => initiation.Source == pair.B.Address);
    }

    [Fact]
    public void The_keys_are_zeroed_540_s_after_the_last_handshake()
    {
        using Pair pair = Pair.InSession();
        KeyPair a = pair.A.TunnelTo(pair.B).Keys.Current!, b = pair.B.TunnelTo(pair.A).Keys.Current!;
        pair.Run(b.Created + (539 * Second) - pair.Now);
        Assert.True(a.Seal([], 1420));
        Assert.True(b.Open([]));

        pair.Run(2 * Second);
        foreach (KeyPair session in new[] { a, b })
        {
            Assert.False(session.Seal([], 1420));
            Assert.False(session.Open([]));
        }
        Assert.Same(KeyPairs.None, pair.A.TunnelTo(pair.B).Keys);
        Assert.Same(KeyPairs.None, pair.B.TunnelTo(pair.A).Keys);
        Assert.Null(pair.A.Device.FindSession(a.LocalIndex));
        Assert.Null(pair.B.Device.FindSession(b.LocalIndex));
        Assert.Equal(Instant.Never, pair.A.WakeAt);
    }

    [Fact]
    public void Sessions_that_are_no_longer_needed_are_ended_at_once()
    {
        using Pair pair = Pair.InSession();
        List<KeyPair> sessions = [];
        for (int i = 0; i < 4; i++)
        {
            sessions.Add(pair.A.TunnelTo(pair.B).Keys.Current!);
            sessions.Add(pair.B.TunnelTo(pair.A).Keys.Current!);
            pair.Run(10 * Second);
            pair.A.TunnelTo(pair.B).RequestHandshake();
            pair.Run(Second);
        }
        // Current and previous are left at each end.
        foreach (KeyPair session in sessions[..^2])
            Assert.False(session.Open([]));
        foreach (KeyPair session in sessions[^2..])
            Assert.True(session.Open([]));
    }
}
