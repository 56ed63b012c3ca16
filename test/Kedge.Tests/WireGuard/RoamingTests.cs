using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>Where a node believes a peer to be: where it last heard from it, and from nobody else.</summary>
public class RoamingTests
{
    private static readonly TimeSpan RoundTrip = TimeSpan.FromMilliseconds(20);
    private static readonly Endpoint Elsewhere = Endpoint.Parse("203.0.113.9:4242");
    private static readonly Endpoint ElsewhereIPv6 = Endpoint.Parse("[2001:db8::9]:4242");

    [Theory]
    [InlineData("203.0.113.9:4242")]
    [InlineData("192.0.2.1:4242")]
    [InlineData("[2001:db8::9]:51820")]
    public void A_peer_that_sends_from_elsewhere_is_answered_there(string address)
    {
        using Pair pair = Pair.InSession();
        pair.A.MoveTo(Endpoint.Parse(address));
        Pair.Send(pair.B, pair.A, 1);
        pair.Run(RoundTrip);
        Assert.Empty(pair.A.Delivered); // not known yet

        Pair.Send(pair.A, pair.B, 2);
        pair.Run(RoundTrip);
        Pair.Send(pair.B, pair.A, 3);
        pair.Run(RoundTrip);
        Assert.Equal(Endpoint.Parse(address), pair.B.TunnelTo(pair.A).Path?.Remote);
        Assert.Equal(3UL, Assert.Single(pair.A.Delivered).Number);
    }

    [Fact]
    public void A_keepalive_is_as_good_as_data()
    {
        using Pair pair = Pair.InSession();
        pair.A.MoveTo(Elsewhere);
        pair.A.TunnelTo(pair.B).RequestKeepalive();
        pair.Run(RoundTrip);
        Assert.Equal(Elsewhere, pair.B.TunnelTo(pair.A).Path?.Remote);
    }

    [Fact]
    public void An_address_of_ours_that_was_left_is_not_brought_back_by_what_was_under_way_to_it()
    {
        using Pair pair = Pair.InSession();
        PeerTunnel tunnel = pair.B.TunnelTo(pair.A);
        PeerPath path = tunnel.Path!;
        Assert.Equal(pair.B.Address, path.Local);
        Assert.True(tunnel.TryRefinePath(path, path with { Local = default, Left = path.Local }));
        Pair.Send(pair.A, pair.B, 1);
        pair.Run(RoundTrip);
        Assert.True(tunnel.Path!.Local.IsNone);

        pair.B.MoveTo(Elsewhere);
        pair.A.TunnelTo(pair.B).Path = new PeerPath(Elsewhere, default);
        Pair.Send(pair.A, pair.B, 2);
        pair.Run(RoundTrip);
        Assert.Equal(Elsewhere, tunnel.Path!.Local);
    }

    [Fact]
    public void An_initiation_is_answered_where_it_comes_from()
    {
        using Pair pair = Pair.Connected();
        pair.A.MoveTo(ElsewhereIPv6);
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(RoundTrip * 2);
        Assert.True(pair.HaveSession);
        Assert.Equal(ElsewhereIPv6, pair.B.TunnelTo(pair.A).Path?.Remote);
    }

    [Fact]
    public void A_response_shows_where_the_peer_is()
    {
        using Pair pair = Pair.Connected();
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.HandshakeResponse;
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(RoundTrip);
        pair.Network.Loses = _ => false;
        pair.Network.Send(pair.Eavesdropper.Responses.Single().Bytes, Elsewhere, pair.A.Address);
        pair.Run(RoundTrip);
        Assert.Equal(Elsewhere, pair.A.TunnelTo(pair.B).Path?.Remote);
    }

    [Fact]
    public void A_peer_without_an_endpoint_gets_one_from_its_first_message()
    {
        using var pair = new Pair();
        pair.A.AddPeer(pair.B);
        pair.B.AddPeer(pair.A, knowsEndpoint: false);
        Pair.Send(pair.B, pair.A);
        Assert.Equal(1, pair.B.Device.Drops[DropReason.NoEndpoint]);
        Pair.Send(pair.A, pair.B);
        pair.Run(RoundTrip * 2);
        Assert.Equal(pair.A.Address, pair.B.TunnelTo(pair.A).Path?.Remote);
        Assert.Single(pair.B.Delivered);
    }

    [Fact]
    public void A_datagram_that_was_seen_before_moves_nobody()
    {
        using Pair pair = Pair.InSession();
        Pair.Send(pair.A, pair.B);
        pair.Run(RoundTrip);
        Inject(pair, pair.Eavesdropper.Data.Single().Bytes, DropReason.Replayed);
    }

    [Fact]
    public void A_datagram_that_is_forged_moves_nobody()
    {
        using Pair pair = Pair.InSession();
        pair.Network.Loses = datagram => datagram.IsData;
        Pair.Send(pair.A, pair.B);
        pair.Network.Loses = _ => false;
        byte[] datagram = pair.Eavesdropper.Data.Single().Bytes;
        for (int i = 8; i < datagram.Length; i++)
        {
            byte[] forged = [.. datagram];
            forged[i] ^= 1;
            Inject(pair, forged, DropReason.NotAuthentic, i - 7);
        }
        byte[] misdirected = [.. datagram];
        misdirected[4] ^= 1;
        Inject(pair, misdirected, DropReason.UnknownIndex);
        Assert.Empty(pair.B.Delivered);

        // Neither has any of it moved the replay window: the right one is still accepted.
        pair.Network.Send(datagram, pair.A.Address, pair.B.Address);
        pair.Run(RoundTrip);
        Assert.Single(pair.B.Delivered);
    }

    [Fact]
    public void A_packet_in_a_session_that_has_ended_moves_nobody()
    {
        using Pair pair = Pair.InSession();
        pair.Network.Loses = datagram => datagram.IsData;
        Pair.Send(pair.A, pair.B);
        pair.Network.Loses = datagram => datagram.Source != Elsewhere;
        pair.Run(TimeSpan.FromSeconds(200));
        Inject(pair, pair.Eavesdropper.Data.Single().Bytes, DropReason.SessionExpired);
    }

    [Fact]
    public void Junk_of_every_kind_and_length_moves_nobody_and_ends_nothing()
    {
        using Pair pair = Pair.InSession();
        var random = new Random(7);
        int sent = 0;
        foreach (int length in (int[])[0, 1, 4, 16, 31, 32, 64, 91, 92, 93, 147, 148, 149, 1500, 9000, 65507, 65535])
        {
            for (byte type = 0; type < 7; type++, sent++)
            {
                var junk = new byte[length];
                random.NextBytes(junk);
                if (length >= 4)
                    new byte[] { type, 0, 0, 0 }.CopyTo(junk, 0);
                pair.Network.Send(junk, Elsewhere, pair.B.Address);
            }
        }
        pair.Run(RoundTrip);
        Assert.Equal(pair.A.Address, pair.B.TunnelTo(pair.A).Path?.Remote);
        DropReason[] reasons = [DropReason.UnknownDatagram, DropReason.UnknownIndex, DropReason.InvalidMac1];
        Assert.Equal(sent, reasons.Sum(reason => pair.B.Device.Drops[reason]));
        Assert.DoesNotContain(pair.Eavesdropper.Seen, datagram => datagram.Source == pair.B.Address);

        Pair.Send(pair.A, pair.B);
        pair.Run(RoundTrip);
        Assert.Single(pair.B.Delivered);
    }

    [Fact]
    public void An_initiation_that_was_seen_before_moves_nobody()
    {
        using Pair pair = Pair.Connected();
        pair.Handshake();
        pair.Run(RoundTrip);
        Inject(pair, pair.Eavesdropper.Initiations.Single().Bytes, DropReason.InitiationReplayed);
    }

    [Fact]
    public void A_cookie_reply_moves_nobody()
    {
        using Pair pair = Pair.Connected();
        pair.A.IsUnderLoad = true;
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.CookieReply;
        pair.B.TunnelTo(pair.A).RequestHandshake();
        pair.Run(RoundTrip);
        pair.Network.Loses = _ => false;
        SeenDatagram reply = pair.Eavesdropper.CookieReplies.Single();
        pair.Network.Send(reply.Bytes, Elsewhere, pair.B.Address);
        pair.Run(RoundTrip);
        Assert.Equal(0, pair.B.Device.Drops[DropReason.InvalidCookieReply]); // it was taken
        Assert.Equal(pair.A.Address, pair.B.TunnelTo(pair.A).Path?.Remote);
    }

    [Fact]
    public void The_local_address_is_kept_while_the_peer_answers_and_forgotten_when_it_does_not()
    {
        using Pair pair = Pair.InSession();
        Assert.Equal(pair.A.Address, pair.A.TunnelTo(pair.B).Path?.Local);
        pair.Network.Loses = _ => true;
        Pair.Send(pair.A, pair.B);
        pair.Run(TimeSpan.FromSeconds(14.9));
        Assert.Equal(pair.A.Address, pair.A.TunnelTo(pair.B).Path?.Local);
        pair.Run(TimeSpan.FromSeconds(0.2));
        Assert.Equal(new PeerPath(pair.B.Address, default), pair.A.TunnelTo(pair.B).Path);
    }

    // Sends something to B from elsewhere, which must not make B believe that A is there.
    private static void Inject(Pair pair, byte[] datagram, DropReason expected, long count = 1)
    {
        pair.Network.Send(datagram, Elsewhere, pair.B.Address);
        pair.Run(RoundTrip / 2);
        Assert.Equal(count, pair.B.Device.Drops[expected]);
        Assert.Equal(pair.A.Address, pair.B.TunnelTo(pair.A).Path?.Remote);
    }
}
