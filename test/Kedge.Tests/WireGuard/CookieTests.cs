using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>How a node under load makes senders prove that their address is theirs: the WireGuard paper, sections 5.3 and 5.4.7.</summary>
public class CookieTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RoundTrip = TimeSpan.FromMilliseconds(20);
    private static readonly Endpoint Elsewhere = Endpoint.Parse("203.0.113.9:4242");
    private static readonly byte[] NoMac = new byte[16];

    [Fact]
    public void An_initiation_to_a_node_under_load_is_answered_with_a_cookie_and_the_next_one_carries_it()
    {
        using Pair pair = Pair.Connected();
        pair.B.IsUnderLoad = true;
        Pair.Send(pair.A, pair.B);
        pair.RunUntil(() => pair.B.Delivered.Count == 1, 6 * Second);
        Assert.Equal(
            [
                DatagramKind.HandshakeInitiation, DatagramKind.CookieReply,
                DatagramKind.HandshakeInitiation, DatagramKind.HandshakeResponse, DatagramKind.TransportData,
            ],
            pair.Eavesdropper.Seen.Select(datagram => datagram.Kind));
        SeenDatagram[] initiations = [.. pair.Eavesdropper.Initiations];
        Assert.Equal(NoMac, initiations[0].Bytes[^16..]);
        Assert.InRange(initiations[1].Time - initiations[0].Time, 5 * Second, 5.334 * Second);

        // As section 5.4.4 has it.
        SeenDatagram reply = pair.Eavesdropper.CookieReplies.Single();
        byte[] expected = [.. initiations[1].Bytes];
        Forge.WriteMac2(expected, Forge.ReadCookie(reply.Bytes, initiations[0].Bytes, pair.B.PublicKey));
        Assert.Equal(expected, initiations[1].Bytes);
        Assert.Equal([3, 0, 0, 0, .. initiations[0].Bytes[4..8]], reply.Bytes[..8]);
    }

    [Fact]
    public void A_response_to_a_node_under_load_is_answered_with_a_cookie_and_the_next_one_carries_it()
    {
        using Pair pair = Pair.Connected();
        pair.A.IsUnderLoad = true;
        Pair.Send(pair.A, pair.B);
        pair.RunUntil(() => pair.B.Delivered.Count == 1, 6 * Second);
        SeenDatagram[] responses = [.. pair.Eavesdropper.Responses];
        Assert.Equal(2, responses.Length);
        Assert.Equal(NoMac, responses[0].Bytes[^16..]);
        SeenDatagram reply = Assert.Single(pair.Eavesdropper.CookieReplies);
        Assert.Equal(pair.A.Address, reply.Source);
        Assert.Equal(responses[0].Bytes[4..8], reply.Bytes[4..8]);
        byte[] expected = [.. responses[1].Bytes];
        Forge.WriteMac2(expected, Forge.ReadCookie(reply.Bytes, responses[0].Bytes, pair.A.PublicKey));
        Assert.Equal(expected, responses[1].Bytes);
    }

    [Fact]
    public void Two_nodes_under_load_connect()
    {
        using Pair pair = Pair.Connected();
        pair.A.IsUnderLoad = pair.B.IsUnderLoad = true;
        Pair.Send(pair.A, pair.B);
        pair.RunUntil(() => pair.B.Delivered.Count == 1, 12 * Second);
    }

    [Fact]
    public void Without_load_nobody_is_asked_for_a_cookie()
    {
        using Pair pair = Pair.InSession();
        Assert.Empty(pair.Eavesdropper.CookieReplies);
    }

    [Fact]
    public void Who_does_not_know_our_key_gets_no_cookie_either()
    {
        using Pair pair = Pair.Connected();
        pair.B.IsUnderLoad = true;
        byte[] initiation = Forge.Initiation(pair.Random, pair.A.PublicKey);
        pair.Network.Send(initiation, Elsewhere, pair.B.Address);
        pair.Run(RoundTrip);
        Assert.Single(pair.Eavesdropper.Seen);
        Assert.Equal(1, pair.B.Device.Drops[DropReason.InvalidMac1]);
    }

    [Fact]
    public void A_second_mac_that_is_wrong_earns_another_cookie_and_no_session()
    {
        using Pair pair = Pair.Connected();
        byte[] initiation = InitiationWithCookie(pair);
        initiation[^1] ^= 1;
        Assert.True(GetsCookieReply(pair, initiation, pair.A.Address));
    }

    [Theory]
    [InlineData("192.0.2.1:51820", true)]
    [InlineData("192.0.2.1:51821", false)]
    [InlineData("192.0.2.3:51820", false)]
    [InlineData("[2001:db8::1]:51820", false)]
    public void A_cookie_is_good_for_the_address_and_port_that_it_was_given_to(string source, bool isGood)
    {
        using Pair pair = Pair.Connected();
        Assert.Equal("192.0.2.1:51820", pair.A.Address.ToString());
        Assert.Equal(!isGood, GetsCookieReply(pair, InitiationWithCookie(pair), Endpoint.Parse(source)));
    }

    [Fact]
    public void A_node_that_has_moved_is_given_another_cookie()
    {
        using Pair pair = Pair.Connected();
        pair.B.IsUnderLoad = true;
        pair.Handshake();
        pair.A.MoveTo(Elsewhere);
        pair.Run(6 * Second);
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(12 * Second);
        Assert.Equal(2, pair.Eavesdropper.CookieReplies.Count());
        Assert.Equal(2, pair.Eavesdropper.Responses.Count());
        Assert.Equal(Elsewhere, pair.B.TunnelTo(pair.A).Path?.Remote);
    }

    [Theory]
    [InlineData(114.9, true)]
    [InlineData(115.1, false)]
    public void The_holder_of_a_cookie_uses_it_for_115_s(double age, bool isUsed)
    {
        using Pair pair = Pair.Connected();
        Instant received = ReceiveCookie(pair);
        pair.Network.Loses = _ => true;
        pair.Run(received + (age * Second) - pair.Now);
        pair.Eavesdropper.Forget();
        pair.A.Device.ClearSessions();
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(RoundTrip);
        Assert.Equal(isUsed, !pair.Eavesdropper.Initiations.Single().Bytes.AsSpan()[^16..].SequenceEqual(NoMac));
    }

    [Theory]
    [InlineData(119.9, true)]
    [InlineData(120.0, false)]
    public void The_secret_that_cookies_are_made_with_lasts_120_s(double age, bool isGood)
    {
        using Pair pair = Pair.Connected();
        byte[] initiation = InitiationWithCookie(pair);
        Instant made = pair.Eavesdropper.CookieReplies.Single().Time;
        pair.Network.Loses = datagram => datagram.Source == pair.A.Address;
        pair.Run(made + (age * Second) - pair.Now);
        Assert.Equal(!isGood, GetsCookieReply(pair, initiation, pair.A.Address));
    }

    [Fact]
    public void A_cookie_reply_is_taken_once_and_only_for_the_message_that_it_answers()
    {
        using Pair pair = Pair.Connected();
        ReceiveCookie(pair);
        byte[] reply = pair.Eavesdropper.CookieReplies.Single().Bytes;
        pair.A.Receive([.. reply], pair.B.Address);
        Assert.Equal(1, pair.A.Device.Drops[DropReason.InvalidCookieReply]);

        // To an index that nobody has, and altered.
        for (int i = 4; i < reply.Length; i++)
        {
            byte[] altered = [.. reply];
            altered[i] ^= 1;
            pair.A.Receive(altered, pair.B.Address);
        }
        Assert.Equal(4, pair.A.Device.Drops[DropReason.UnknownIndex]);
        Assert.Equal(1 + reply.Length - 8, pair.A.Device.Drops[DropReason.InvalidCookieReply]);
    }

    [Fact]
    public void Altered_cookie_replies_do_not_keep_the_right_one_out()
    {
        using Pair pair = Pair.Connected();
        pair.B.IsUnderLoad = true;
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.CookieReply;
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(RoundTrip);
        byte[] reply = pair.Eavesdropper.CookieReplies.Single().Bytes;
        for (int i = 8; i < reply.Length; i++)
        {
            byte[] altered = [.. reply];
            altered[i] ^= 1;
            pair.A.Receive(altered, pair.B.Address);
        }
        Assert.Equal(reply.Length - 8, pair.A.Device.Drops[DropReason.InvalidCookieReply]);
        pair.A.Receive([.. reply], pair.B.Address);
        Assert.Equal(reply.Length - 8, pair.A.Device.Drops[DropReason.InvalidCookieReply]);
        pair.Run(6 * Second);
        Assert.True(pair.HaveSession);
    }

    [Fact]
    public void A_source_with_a_valid_cookie_may_start_5_handshakes_at_once_under_load_and_20_a_second()
    {
        using Pair pair = Pair.Connected();
        byte[] initiation = InitiationWithCookie(pair);
        for (int i = 0; i < 10; i++)
            pair.B.Receive([.. initiation], pair.A.Address);
        // The first one succeeds, so that the source is known from then on, which has a budget of its own.
        Assert.Equal(5, pair.B.Device.Drops[DropReason.InitiationReplayed]);
        Assert.Equal(4, pair.B.Device.Drops[DropReason.RateLimited]);

        pair.Run(Second);
        for (int i = 0; i < 100; i++)
        {
            pair.B.Receive([.. initiation], pair.A.Address);
            pair.Run(Second / 100);
        }
        Assert.InRange(pair.B.Device.Drops[DropReason.InitiationReplayed], 5 + 20, 5 + 25);

        // Without load there is no limit.
        long before = pair.B.Device.Drops[DropReason.InitiationReplayed];
        pair.B.IsUnderLoad = false;
        for (int i = 0; i < 100; i++)
            pair.B.Receive([.. initiation], pair.A.Address);
        Assert.Equal(before + 100, pair.B.Device.Drops[DropReason.InitiationReplayed]);
    }

    [Fact]
    public void A_new_peer_connects_while_initiations_with_a_valid_first_mac_pour_in_from_everywhere()
    {
        using Pair pair = Pair.Connected();
        pair.B.IsUnderLoad = true;
        pair.Every(Second / 500, 5000, i =>
        {
            var source = new Endpoint(IpAddress.IPv4(0x0B00_0000 + (uint)i), (ushort)(1024 + i));
            pair.Network.Send(Forge.Initiation(pair.Random, pair.B.PublicKey), source, pair.B.Address);
        });
        pair.After(Second, () => Pair.Send(pair.A, pair.B));
        pair.Run(7 * Second);
        Assert.Single(pair.B.Delivered);
        // Whoever floods gets less than it sends, and costs no Diffie-Hellman.
        Assert.Equal(0, pair.B.Device.Drops[DropReason.HandshakeNotAuthentic]);
        Assert.All(
            pair.Eavesdropper.Seen.Where(datagram => datagram.Source == pair.B.Address && datagram.Destination != pair.A.Address),
            datagram => Assert.Equal(DatagramKind.CookieReply, datagram.Kind));
    }

    [Fact]
    public void One_address_floods_with_a_valid_cookie_and_another_gets_in()
    {
        using Pair pair = Pair.Connected();
        Node other = pair.AddNode("other");
        other.AddPeer(pair.B);
        pair.B.AddPeer(other);
        byte[] initiation = InitiationWithCookie(pair);
        pair.Every(Second / 500, 5000, _ => pair.B.Receive([.. initiation], pair.A.Address));
        pair.After(Second, () => Pair.Send(other, pair.B, number: 7));
        pair.Run(9 * Second);
        Assert.Equal(7ul, Assert.Single(pair.B.Delivered).Number);
        Assert.True(pair.B.Device.Drops[DropReason.RateLimited] > 4000);
    }

    // Lets A ask B, which is under load from now on, for a session, and get a cookie.
    private static Instant ReceiveCookie(Pair pair)
    {
        pair.B.IsUnderLoad = true;
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(RoundTrip);
        Assert.Single(pair.Eavesdropper.CookieReplies);
        return pair.Now;
    }

    // An initiation of A's with a cookie, which has not reached B.
    private static byte[] InitiationWithCookie(Pair pair)
    {
        ReceiveCookie(pair);
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.HandshakeInitiation;
        pair.RunUntil(() => pair.Eavesdropper.Initiations.Count() == 2, 6 * Second);
        pair.Network.Loses = _ => false;
        return [.. pair.Eavesdropper.Initiations.Last().Bytes];
    }

    // Whether B answers with a cookie reply; if not, it must be with a response.
    private static bool GetsCookieReply(Pair pair, byte[] initiation, Endpoint source)
    {
        pair.Eavesdropper.Forget();
        pair.B.Receive(initiation, source);
        SeenDatagram answer = Assert.Single(pair.Eavesdropper.Seen);
        Assert.Equal(source, answer.Destination);
        Assert.Contains(answer.Kind, (DatagramKind[])[DatagramKind.CookieReply, DatagramKind.HandshakeResponse]);
        return answer.Kind == DatagramKind.CookieReply;
    }
}
