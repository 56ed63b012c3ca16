using Kedge.Crypto;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Noise;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>Handshake messages that nobody with the right keys has made.</summary>
public class ForgedHandshakeTests
{
    private static readonly TimeSpan RoundTrip = TimeSpan.FromMilliseconds(20);
    private static readonly Endpoint Elsewhere = Endpoint.Parse("203.0.113.9:4242");

    /// <summary>The points of order 1, 2, 4 and 8, and the encodings of the same that are not canonical (RFC 7748, section 6.1).</summary>
    public static TheoryData<string> LowOrderKeys =>
    [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0100000000000000000000000000000000000000000000000000000000000080",
    ];

    [Fact]
    public void An_initiation_whose_sender_does_not_know_our_key_is_not_answered()
    {
        using Pair pair = Pair.Connected();
        byte[] initiation = CaptureInitiation(pair);
        initiation[^17] ^= 1;
        Inject(pair, initiation);
        Assert.Equal(1, pair.B.Device.Drops[DropReason.InvalidMac1]);
        Assert.Single(pair.Eavesdropper.Seen, datagram => datagram.Source != Elsewhere);
    }

    [Fact]
    public void An_initiation_that_was_altered_anywhere_is_not_answered()
    {
        using Pair pair = Pair.Connected();
        byte[] initiation = CaptureInitiation(pair);
        for (int i = 8; i < 116; i++)
            Inject(pair, Forge.Altered(initiation, i, pair.B.PublicKey));
        Assert.Equal(108, pair.B.Device.Drops[DropReason.HandshakeNotAuthentic]);
        Assert.Empty(pair.Eavesdropper.Responses);
        Assert.NotEqual(Elsewhere, pair.B.TunnelTo(pair.A).Path?.Remote);
    }

    [Fact]
    public void A_response_that_was_altered_anywhere_is_refused_and_the_right_one_still_accepted()
    {
        using Pair pair = Pair.Connected();
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.HandshakeResponse;
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(RoundTrip);
        byte[] response = pair.Eavesdropper.Responses.Single().Bytes;
        pair.Network.Loses = _ => false;
        for (int i = 12; i < 60; i++)
            pair.Network.Send(Forge.Altered(response, i, pair.A.PublicKey), Elsewhere, pair.A.Address);
        pair.Run(RoundTrip);
        Assert.Equal(48, pair.A.Device.Drops[DropReason.HandshakeNotAuthentic]);
        Assert.Equal(pair.B.Address, pair.A.TunnelTo(pair.B).Path?.Remote);

        // An index that nobody waits for.
        pair.Network.Send(Forge.Altered(response, 8, pair.A.PublicKey), Elsewhere, pair.A.Address);
        pair.Network.Send(response, pair.B.Address, pair.A.Address);
        pair.Run(RoundTrip);
        Assert.Equal(1, pair.A.Device.Drops[DropReason.UnknownIndex]);
        Assert.True(pair.HaveSession);
    }

    [Fact]
    public void A_response_is_accepted_once()
    {
        using Pair pair = Pair.InSession();
        pair.Run(TimeSpan.FromSeconds(10));
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(RoundTrip * 2);
        KeyPair? session = pair.A.TunnelTo(pair.B).Keys.Current;
        pair.Network.Send(pair.Eavesdropper.Responses.Single().Bytes, Elsewhere, pair.A.Address);
        pair.Run(RoundTrip);
        Assert.Equal(1, pair.A.Device.Drops[DropReason.UnknownIndex]);
        Assert.Same(session, pair.A.TunnelTo(pair.B).Keys.Current);
        Assert.Equal(pair.B.Address, pair.A.TunnelTo(pair.B).Path?.Remote);
    }

    [Fact]
    public void An_initiation_of_a_key_that_is_no_peer_is_not_answered()
    {
        using Pair pair = Pair.Connected();
        Node stranger = pair.AddNode("stranger");
        stranger.AddPeer(pair.B);
        Pair.Send(stranger, pair.B);
        pair.Run(RoundTrip);
        Assert.Equal(1, pair.B.Device.Drops[DropReason.UnknownPeer]);
        Assert.Empty(pair.Eavesdropper.Responses);
    }

    [Theory]
    [MemberData(nameof(LowOrderKeys))]
    public void A_peer_with_a_key_of_low_order_is_never_spoken_to(string hex)
    {
        using var pair = new Pair();
        PublicKey key = PublicKey.FromBytes(Convert.FromHexString(hex));
        PeerTunnel peer = pair.A.AddPeer(new PeerSettings(
            key, [IpPrefix.Parse("10.9.0.0/16")], pair.B.Address, PersistentKeepalive: TimeSpan.FromSeconds(10)));
        pair.A.Send(TestPacket.Make(pair.A.IPv4, IpAddress.Parse("10.9.0.1")));
        pair.Run(TimeSpan.FromMinutes(5));
        Assert.Empty(pair.Eavesdropper.Seen);
        Assert.False(peer.HasStaged);
        Assert.Equal(1, pair.A.Device.Drops[DropReason.NoSession]);
    }

    [Theory]
    [MemberData(nameof(LowOrderKeys))]
    public void An_initiation_that_claims_a_key_of_low_order_is_refused(string hex)
    {
        // Whoever knows our public key can make such an initiation: the shared secret of the two static keys would be known to everybody.
        using var pair = new Pair();
        byte[] key = Convert.FromHexString(hex);
        pair.A.AddPeer(new PeerSettings(PublicKey.FromBytes(key), [], default));
        using var state = new SymmetricState();
        byte[] bytes = new byte[HandshakeInitiation.Size];
        using X25519PrivateKey ephemeral = EphemeralKey.Generate(pair.Random.NextBytes);
        var initiation = new HandshakeInitiation(bytes) { Type = MessageType.Initiation };
        WireGuardHandshake.Initialize(state, pair.A.PublicKey);
        ephemeral.WritePublicKey(initiation.Ephemeral);
        state.MixEphemeral(initiation.Ephemeral);
        Assert.True(state.TryMixAgreement(ephemeral, pair.A.PublicKey.ToArray()));
        state.EncryptAndHash(key, initiation.Static);
        state.MixKey(new byte[32]);
        state.EncryptAndHash(new byte[12], initiation.Timestamp);
        Forge.WriteMac1(bytes, pair.A.PublicKey);

        pair.Network.Send(bytes, Elsewhere, pair.A.Address);
        pair.Run(RoundTrip);
        Assert.Equal(1, pair.A.Device.Drops[DropReason.HandshakeNotAuthentic]);
        Assert.Single(pair.Eavesdropper.Seen);
    }

    [Theory]
    [MemberData(nameof(LowOrderKeys))]
    public void An_ephemeral_key_of_low_order_is_refused_in_both_messages(string hex)
    {
        using Pair pair = Pair.Connected();
        byte[] initiation = CaptureInitiation(pair);
        Convert.FromHexString(hex).CopyTo(initiation, 8);
        Forge.WriteMac1(initiation, pair.B.PublicKey);
        Inject(pair, initiation);
        Assert.Equal(1, pair.B.Device.Drops[DropReason.HandshakeNotAuthentic]);

        var response = new byte[HandshakeResponse.Size];
        response[0] = 2;
        pair.Eavesdropper.Initiations.First().Bytes.AsSpan(4, 4).CopyTo(response.AsSpan(8));
        Convert.FromHexString(hex).CopyTo(response, 12);
        Forge.WriteMac1(response, pair.A.PublicKey);
        pair.Network.Send(response, pair.B.Address, pair.A.Address);
        pair.Run(RoundTrip);
        Assert.Equal(1, pair.A.Device.Drops[DropReason.HandshakeNotAuthentic]);
    }

    // An initiation of A's that has not reached B.
    private static byte[] CaptureInitiation(Pair pair)
    {
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.HandshakeInitiation;
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(RoundTrip);
        pair.Network.Loses = _ => false;
        return [.. pair.Eavesdropper.Initiations.Single().Bytes];
    }

    private static void Inject(Pair pair, byte[] datagram)
    {
        pair.Network.Send(datagram, Elsewhere, pair.B.Address);
        pair.Run(RoundTrip);
    }
}
