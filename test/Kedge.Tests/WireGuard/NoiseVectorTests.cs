using System.Text;
using Kedge.Crypto;
using Kedge.Protocol.Noise;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>
/// The handshake against published test data, in two steps: the vector of the cacophony project (public domain) proves
/// <see cref="ReferenceNoise"/>, and that then is the other end for both halves of the device's handshake.
/// </summary>
public class NoiseVectorTests
{
    private static readonly byte[] WireGuardPrologue = Encoding.ASCII.GetBytes("WireGuard v1 zx2c4 Jason@zx2c4.com");
    private static readonly byte[] InitiatorStatic = Convert.FromHexString("e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1");
    private static readonly byte[] InitiatorEphemeral = Convert.FromHexString("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a");
    private static readonly byte[] ResponderStatic = Convert.FromHexString("4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893");
    private static readonly byte[] ResponderEphemeral = Convert.FromHexString("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b");
    private static readonly byte[] ResponderPublic = Convert.FromHexString("31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62");
    private static readonly byte[] PresharedKey = Convert.FromHexString("54686973206973206d7920417573747269616e20706572737065637469766521");
    private static readonly Tai64N Timestamp = new(0x40000000_6789ABCD, 0x12345678);

    private static readonly (string Payload, string Ciphertext)[] Messages =
    [
        ("4c756477696720766f6e204d69736573",
            "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944001e21de9f98ddd8e2ad57527207feb56253c9c94a9e496782ecfcb2a75fbcaf"
            + "1b52948cc48daefe660c62119ab5000980c84831215f2441eba616548e832985464cf17e51ee93109008399a21f7e13f"),
        ("4d757272617920526f746862617264",
            "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843cb765f2caef0751b8f007572dab0322217755c0632f365717edbf34d33e87a"),
        ("462e20412e20486179656b", "8153ca9833bc3c1b91a7e66e5f4d4f5b59bf9e64c2f20d15f0bba7"),
        ("4361726c204d656e676572", "07af0c9c86e1b4e80f36b04ff7688d51141af3debd0332f0a705ef"),
        ("4a65616e2d426170746973746520536179", "6ab1467c0448cc78394494abaaf23afce0e234315d6e2624dcbfa8a21c1c4d073d"),
        ("457567656e2042f6686d20766f6e2042617765726b", "dfc346c0d2296ae6cf1acf6f12b8456a1dba228cf8d8b774aacf1c47fc53aa80ebc7a4c292"),
    ];

    [Fact]
    public void The_reference_gives_the_published_messages()
    {
        byte[] prologue = Convert.FromHexString("4a6f686e2047616c74");
        var initiator = new ReferenceNoise(true, prologue, InitiatorStatic, InitiatorEphemeral, ResponderPublic, PresharedKey);
        var responder = new ReferenceNoise(false, prologue, ResponderStatic, ResponderEphemeral, [], PresharedKey);

        byte[] initiation = initiator.WriteInitiation(Convert.FromHexString(Messages[0].Payload));
        Assert.Equal(Messages[0].Ciphertext, Convert.ToHexStringLower(initiation));
        Assert.Equal(Messages[0].Payload, Convert.ToHexStringLower(responder.ReadInitiation(initiation)));
        Assert.Equal(ReferenceNoise.PublicKeyOf(InitiatorStatic), responder.RemoteStatic);

        byte[] response = responder.WriteResponse(Convert.FromHexString(Messages[1].Payload));
        Assert.Equal(Messages[1].Ciphertext, Convert.ToHexStringLower(response));
        Assert.Equal(Messages[1].Payload, Convert.ToHexStringLower(initiator.ReadResponse(response)));

        const string handshakeHash = "f5191b875290abcd41347ac3622d9679688a7e980229cb937ef748336cfde0e5";
        Assert.Equal(handshakeHash, Convert.ToHexStringLower(initiator.HandshakeHash));
        Assert.Equal(handshakeHash, Convert.ToHexStringLower(responder.HandshakeHash));

        // The transport messages go in turn, the initiator's first.
        for (int i = 2; i < Messages.Length; i++)
        {
            byte[] key = (i % 2 == 0 ? initiator : responder).Split().Send;
            byte[] message = ReferenceNoise.Encrypt(key, (ulong)(i - 2) / 2, [], Convert.FromHexString(Messages[i].Payload));
            Assert.Equal(Messages[i].Ciphertext, Convert.ToHexStringLower(message));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_initiator_speaks_WireGuard_with_the_reference(bool withPresharedKey)
    {
        byte[] presharedKey = withPresharedKey ? PresharedKey : new byte[32];
        using var identity = new LocalIdentity(InitiatorStatic);
        var bytes = new byte[HandshakeInitiation.Size];
        using InitiatorHandshake? handshake = InitiatorHandshake.Start(
            identity,
            PublicKey.FromBytes(ResponderPublic),
            StaticShared(),
            0x11223344,
            Timestamp,
            GiveEphemeral(InitiatorEphemeral),
            new HandshakeInitiation(bytes));

        Assert.NotNull(handshake);
        Assert.Equal("0100000044332211", Convert.ToHexStringLower(bytes[..8]));
        var reference = new ReferenceNoise(false, WireGuardPrologue, ResponderStatic, ResponderEphemeral, [], presharedKey);
        byte[] timestamp = reference.ReadInitiation(bytes[8..116]);
        Assert.Equal("400000006789abcd12345678", Convert.ToHexStringLower(timestamp));
        Assert.Equal(identity.PublicKey.ToArray(), reference.RemoteStatic);
        Assert.Equal(ReferenceInitiator(presharedKey).WriteInitiation(timestamp), bytes[8..116]);

        byte[] response = [2, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, .. reference.WriteResponse([]), .. new byte[32]];
        using SessionKeys? keys = handshake.Finish(identity, presharedKey, new HandshakeResponse(response));
        Assert.NotNull(keys);
        Assert.Equal(reference.Split().Receive, keys.Initiator.ToArray());
        Assert.Equal(reference.Split().Send, keys.Responder.ToArray());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_responder_speaks_WireGuard_with_the_reference(bool withPresharedKey)
    {
        byte[] presharedKey = withPresharedKey ? PresharedKey : new byte[32];
        ReferenceNoise reference = ReferenceInitiator(presharedKey);
        var label = new byte[Tai64N.Size];
        Timestamp.CopyTo(label);
        byte[] initiation = [1, 0, 0, 0, 0x44, 0x33, 0x22, 0x11, .. reference.WriteInitiation(label), .. new byte[32]];

        using var identity = new LocalIdentity(ResponderStatic);
        using var handshake = new ResponderHandshake();
        Assert.True(handshake.TryReadInitiator(identity, new HandshakeInitiation(initiation), out PublicKey initiator));
        Assert.Equal(ReferenceNoise.PublicKeyOf(InitiatorStatic), initiator.ToArray());
        Assert.True(handshake.TryReadTimestamp(StaticShared(), new HandshakeInitiation(initiation), out Tai64N timestamp));
        Assert.Equal(Timestamp, timestamp);

        var bytes = new byte[HandshakeResponse.Size];
        using SessionKeys? keys = handshake.Respond(
            initiator, presharedKey, 0x55667788, 0x11223344, GiveEphemeral(ResponderEphemeral), new HandshakeResponse(bytes));
        Assert.NotNull(keys);
        Assert.Equal("020000008877665544332211", Convert.ToHexStringLower(bytes[..12]));
        Assert.Equal(ReferenceNoise.PublicKeyOf(ResponderEphemeral), bytes[12..44]);
        Assert.Empty(reference.ReadResponse(bytes[12..60]));
        Assert.Equal(reference.Split().Send, keys.Initiator.ToArray());
        Assert.Equal(reference.Split().Receive, keys.Responder.ToArray());
    }

    private static ReferenceNoise ReferenceInitiator(byte[] presharedKey) =>
        new(true, WireGuardPrologue, InitiatorStatic, InitiatorEphemeral, ResponderPublic, presharedKey);

    private static byte[] StaticShared()
    {
        var shared = new byte[32];
        Assert.True(X25519.TryAgree(InitiatorStatic, ResponderPublic, shared));
        return shared;
    }

    private static Kedge.Protocol.RandomBytes GiveEphemeral(byte[] key) => destination => key.CopyTo(destination);
}
