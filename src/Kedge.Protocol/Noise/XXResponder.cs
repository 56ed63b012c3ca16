using Kedge.Crypto;

namespace Kedge.Protocol.Noise;

/// <summary>
/// The responder's half of what <see cref="XXInitiator"/> describes. One thread at a time. Disposal zeroes the ephemeral key and the state.
/// </summary>
/// <param name="protocol">The protocol, whose name has XXpsk0 in it.</param>
/// <param name="staticKey">The own static key; stays the caller's, and must live as long as this.</param>
internal sealed class XXResponder(NoiseProtocol protocol, X25519PrivateKey staticKey) : IDisposable
{
    private readonly byte[] _remoteEphemeral = new byte[X25519.KeySize];
    private readonly byte[] _remoteStatic = new byte[X25519.KeySize];
    private SymmetricState _state = new();
    private SymmetricState _next = new();
    private X25519PrivateKey? _ephemeral;

    /// <summary>The initiator's static public key, 32 bytes, once <see cref="TryReadThird"/> has returned true.</summary>
    public ReadOnlySpan<byte> RemoteStatic => _remoteStatic;

    /// <summary>Reads the first message, which costs no Diffie-Hellman. While it returns false it may be called again.</summary>
    /// <param name="presharedKey">32 bytes.</param>
    /// <param name="associatedData">What travelled beside it.</param>
    /// <param name="message">The message, at least <see cref="XXMessage.FirstOverhead"/> bytes.</param>
    /// <param name="payload">Receives the payload, <see cref="XXMessage.FirstOverhead"/> bytes less than the message has.</param>
    /// <returns>Whether it is from somebody who has the preshared key, though perhaps sent again by somebody else.</returns>
    public bool TryReadFirst(
        ReadOnlySpan<byte> presharedKey, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> message, Span<byte> payload)
    {
        message[..X25519.KeySize].CopyTo(_remoteEphemeral);
        _state.Initialize(protocol);
        _state.MixKeyAndHash(presharedKey);
        XXMessage.MixAssociated(_state, associatedData);
        _state.MixEphemeral(_remoteEphemeral);
        return _state.TryDecryptAndHash(message[X25519.KeySize..], payload);
    }

    /// <summary>Writes the second message.</summary>
    /// <param name="random">Makes the ephemeral key.</param>
    /// <param name="associatedData">What travels beside it.</param>
    /// <param name="payload">The payload.</param>
    /// <param name="message">Receives <see cref="XXMessage.SecondOverhead"/> bytes more than the payload has.</param>
    /// <returns>False, and the handshake is over, if the initiator's ephemeral key is of low order.</returns>
    public bool TryWriteSecond(RandomBytes random, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> payload, Span<byte> message)
    {
        Span<byte> key = stackalloc byte[X25519.KeySize];
        staticKey.WritePublicKey(key);
        _ephemeral = EphemeralKey.Generate(random);
        XXMessage.MixAssociated(_state, associatedData);
        _ephemeral.WritePublicKey(message[..X25519.KeySize]);
        _state.MixEphemeral(message[..X25519.KeySize]);
        if (!_state.TryMixAgreement(_ephemeral, _remoteEphemeral))
            return false;
        _state.EncryptAndHash(key, message.Slice(X25519.KeySize, XXMessage.StaticSize));
        if (!_state.TryMixAgreement(staticKey, _remoteEphemeral))
            return false;
        _state.EncryptAndHash(payload, message[(X25519.KeySize + XXMessage.StaticSize)..]);
        return true;
    }

    /// <summary>
    /// Reads the third message, which ends the handshake. While it returns false nothing has changed, so a forgery ends none.
    /// </summary>
    /// <param name="associatedData">What travelled beside it.</param>
    /// <param name="message">The message, at least <see cref="XXMessage.ThirdOverhead"/> bytes.</param>
    /// <param name="payload">Receives the payload, <see cref="XXMessage.ThirdOverhead"/> bytes less than the message has.</param>
    /// <returns>Whether it is from the initiator of this handshake, and that one holds <see cref="RemoteStatic"/>.</returns>
    public bool TryReadThird(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> message, Span<byte> payload)
    {
        Span<byte> remoteStatic = stackalloc byte[X25519.KeySize];
        _next.CopyFrom(_state);
        XXMessage.MixAssociated(_next, associatedData);
        bool isAuthentic = _next.TryDecryptAndHash(message[..XXMessage.StaticSize], remoteStatic)
            && _next.TryMixAgreement(_ephemeral!, remoteStatic)
            && _next.TryDecryptAndHash(message[XXMessage.StaticSize..], payload);
        if (!isAuthentic)
            return false;
        remoteStatic.CopyTo(_remoteStatic);
        (_state, _next) = (_next, _state);
        return true;
    }

    /// <summary>
    /// Whether a third message may be the initiator's of this handshake: only then does <see cref="TryReadThird"/> cost a Diffie-Hellman.
    /// </summary>
    /// <param name="associatedData">What travelled beside it.</param>
    /// <param name="message">The message, at least <see cref="XXMessage.ThirdOverhead"/> bytes.</param>
    public bool MayReadThird(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> message)
    {
        Span<byte> remoteStatic = stackalloc byte[X25519.KeySize];
        _next.CopyFrom(_state);
        XXMessage.MixAssociated(_next, associatedData);
        return _next.TryDecryptAndHash(message[..XXMessage.StaticSize], remoteStatic);
    }

    /// <inheritdoc cref="SymmetricState.Split"/>
    public SessionKeys Split() => _state.Split();

    /// <inheritdoc cref="SymmetricState.Derive"/>
    public SessionKeys Derive(ReadOnlySpan<byte> label) => _state.Derive(label);

    /// <inheritdoc cref="SymmetricState.CopyHashTo"/>
    public void CopyHashTo(Span<byte> hash) => _state.CopyHashTo(hash);

    /// <inheritdoc/>
    public void Dispose()
    {
        _ephemeral?.Dispose();
        _state.Dispose();
        _next.Dispose();
    }
}
