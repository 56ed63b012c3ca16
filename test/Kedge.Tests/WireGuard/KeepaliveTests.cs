using Kedge.Protocol;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>What a node sends though nobody has asked it to, as an eavesdropper counts it: the WireGuard paper, section 6.5.</summary>
public class KeepaliveTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan OneWay = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Fact]
    public void Data_that_is_not_answered_is_acknowledged_once_after_10_s()
    {
        using Pair pair = Pair.InSession();
        pair.Run(Second);
        Instant sent = pair.Now;
        Pair.Send(pair.A, pair.B);
        pair.Run(100 * Second);
        SeenDatagram keepalive = Assert.Single(pair.Eavesdropper.Keepalives);
        Assert.Equal(pair.B.Address, keepalive.Source);
        Assert.Equal((10 * Second) + OneWay, keepalive.Time - sent);
        Assert.Equal(2, pair.Eavesdropper.Seen.Count);
    }

    [Fact]
    public void Data_that_is_answered_within_10_s_is_not_acknowledged()
    {
        using Pair pair = Pair.InSession();
        Pair.Send(pair.A, pair.B);
        pair.After(9.9 * Second, () => Pair.Send(pair.B, pair.A));
        pair.Run(19.8 * Second);
        Assert.Empty(pair.Eavesdropper.Keepalives);

        // The answer is data, too.
        pair.Run(100 * Second);
        Assert.Equal(pair.A.Address, Assert.Single(pair.Eavesdropper.Keepalives).Source);
    }

    [Fact]
    public void A_stream_in_one_direction_is_acknowledged_every_10_s()
    {
        using Pair pair = Pair.InSession();
        pair.Every(Second, 100, i => Pair.Send(pair.A, pair.B, (ulong)i));
        pair.Run(100 * Second);
        SeenDatagram[] keepalives = [.. pair.Eavesdropper.Keepalives];
        Assert.Equal(9, keepalives.Length);
        Assert.All(keepalives, keepalive => Assert.Equal(pair.B.Address, keepalive.Source));
        Assert.All(
            keepalives.Zip(keepalives.Skip(1), (first, second) => second.Time - first.Time),
            gap => Assert.InRange(gap, 10 * Second, 11 * Second));
    }

    [Fact]
    public void An_idle_hour_is_silent()
    {
        using Pair pair = Pair.InSession();
        pair.Run(Hour);
        Assert.Empty(pair.Eavesdropper.Seen);
    }

    [Fact]
    public void No_keepalive_answers_a_keepalive()
    {
        using Pair pair = Pair.InSession();
        for (int i = 0; i < 2; i++)
        {
            // A keepalive, and another one 100 s later, still within the session.
            pair.A.TunnelTo(pair.B).RequestKeepalive();
            pair.Run(50 * Second);
            Assert.Equal(i + 1, pair.Eavesdropper.Seen.Count);
        }
        Assert.All(pair.Eavesdropper.Seen, datagram => Assert.True(datagram.IsKeepalive && datagram.Source == pair.A.Address));
    }

    [Theory]
    [InlineData(25)]
    [InlineData(5)]
    [InlineData(100)]
    public void A_persistent_keepalive_is_all_that_is_sent_in_an_idle_hour(int interval)
    {
        using Pair pair = Pair.Connected(keepaliveOfA: interval * Second);
        pair.Run(Hour);

        // Nothing but handshakes comes from the other side.
        SeenDatagram[] fromA = [.. pair.Eavesdropper.Seen.Where(datagram => datagram.Source == pair.A.Address)];
        SeenDatagram[] fromB = [.. pair.Eavesdropper.Seen.Where(datagram => datagram.Source == pair.B.Address)];
        Assert.All(fromB, datagram => Assert.Equal(DatagramKind.HandshakeResponse, datagram.Kind));
        Assert.All(fromA, datagram => Assert.True(datagram.IsKeepalive || datagram.Kind == DatagramKind.HandshakeInitiation, $"{datagram}"));

        // The way through a NAT stays open: no pause is longer than the interval. A response counts as traffic.
        TimeSpan[] pauses = [.. fromA.Zip(fromA.Skip(1), (first, second) => second.Time - first.Time)];
        Assert.InRange(pauses.Max(), interval * Second, (interval * Second) + (2 * OneWay));
        Assert.Equal(0, (fromA[0].Time - new Instant(0)).Ticks);

        // The session is renewed with the first keepalive after 120 s, never later than it expires.
        int lifetime = (119 / interval + 1) * interval;
        Assert.InRange(fromB.Length, 3600 / (lifetime + 1), (3600 / lifetime) + 1);
        Assert.Equal(fromB.Length, fromA.Count(datagram => datagram.Kind == DatagramKind.HandshakeInitiation));
        // One keepalive an interval, and one that confirms each session; where a session has ended before, both are the same one.
        int keepalives = (3600 / interval) + (lifetime < 180 ? fromB.Length : 0);
        Assert.InRange(fromA.Count(datagram => datagram.IsKeepalive), keepalives - 3, keepalives + 3);
    }

    [Fact]
    public void Persistent_keepalives_of_both_ends_do_not_answer_each_other()
    {
        using Pair pair = Pair.Connected(keepaliveOfA: 25 * Second, keepaliveOfB: 25 * Second);
        pair.Run(Hour);
        int handshakes = pair.Eavesdropper.Responses.Count();
        Assert.InRange(handshakes, 28, 2 * 29);
        Assert.InRange(pair.Eavesdropper.Keepalives.Count(), 3600 / 25, (2 * 3600 / 25) + handshakes);
    }

    [Fact]
    public void Traffic_puts_a_persistent_keepalive_off()
    {
        using Pair pair = Pair.Connected(keepaliveOfA: 25 * Second);
        pair.Run(Second);
        pair.Eavesdropper.Forget();
        pair.Every(5 * Second, 20, i => Pair.Send(pair.A, pair.B, (ulong)i));
        pair.Every(5 * Second, 20, i => Pair.Send(pair.B, pair.A, (ulong)i));
        pair.Run(100 * Second);
        Assert.Empty(pair.Eavesdropper.Keepalives);
    }

    [Fact]
    public void A_persistent_keepalive_initiates_where_there_is_no_session_and_tries_for_ever()
    {
        using Pair pair = Pair.Connected(keepaliveOfA: 25 * Second);
        pair.Network.Loses = _ => true;
        pair.Run(Hour);
        SeenDatagram[] initiations = [.. pair.Eavesdropper.Initiations];
        Assert.Equal(new Instant(0), initiations[0].Time);
        Assert.InRange(3600 * Second - (initiations[^1].Time - new Instant(0)), TimeSpan.Zero, 31 * Second);
        pair.Network.Loses = _ => false;
        pair.RunUntil(() => pair.HaveSession, 31 * Second);
    }

    [Fact]
    public void A_persistent_keepalive_that_is_configured_later_begins_at_once()
    {
        using Pair pair = Pair.InSession();
        pair.Run(50 * Second);
        pair.A.TunnelTo(pair.B).PersistentKeepalive = 25 * Second;
        pair.A.TunnelTo(pair.B).RequestKeepalive();
        pair.Run(OneWay);
        Assert.True(Assert.Single(pair.Eavesdropper.Seen).IsKeepalive);
        pair.Run(25 * Second);
        Assert.Equal(2, pair.Eavesdropper.Seen.Count);
    }

    [Fact]
    public void A_persistent_keepalive_that_is_configured_when_the_session_is_over_initiates_at_once()
    {
        using Pair pair = Pair.InSession();
        pair.Run(200 * Second);
        pair.A.TunnelTo(pair.B).PersistentKeepalive = Hour;
        pair.A.TunnelTo(pair.B).RequestKeepalive();
        pair.Run(OneWay * 4);
        Assert.True(pair.HaveSession);
    }

    [Fact]
    public void A_persistent_keepalive_of_a_peer_without_an_endpoint_waits_for_one()
    {
        using var pair = new Pair();
        pair.A.AddPeer(pair.B, knowsEndpoint: false, persistentKeepalive: 25 * Second);
        pair.B.AddPeer(pair.A);
        pair.Run(100 * Second);
        Assert.Empty(pair.Eavesdropper.Seen);
        pair.B.TunnelTo(pair.A).RequestHandshake();
        pair.Run(100 * Second);
        Assert.InRange(pair.Eavesdropper.Keepalives.Count(datagram => datagram.Source == pair.A.Address), 3, 4);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(24)]
    [InlineData(40)]
    public void An_endpoint_that_a_peer_with_a_persistent_keepalive_gets_later_initiates_at_once(int seconds)
    {
        using var pair = new Pair();
        pair.A.AddPeer(pair.B, knowsEndpoint: false, persistentKeepalive: 25 * Second);
        pair.B.AddPeer(pair.A, knowsEndpoint: false);
        pair.Run(seconds * Second);
        pair.A.TunnelTo(pair.B).Path = new PeerPath(pair.B.Address, default);
        pair.Run(OneWay * 4);
        Assert.True(pair.HaveSession);
    }

    [Fact]
    public void An_endpoint_that_is_set_again_sends_nothing_within_a_session()
    {
        using Pair pair = Pair.InSession();
        pair.A.TunnelTo(pair.B).PersistentKeepalive = 25 * Second;
        pair.A.TunnelTo(pair.B).Path = new PeerPath(pair.B.Address, default);
        pair.Run(20 * Second);
        Assert.Empty(pair.Eavesdropper.Seen);
    }

    [Fact]
    public void An_endpoint_without_a_persistent_keepalive_sends_nothing()
    {
        using var pair = new Pair();
        pair.A.AddPeer(pair.B, knowsEndpoint: false);
        pair.A.TunnelTo(pair.B).Path = new PeerPath(pair.B.Address, default);
        pair.Run(100 * Second);
        Assert.Empty(pair.Eavesdropper.Seen);
    }

    [Fact]
    public void Data_without_any_answer_for_15_s_brings_a_new_handshake()
    {
        using Pair pair = Pair.InSession();
        pair.Run(20 * Second);
        pair.Network.Loses = datagram => datagram.Source == pair.B.Address;
        Instant sent = pair.Now;
        Pair.Send(pair.A, pair.B);
        pair.Run(60 * Second);
        SeenDatagram first = pair.Eavesdropper.Initiations.First();
        Assert.Equal(pair.A.Address, first.Source);
        Assert.Equal(15 * Second, first.Time - sent);
    }

    [Fact]
    public void Keepalives_want_no_answer()
    {
        using Pair pair = Pair.InSession();
        pair.Run(20 * Second);
        pair.Network.Loses = datagram => datagram.Source == pair.B.Address;
        pair.A.TunnelTo(pair.B).RequestKeepalive();
        pair.Run(60 * Second);
        Assert.Empty(pair.Eavesdropper.Initiations);
    }
}
