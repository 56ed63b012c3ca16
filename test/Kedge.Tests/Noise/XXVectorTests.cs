using Kedge.Crypto;
using Kedge.Protocol;
using Kedge.Protocol.Noise;

namespace Kedge.Tests.Noise;

/// <summary>
/// Noise_XXpsk0_25519_ChaChaPoly_BLAKE2s against a vector of an independent program, which was itself held to published vectors of XX, of
/// XXpsk3 and of two preshared keys at once. There is no published vector of XXpsk0.
/// </summary>
public class XXVectorTests
{
    private static readonly NoiseProtocol Protocol = new("Noise_XXpsk0_25519_ChaChaPoly_BLAKE2s"u8, "kedge knock 1"u8);
    private static readonly byte[] PresharedKey = Convert.FromHexString("7f76ccf2cda48b8c945a6d86f77a98bf3fdf70bbccb65b737ca8858db1eef17b");
    private static readonly byte[] InitiatorStatic = Convert.FromHexString("e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1");
    private static readonly byte[] ResponderStatic = Convert.FromHexString("4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893");
    private static readonly byte[] InitiatorEphemeral = Convert.FromHexString("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a");
    private static readonly byte[] ResponderEphemeral = Convert.FromHexString("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b");

    private static readonly (string Payload, string Message)[] Messages =
    [
        ("6f6e65", "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79446502be7d8eb7487d82f7a023a8528ceb9b2104"),
        ("74776f2074776f2074776f2074776f2074776f20",
            "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843cfeaf124e27b8358f1f5105b063459a17e7a293950a72435c968051b"
            + "dc0ce85397f7b66ed73e1759c786179f762f4ee588b140d36f4295d72258498d26d2761118fb36de98257436e7220a38206b6202332398b5"),
        ("746872656520746872656520746872656520746872656520746872656520746872656520746872656520",
            "11de54bdbdbb3a5fb316e83a0f9dc9e41d328e6358dbe65012d6ab720c2988770f54fb770d0ece41c53ac7ea7234f143297c552b09c9337a47679e93"
            + "fc4e678d4498b895b96496a62c3d2697f6cb28b34f7735b3cfbe7c6f85afd181bfb3e7bfc38cbf345de262761384"),
    ];

    [Fact]
    public void Both_halves_give_the_messages_the_hash_and_the_keys_of_the_vector()
    {
        using var initiatorKey = new X25519PrivateKey(InitiatorStatic);
        using var responderKey = new X25519PrivateKey(ResponderStatic);
        using var initiator = new XXInitiator(Protocol, PresharedKey, initiatorKey, Give(InitiatorEphemeral));
        using var responder = new XXResponder(Protocol, responderKey);

        byte[] first = Write(0, XXMessage.FirstOverhead, (payload, message) => initiator.WriteFirst(default, payload, message));
        Read(0, XXMessage.FirstOverhead, payload => responder.TryReadFirst(PresharedKey, default, first, payload));
        byte[] second = Write(1, XXMessage.SecondOverhead, (payload, message) =>
            Assert.True(responder.TryWriteSecond(Give(ResponderEphemeral), default, payload, message)));
        Read(1, XXMessage.SecondOverhead, payload => initiator.TryReadSecond(default, second, payload));
        byte[] third = Write(2, XXMessage.ThirdOverhead, (payload, message) => initiator.WriteThird(default, payload, message));
        Read(2, XXMessage.ThirdOverhead, payload => responder.TryReadThird(default, third, payload));

        Assert.Equal(PublicKeyOf(responderKey), initiator.RemoteStatic.ToArray());
        Assert.Equal(PublicKeyOf(initiatorKey), responder.RemoteStatic.ToArray());
        byte[] hash = new byte[32], other = new byte[32];
        initiator.CopyHashTo(hash);
        responder.CopyHashTo(other);
        Assert.Equal("ecad2b70d2a39830c13a256a9fb616f1908d68f14e75c1d3e2701fe5022179f4", Convert.ToHexStringLower(hash));
        Assert.Equal(hash, other);
        using SessionKeys ours = initiator.Split(), theirs = responder.Split();
        Assert.Equal("2219da65008f29ed87084e37ef3c2ec191ff68302b5a6538fc172246718ffa7e", Convert.ToHexStringLower(ours.Initiator));
        Assert.Equal("d8efbcb66f81540a09b5c036c7eb7acd558e49e3b6614156b0a156de176eb6db", Convert.ToHexStringLower(ours.Responder));
        Assert.Equal(ours.Initiator.ToArray(), theirs.Initiator.ToArray());
        Assert.Equal(ours.Responder.ToArray(), theirs.Responder.ToArray());
    }

    [Fact]
    public void Whatever_is_changed_on_the_way_is_refused_and_the_message_itself_is_taken_afterwards()
    {
        byte[] header = [1, 2, 3, 4];
        using var initiatorKey = new X25519PrivateKey(InitiatorStatic);
        using var responderKey = new X25519PrivateKey(ResponderStatic);
        using var initiator = new XXInitiator(Protocol, PresharedKey, initiatorKey, Give(InitiatorEphemeral));
        using var responder = new XXResponder(Protocol, responderKey);
        byte[] payload = new byte[8];

        byte[] first = new byte[XXMessage.FirstOverhead + 8];
        initiator.WriteFirst(header, payload, first);
        Assert.False(responder.TryReadFirst(new byte[32], header, first, payload)); // another network's key
        RefusesChanges(header, first, (data, message) => responder.TryReadFirst(PresharedKey, data, message, payload));

        byte[] second = new byte[XXMessage.SecondOverhead + 8];
        Assert.True(responder.TryWriteSecond(Give(ResponderEphemeral), header, payload, second));
        RefusesChanges(header, second, (data, message) => initiator.TryReadSecond(data, message, payload));

        byte[] third = new byte[XXMessage.ThirdOverhead + 8];
        initiator.WriteThird(header, payload, third);
        RefusesChanges(header, third, (data, message) => responder.TryReadThird(data, message, payload));
        using SessionKeys ours = initiator.Split(), theirs = responder.Split();
        Assert.Equal(ours.Initiator.ToArray(), theirs.Initiator.ToArray());
    }

    [Fact]
    public void Keys_for_something_else_are_common_to_both_and_no_keys_of_the_handshake()
    {
        using var initiatorKey = new X25519PrivateKey(InitiatorStatic);
        using var responderKey = new X25519PrivateKey(ResponderStatic);
        using var initiator = new XXInitiator(Protocol, PresharedKey, initiatorKey, Give(InitiatorEphemeral));
        using var responder = new XXResponder(Protocol, responderKey);
        byte[] first = new byte[XXMessage.FirstOverhead], second = new byte[XXMessage.SecondOverhead];
        initiator.WriteFirst(default, default, first);
        Assert.True(responder.TryReadFirst(PresharedKey, default, first, default));
        Assert.True(responder.TryWriteSecond(Give(ResponderEphemeral), default, default, second));
        Assert.True(initiator.TryReadSecond(default, second, default));

        using SessionKeys ours = initiator.Derive("label"u8), theirs = responder.Derive("label"u8), split = initiator.Split();
        Assert.Equal(ours.Initiator.ToArray(), theirs.Initiator.ToArray());
        Assert.Equal(ours.Responder.ToArray(), theirs.Responder.ToArray());
        Assert.NotEqual(ours.Initiator.ToArray(), ours.Responder.ToArray());
        Assert.NotEqual(split.Initiator.ToArray(), ours.Initiator.ToArray());
    }

    [Fact]
    public void An_ephemeral_key_of_low_order_is_refused()
    {
        using var key = new X25519PrivateKey(ResponderStatic);
        using var responder = new XXResponder(Protocol, key);
        using var state = new SymmetricState();
        byte[] first = new byte[XXMessage.FirstOverhead];
        state.Initialize(Protocol);
        state.MixKeyAndHash(PresharedKey);
        state.MixEphemeral(first.AsSpan(0, 32)); // zero
        state.EncryptAndHash(default, first.AsSpan(32));
        Assert.True(responder.TryReadFirst(PresharedKey, default, first, default));
        Assert.False(responder.TryWriteSecond(Give(ResponderEphemeral), default, default, new byte[XXMessage.SecondOverhead]));
    }

    private delegate bool Reading(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> message);

    private static void RefusesChanges(byte[] header, byte[] message, Reading read)
    {
        for (int i = 0; i < header.Length; i++)
            Assert.False(read(Changed(header, i), message));
        for (int i = 0; i < message.Length; i++)
            Assert.False(read(header, Changed(message, i)));
        Assert.True(read(header, message));
    }

    private static byte[] Changed(byte[] bytes, int index)
    {
        byte[] changed = [.. bytes];
        changed[index] ^= 0x40; // not the highest bit: of a public key's last byte it means nothing
        return changed;
    }

    private static byte[] Write(int index, int overhead, Action<byte[], byte[]> write)
    {
        byte[] payload = Convert.FromHexString(Messages[index].Payload), message = new byte[payload.Length + overhead];
        write(payload, message);
        Assert.Equal(Messages[index].Message, Convert.ToHexStringLower(message));
        return message;
    }

    private static void Read(int index, int overhead, Func<byte[], bool> read)
    {
        byte[] payload = new byte[(Messages[index].Message.Length / 2) - overhead];
        Assert.True(read(payload));
        Assert.Equal(Messages[index].Payload, Convert.ToHexStringLower(payload));
    }

    private static byte[] PublicKeyOf(X25519PrivateKey key)
    {
        byte[] publicKey = new byte[32];
        key.WritePublicKey(publicKey);
        return publicKey;
    }

    private static RandomBytes Give(byte[] key) => destination => key.CopyTo(destination);
}
