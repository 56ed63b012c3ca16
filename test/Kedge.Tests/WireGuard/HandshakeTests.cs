using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

public class HandshakeTests
{
    private static readonly TimeSpan RoundTrip = TimeSpan.FromMilliseconds(20);
    private static readonly byte[] Key = Enumerable.Repeat((byte)7, 32).ToArray();
    private static readonly byte[] OtherKey = Enumerable.Repeat((byte)8, 32).ToArray();

    [Fact]
    public void A_handshake_takes_one_round_trip_and_gives_both_ends_the_same_session()
    {
        using Pair pair = Pair.Connected();
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(RoundTrip + (RoundTrip / 2));
        Assert.True(pair.HaveSession);
        Assert.Equal(
            [DatagramKind.HandshakeInitiation, DatagramKind.HandshakeResponse, DatagramKind.TransportData],
            pair.Eavesdropper.Seen.Select(datagram => datagram.Kind));
        Assert.True(pair.Eavesdropper.Seen[2].IsKeepalive);
        Assert.Equal(RoundTrip, pair.A.TunnelTo(pair.B).LastHandshake - new Kedge.Protocol.Instant(0));
        Assert.Equal(RoundTrip * 1.5, pair.B.TunnelTo(pair.A).LastHandshake - new Kedge.Protocol.Instant(0));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Packets_go_both_ways_over_both_families_whoever_initiates(bool aInitiates)
    {
        using Pair pair = Pair.Connected();
        (Node first, Node second) = aInitiates ? (pair.A, pair.B) : (pair.B, pair.A);
        byte[][] there = [TestPacket.Make(first.IPv4, second.IPv4, 1), TestPacket.Make(first.IPv6, second.IPv6, 2)];
        byte[][] back = [TestPacket.Make(second.IPv6, first.IPv6, 3), TestPacket.Make(second.IPv4, first.IPv4, 4, 1420)];
        foreach (byte[] packet in there)
            first.Send(packet);
        pair.Run(RoundTrip * 2);
        foreach (byte[] packet in back)
            second.Send(packet);
        pair.Run(RoundTrip);

        Assert.Equal(there, second.Delivered.Select(delivery => delivery.Bytes));
        Assert.Equal(back, first.Delivered.Select(delivery => delivery.Bytes));
        Assert.All(second.Delivered, delivery => Assert.Equal(first.PublicKey, delivery.From));
        SeenDatagram initiation = Assert.Single(pair.Eavesdropper.Initiations);
        Assert.Equal(first.Address, initiation.Source);
    }

    [Fact]
    public void Packets_that_waited_confirm_the_session_in_their_order_and_no_keepalive_is_needed()
    {
        using Pair pair = Pair.Connected();
        for (ulong number = 0; number < 20; number++)
            Pair.Send(pair.A, pair.B, number);
        pair.Run(RoundTrip * 2);
        Assert.True(pair.HaveSession);
        Assert.Equal(Enumerable.Range(0, 20), pair.B.Delivered.Select(delivery => (int)delivery.Number));
        Assert.Empty(pair.Eavesdropper.Keepalives);
    }

    [Fact]
    public void A_packet_sent_while_others_wait_does_not_overtake_them()
    {
        using Pair pair = Pair.Connected();
        for (ulong number = 0; number < 20; number++)
            Pair.Send(pair.A, pair.B, number);
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.HandshakeResponse;
        pair.Run(RoundTrip);

        // In the instant in which the session begins, before the handshake thread has come to send what waits.
        pair.A.Receive([.. pair.Eavesdropper.Responses.Single().Bytes], pair.B.Address);
        Assert.True(pair.A.TunnelTo(pair.B).HasStaged);
        Pair.Send(pair.A, pair.B, 20);
        pair.Run(RoundTrip);
        Assert.Equal(Enumerable.Range(0, 21), pair.B.Delivered.Select(delivery => (int)delivery.Number));
    }

    [Fact]
    public void Of_the_packets_that_wait_the_oldest_make_room()
    {
        using Pair pair = Pair.Connected();
        for (ulong number = 0; number < 200; number++)
            Pair.Send(pair.A, pair.B, number);
        pair.Run(RoundTrip * 2);
        Assert.Equal(Enumerable.Range(72, 128), pair.B.Delivered.Select(delivery => (int)delivery.Number));
        Assert.Equal(72, pair.A.Device.Drops[DropReason.NoSession]);
    }

    [Fact]
    public void The_responder_sends_nothing_in_a_session_that_the_initiator_has_not_used()
    {
        using Pair pair = Pair.Connected();
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.TransportData;
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(RoundTrip * 2);
        Assert.NotNull(pair.A.TunnelTo(pair.B).Keys.Current);
        Assert.Null(pair.B.TunnelTo(pair.A).Keys.Current);
        Assert.Null(pair.B.TunnelTo(pair.A).LastHandshake);

        // It need not wait for that either: it has a session of its own within a round trip.
        pair.Network.Loses = _ => false;
        pair.Eavesdropper.Forget();
        Pair.Send(pair.B, pair.A, 5);
        pair.Run(RoundTrip * 2);
        Assert.Single(pair.Eavesdropper.Initiations);
        Assert.Equal(5UL, Assert.Single(pair.A.Delivered).Number);
    }

    [Fact]
    public void Two_nodes_with_the_same_preshared_key_connect()
    {
        using Pair pair = Pair.InSession(presharedKey: Key);
        Pair.Send(pair.B, pair.A, 5);
        pair.Run(RoundTrip);
        Assert.Equal(5UL, Assert.Single(pair.A.Delivered).Number);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Two_nodes_with_different_preshared_keys_do_not_connect_until_they_agree(bool otherHasNone)
    {
        using Pair pair = Pair.Connected(presharedKey: Key);
        pair.A.TunnelTo(pair.B).PresharedKey = otherHasNone ? new byte[32] : OtherKey;
        Pair.Send(pair.A, pair.B, 5);
        pair.Run(TimeSpan.FromSeconds(20));
        Assert.Null(pair.A.TunnelTo(pair.B).Keys.Current);
        Assert.Empty(pair.B.Delivered);
        // The initiator is the one who notices: the key is mixed into the response.
        Assert.Equal(pair.Eavesdropper.Responses.Count(), pair.A.Device.Drops[DropReason.HandshakeNotAuthentic]);
        Assert.DoesNotContain(pair.Eavesdropper.Seen, datagram => datagram.Kind == DatagramKind.TransportData);

        pair.A.TunnelTo(pair.B).PresharedKey = Key;
        pair.RunUntil(() => pair.B.Delivered.Count == 1, TimeSpan.FromSeconds(6));
    }

    [Fact]
    public void A_preshared_key_that_changes_leaves_the_session_alone_and_reaches_the_next_handshake()
    {
        using Pair pair = Pair.InSession(presharedKey: Key);
        pair.A.TunnelTo(pair.B).PresharedKey = OtherKey;
        Pair.Send(pair.A, pair.B, 1);
        pair.Run(RoundTrip);
        Assert.Single(pair.B.Delivered);

        KeyPair? before = pair.A.TunnelTo(pair.B).Keys.Current;
        pair.Run(TimeSpan.FromSeconds(6));
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(RoundTrip * 2);
        Assert.Same(before, pair.A.TunnelTo(pair.B).Keys.Current);
        Assert.Equal(1, pair.A.Device.Drops[DropReason.HandshakeNotAuthentic]);

        pair.B.TunnelTo(pair.A).PresharedKey = OtherKey;
        pair.Run(TimeSpan.FromSeconds(6));
        Assert.NotSame(before, pair.A.TunnelTo(pair.B).Keys.Current);
        Assert.True(pair.HaveSession);
    }

    [Fact]
    public void A_preshared_key_that_changes_during_a_handshake_is_part_of_it()
    {
        using Pair pair = Pair.Connected(presharedKey: Key);
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(RoundTrip / 4);
        Assert.Single(pair.Eavesdropper.Initiations);
        pair.A.TunnelTo(pair.B).PresharedKey = OtherKey;
        pair.B.TunnelTo(pair.A).PresharedKey = OtherKey;
        pair.Run(RoundTrip * 2);
        Assert.True(pair.HaveSession);
        Assert.Single(pair.Eavesdropper.Initiations);
    }

    [Fact]
    public void Crossing_initiations_connect_both_ends_within_a_round_trip()
    {
        using Pair pair = Pair.Connected();
        Pair.Send(pair.A, pair.B, 1);
        Pair.Send(pair.B, pair.A, 2);
        pair.Run(RoundTrip * 1.5);
        Assert.Equal(1UL, Assert.Single(pair.B.Delivered).Number);
        Assert.Equal(2UL, Assert.Single(pair.A.Delivered).Number);

        // They may use two sessions, but each knows both.
        for (ulong number = 10; number < 20; number++)
        {
            Pair.Send(pair.A, pair.B, number);
            Pair.Send(pair.B, pair.A, number);
        }
        pair.Run(TimeSpan.FromSeconds(60));
        Assert.Equal(11, pair.A.Delivered.Count);
        Assert.Equal(11, pair.B.Delivered.Count);
        Assert.Equal(2, pair.Eavesdropper.Initiations.Count());
    }

    [Fact]
    public void The_key_that_is_our_own_is_no_peer()
    {
        using var pair = new Pair();
        Assert.Throws<ArgumentException>(() => pair.A.Device.AddPeer(pair.A.PublicKey));
        Assert.Empty(pair.A.Device.Peers);
    }

    [Fact]
    public void A_peer_whose_key_becomes_our_own_is_removed()
    {
        using var pair = new Pair();
        byte[] privateKey = Key;
        using var identity = new LocalIdentity(privateKey);
        PeerTunnel peer = pair.A.Device.AddPeer(identity.PublicKey);
        pair.A.Device.AllowedIps.Insert(Kedge.Protocol.Ip.IpPrefix.Parse("10.9.0.0/16"), peer);
        pair.A.Device.SetIdentity(new LocalIdentity(privateKey), new TimestampSource(default, _ => { }));
        Assert.Empty(pair.A.Device.Peers);
        Assert.Null(pair.A.Device.AllowedIps.Find(Kedge.Protocol.Ip.IpAddress.Parse("10.9.0.1")));
    }

    [Fact]
    public void Another_private_key_ends_all_sessions_and_connects_where_it_is_known()
    {
        using Pair pair = Pair.InSession();
        KeyPair before = pair.A.TunnelTo(pair.B).Keys.Current!;
        pair.A.ChangePrivateKey();
        Assert.Null(pair.A.TunnelTo(pair.B).Keys.Current);
        Assert.Null(pair.A.Device.FindSession(before.LocalIndex));
        Assert.False(before.Seal([], 1420), "The keys are still there.");

        // B does not know that key yet.
        Pair.Send(pair.A, pair.B, 1);
        pair.Run(RoundTrip * 2);
        Assert.Equal(1, pair.B.Device.Drops[DropReason.UnknownPeer]);
        Assert.Empty(pair.Eavesdropper.Responses);

        pair.B.AddPeer(pair.A);
        pair.RunUntil(() => pair.B.Delivered.Count == 1, TimeSpan.FromSeconds(6));
    }

    [Fact]
    public void A_device_without_a_key_says_nothing()
    {
        using Pair pair = Pair.Connected();
        pair.A.Device.SetIdentity(null, null);
        Pair.Send(pair.B, pair.A);
        pair.A.Device.Peers.Single().RequestHandshake();
        pair.Run(TimeSpan.FromSeconds(30));
        Assert.All(pair.Eavesdropper.Seen, datagram => Assert.Equal(pair.B.Address, datagram.Source));
        Assert.Equal(pair.Eavesdropper.Seen.Count, pair.A.Device.Drops[DropReason.NotEnabled]);
    }
}
