using Kedge.Crypto;

namespace Kedge.Protocol.Noise;

/// <summary>
/// The initiator's half of a handshake of the pattern XXpsk0 (Noise specification, revision 34, sections 7.5 and 9):
/// <code>
/// -> psk, e
/// &lt;- e, ee, s, es
/// -> s, se
/// </code>
/// Each message has a payload, and may have associated data, which travels beside it and is mixed into the hash in front of it; without
/// any it is the handshake of the specification. One thread at a time. Disposal zeroes the ephemeral key and the state.
/// </summary>
internal sealed class XXInitiator : IDisposable
{
    private readonly X25519PrivateKey _static;
    private readonly X25519PrivateKey _ephemeral;
    private readonly byte[] _remoteEphemeral = new byte[X25519.KeySize];
    private readonly byte[] _remoteStatic = new byte[X25519.KeySize];
    private SymmetricState _state = new();
    private SymmetricState _next = new();

    /// <summary>Starts a handshake.</summary>
    /// <param name="protocol">The protocol, whose name has XXpsk0 in it.</param>
    /// <param name="presharedKey">32 bytes.</param>
    /// <param name="staticKey">The own static key; stays the caller's, and must live as long as this.</param>
    /// <param name="random">Makes the ephemeral key.</param>
    public XXInitiator(NoiseProtocol protocol, ReadOnlySpan<byte> presharedKey, X25519PrivateKey staticKey, RandomBytes random)
    {
        (_static, _ephemeral) = (staticKey, EphemeralKey.Generate(random));
        _state.Initialize(protocol);
        _state.MixKeyAndHash(presharedKey);
    }

    /// <summary>The responder's static public key, 32 bytes, once <see cref="TryReadSecond"/> has returned true.</summary>
    public ReadOnlySpan<byte> RemoteStatic => _remoteStatic;

    /// <summary>Writes the first message.</summary>
    /// <param name="associatedData">What travels beside it.</param>
    /// <param name="payload">The payload.</param>
    /// <param name="message">Receives <see cref="XXMessage.FirstOverhead"/> bytes more than the payload has.</param>
    public void WriteFirst(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> payload, Span<byte> message)
    {
        XXMessage.MixAssociated(_state, associatedData);
        _ephemeral.WritePublicKey(message[..X25519.KeySize]);
        _state.MixEphemeral(message[..X25519.KeySize]);
        _state.EncryptAndHash(payload, message[X25519.KeySize..]);
    }

    /// <summary>Reads the second message. While it returns false nothing has changed, so a forgery ends no handshake.</summary>
    /// <param name="associatedData">What travelled beside it.</param>
    /// <param name="message">The message, at least <see cref="XXMessage.SecondOverhead"/> bytes.</param>
    /// <param name="payload">Receives the payload, <see cref="XXMessage.SecondOverhead"/> bytes less than the message has.</param>
    /// <returns>
    /// Whether it is from somebody who has the preshared key and the first message, and holds <see cref="RemoteStatic"/>.
    /// </returns>
    public bool TryReadSecond(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> message, Span<byte> payload)
    {
        Span<byte> remoteStatic = stackalloc byte[X25519.KeySize];
        ReadOnlySpan<byte> ephemeral = message[..X25519.KeySize];
        _next.CopyFrom(_state);
        XXMessage.MixAssociated(_next, associatedData);
        _next.MixEphemeral(ephemeral);
        bool isAuthentic = _next.TryMixAgreement(_ephemeral, ephemeral)
            && _next.TryDecryptAndHash(message.Slice(X25519.KeySize, XXMessage.StaticSize), remoteStatic)
            && _next.TryMixAgreement(_ephemeral, remoteStatic)
            && _next.TryDecryptAndHash(message[(X25519.KeySize + XXMessage.StaticSize)..], payload);
        if (!isAuthentic)
            return false;
        ephemeral.CopyTo(_remoteEphemeral);
        remoteStatic.CopyTo(_remoteStatic);
        (_state, _next) = (_next, _state);
        return true;
    }

    /// <summary>Writes the third message, which ends the handshake.</summary>
    /// <param name="associatedData">What travels beside it.</param>
    /// <param name="payload">The payload.</param>
    /// <param name="message">Receives <see cref="XXMessage.ThirdOverhead"/> bytes more than the payload has.</param>
    /// <exception cref="InvalidOperationException">There is no second message yet.</exception>
    public void WriteThird(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> payload, Span<byte> message)
    {
        Span<byte> key = stackalloc byte[X25519.KeySize];
        _static.WritePublicKey(key);
        XXMessage.MixAssociated(_state, associatedData);
        _state.EncryptAndHash(key, message[..XXMessage.StaticSize]);
        // A point of low order has been refused with the second message, whoever's key it was multiplied with.
        if (!_state.TryMixAgreement(_static, _remoteEphemeral))
            throw new InvalidOperationException("The second message has not been read.");
        _state.EncryptAndHash(payload, message[XXMessage.StaticSize..]);
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
        _ephemeral.Dispose();
        _state.Dispose();
        _next.Dispose();
    }
}
