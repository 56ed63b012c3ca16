using Kedge.Crypto;
using Kedge.Protocol.Noise;

namespace Kedge.Protocol.WireGuard;

/// <summary>How WireGuard's handshakes begin (paper, section 5.4.2).</summary>
internal static class WireGuardHandshake
{
    private static readonly NoiseProtocol Protocol = new("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"u8, "WireGuard v1 zx2c4 Jason@zx2c4.com"u8);

    /// <summary>Starts a handshake towards the holder of a static key.</summary>
    public static void Initialize(SymmetricState state, PublicKey responder)
    {
        Span<byte> responderKey = stackalloc byte[PublicKey.Size];
        responder.CopyTo(responderKey);
        state.Initialize(Protocol);
        state.MixHash(responderKey);
    }
}

/// <summary>
/// The initiator's half of one handshake, from the initiation to the response: Noise_IKpsk2 as the WireGuard paper has it, sections 5.4.2
/// and 5.4.3. Owned by the handshake thread; disposed by the peer that started it, which zeroes the ephemeral key.
/// </summary>
internal sealed class InitiatorHandshake : IDisposable
{
    private readonly SymmetricState _state = new();
    private readonly X25519PrivateKey _ephemeral;

    private InitiatorHandshake(uint localIndex, X25519PrivateKey ephemeral) => (LocalIndex, _ephemeral) = (localIndex, ephemeral);

    /// <summary>The index that the responder is to answer to.</summary>
    public uint LocalIndex { get; }

    /// <summary>Writes an initiation, without its MACs.</summary>
    /// <returns>The handshake that it starts; null when the peer's public key is of low order, with which there is none.</returns>
    public static InitiatorHandshake? Start(
        LocalIdentity identity, PublicKey peer, ReadOnlySpan<byte> staticShared, uint localIndex, Tai64N timestamp, RandomBytes random, HandshakeInitiation message)
    {
        var handshake = new InitiatorHandshake(localIndex, EphemeralKey.Generate(random));
        SymmetricState state = handshake._state;

        Span<byte> peerKey = stackalloc byte[PublicKey.Size];
        Span<byte> ownKey = stackalloc byte[PublicKey.Size];
        Span<byte> label = stackalloc byte[Tai64N.Size];
        peer.CopyTo(peerKey);
        identity.PublicKey.CopyTo(ownKey);
        timestamp.CopyTo(label);

        message.Type = MessageType.Initiation;
        message.Sender = localIndex;
        WireGuardHandshake.Initialize(state, peer);
        handshake._ephemeral.WritePublicKey(message.Ephemeral);
        state.MixEphemeral(message.Ephemeral);
        if (!state.TryMixAgreement(handshake._ephemeral, peerKey))
        {
            handshake.Dispose();
            return null;
        }
        state.EncryptAndHash(ownKey, message.Static);
        state.MixKey(staticShared);
        state.EncryptAndHash(label, message.Timestamp);
        return handshake;
    }

    /// <summary>Reads the response. The handshake stays as it was when the answer is not authentic, and is over when it is.</summary>
    /// <returns>The keys, which the caller disposes; null when the response is not the peer's, or made with another PSK.</returns>
    public SessionKeys? Finish(LocalIdentity identity, ReadOnlySpan<byte> presharedKey, HandshakeResponse message)
    {
        using var state = new SymmetricState();
        state.CopyFrom(_state);
        state.MixEphemeral(message.Ephemeral);
        if (!state.TryMixAgreement(_ephemeral, message.Ephemeral) || !state.TryMixAgreement(identity.Key, message.Ephemeral))
            return null;
        state.MixKeyAndHash(presharedKey);
        if (!state.TryDecryptAndHash(message.Empty, default))
            return null;
        return state.Split();
    }

    /// <summary>Zeroes the ephemeral key and the state.</summary>
    public void Dispose()
    {
        _ephemeral.Dispose();
        _state.Dispose();
    }
}

/// <summary>
/// The responder's half of a handshake: it begins and ends within one initiation, so it is a place to work in that is used again for the
/// next one. Owned by the handshake thread.
/// </summary>
internal sealed class ResponderHandshake : IDisposable
{
    private readonly SymmetricState _state = new();
    private readonly byte[] _initiatorEphemeral = new byte[X25519.KeySize];

    /// <summary>Reads who an initiation says it is from. Nothing but possession of our public key is proven yet.</summary>
    /// <returns>Whether it decrypts.</returns>
    public bool TryReadInitiator(LocalIdentity identity, HandshakeInitiation message, out PublicKey initiator)
    {
        initiator = default;
        Span<byte> key = stackalloc byte[PublicKey.Size];
        message.Ephemeral.CopyTo(_initiatorEphemeral);
        WireGuardHandshake.Initialize(_state, identity.PublicKey);
        _state.MixEphemeral(message.Ephemeral);
        if (!_state.TryMixAgreement(identity.Key, message.Ephemeral) || !_state.TryDecryptAndHash(message.Static, key))
            return false;
        initiator = PublicKey.FromBytes(key);
        return true;
    }

    /// <summary>Reads the timestamp, which proves that the initiator holds its static key.</summary>
    /// <returns>Whether it decrypts.</returns>
    public bool TryReadTimestamp(ReadOnlySpan<byte> staticShared, HandshakeInitiation message, out Tai64N timestamp)
    {
        Span<byte> label = stackalloc byte[Tai64N.Size];
        _state.MixKey(staticShared);
        bool authentic = _state.TryDecryptAndHash(message.Timestamp, label);
        timestamp = authentic ? Tai64N.Read(label) : default;
        return authentic;
    }

    /// <summary>Writes the response, without its MACs, and ends the handshake.</summary>
    /// <returns>The keys, which the caller disposes; null when the initiator's ephemeral or static key is of low order.</returns>
    public SessionKeys? Respond(
        PublicKey initiator, ReadOnlySpan<byte> presharedKey, uint localIndex, uint remoteIndex, RandomBytes random, HandshakeResponse message)
    {
        Span<byte> initiatorKey = stackalloc byte[PublicKey.Size];
        initiator.CopyTo(initiatorKey);
        using X25519PrivateKey ephemeral = EphemeralKey.Generate(random);

        message.Type = MessageType.Response;
        message.Sender = localIndex;
        message.Receiver = remoteIndex;
        ephemeral.WritePublicKey(message.Ephemeral);
        _state.MixEphemeral(message.Ephemeral);
        if (!_state.TryMixAgreement(ephemeral, _initiatorEphemeral) || !_state.TryMixAgreement(ephemeral, initiatorKey))
            return null;
        _state.MixKeyAndHash(presharedKey);
        _state.EncryptAndHash(default, message.Empty);
        SessionKeys keys = _state.Split();
        _state.Dispose();
        return keys;
    }

    /// <summary>Zeroes the state.</summary>
    public void Dispose() => _state.Dispose();
}
