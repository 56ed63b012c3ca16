using System.Buffers.Binary;
using System.Security.Cryptography;
using Kedge.Crypto;
using ChaCha20Poly1305 = Kedge.Crypto.ChaCha20Poly1305;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// The initiator's half of one handshake: what it has sent, waits for, and sends again. Made by a job, then owned by the exchange's
/// thread; zeroed on disposal.
/// </summary>
internal sealed class InitiatorHandshake : IDisposable
{
    private readonly RosenpassDialect _dialect;
    private readonly ChainingKey _chainingKey;
    private readonly byte[] _eski;
    private readonly byte[] _epki;
    private readonly byte[] _responderKey = GC.AllocateArray<byte>(KeyedHashes.Size, pinned: true);
    private readonly byte[] _cookie = GC.AllocateArray<byte>(Cookies.Size, pinned: true);
    private byte[] _message;
    private Instant? _cookieReceived;

    private InitiatorHandshake(RosenpassDialect dialect, uint sidi)
    {
        _dialect = dialect;
        _chainingKey = new ChainingKey(dialect.Domains);
        _eski = GC.AllocateUninitializedArray<byte>(dialect.EphemeralKem.SecretKeySize, pinned: true);
        _epki = new byte[dialect.EphemeralKem.PublicKeySize];
        _message = new byte[dialect.InitHelloSize];
        Sidi = sidi;
    }

    /// <summary>The initiator's session id, as the number that its 4 bytes are in little-endian order.</summary>
    public uint Sidi { get; }

    /// <summary>Whether the next message is to be an <see cref="EmptyData"/>; until then it is a <see cref="RespHello"/>.</summary>
    public bool AwaitsEmptyData { get; private set; }

    /// <summary>Whether a job works on a <see cref="RespHello"/>.</summary>
    public bool IsFinishing { get; set; }

    /// <summary>When the first message was sent.</summary>
    public Instant Started { get; set; }

    /// <summary>When the last message is to be sent again.</summary>
    public Instant RetransmitAt { get; private set; }

    /// <summary>How often the last message was sent.</summary>
    public int Transmissions { get; private set; }

    /// <summary>The last message's MAC, which a cookie reply answers.</summary>
    public ReadOnlySpan<byte> LastMac => new Envelope(_message).Mac;

    /// <summary>Makes the first message. The expensive part of starting; any thread.</summary>
    /// <exception cref="CryptographicException">The mechanism finds no key in the peer's public key.</exception>
    public static InitiatorHandshake Start(StaticKeyPair own, PeerKeys peer, uint sidi)
    {
        RosenpassDialect dialect = peer.Dialect;
        var handshake = new InitiatorHandshake(dialect, sidi);
        try
        {
            var message = new InitHello(dialect, handshake._message);
            ChainingKey ck = handshake._chainingKey;
            ck.Set(peer.PublicKey.HashesUnder(dialect.Hash).ChainingKeyInit);
            BinaryPrimitives.WriteUInt32LittleEndian(message.Sidi, sidi);
            dialect.EphemeralKem.GenerateKeyPair(handshake._epki, handshake._eski);
            handshake._epki.CopyTo(message.Epki);
            ck.Mix(message.Sidi);
            ck.Mix(message.Epki);
            ck.EncapsulateAndMix(dialect.StaticKem, peer.PublicKey.Bytes, message.Sctr);
            Span<byte> pidi = stackalloc byte[PeerId.Size];
            own.PublicKey.IdUnder(dialect.Hash).CopyTo(pidi);
            ck.EncryptAndMix(pidi, message.PidiCt);
            ck.Mix(own.PublicKey.Bytes);
            ck.Mix(peer.PresharedKey);
            ck.EncryptAndMix(default, message.Auth);
            message.Envelope.SetType(MessageType.InitHello);
            Macs.Sign(message.Envelope, dialect.Hash, peer.PublicKey);
            return handshake;
        }
        catch
        {
            handshake.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Reads a <see cref="RespHello"/>. The expensive part of finishing; any thread, and changes nothing here, so that a forged one does no
    /// harm.
    /// </summary>
    /// <returns>The chaining key, which the caller disposes; null when the message is not authentic.</returns>
    public ChainingKey? TryRead(StaticKeyPair own, RespHello message)
    {
        var ck = new ChainingKey(_dialect.Domains);
        ck.Set(_chainingKey.Bytes);
        ck.Mix(message.Sidr);
        ck.Mix(message.Sidi);
        ck.DecapsulateAndMix(_dialect.EphemeralKem, _eski, _epki, message.Ecti);
        ck.DecapsulateAndMix(_dialect.StaticKem, own.SecretKey, own.PublicKey.Bytes, message.Scti);
        ck.Mix(message.Biscuit);
        if (ck.TryDecryptAndMix(message.Auth, default))
            return ck;
        ck.Dispose();
        return null;
    }

    /// <summary>Makes the <see cref="InitConf"/> that answers a message read, writes the output key, and zeroes the ephemeral key.</summary>
    public void Confirm(PeerKeys peer, RespHello answered, ChainingKey ck, Span<byte> outputKey)
    {
        _message = new byte[InitConf.Size];
        var message = new InitConf(_message);
        answered.Sidi.CopyTo(message.Sidi);
        answered.Sidr.CopyTo(message.Sidr);
        answered.Biscuit.CopyTo(message.Biscuit);
        ck.Mix(message.Sidi);
        ck.Mix(message.Sidr);
        ck.EncryptAndMix(default, message.Auth);
        message.Envelope.SetType(MessageType.InitConf);
        Macs.Sign(message.Envelope, _dialect.Hash, peer.PublicKey);
        ck.Derive(_dialect.Domains.ResponderHandshakeEncryption, _responderKey);
        ck.Derive(peer.OutputKeyDomain, outputKey);
        CryptographicOperations.ZeroMemory(_eski);
        _chainingKey.Dispose();
        AwaitsEmptyData = true;
        Transmissions = 0;
    }

    /// <summary>Whether a message is the responder's confirmation of this handshake.</summary>
    public bool IsConfirmedBy(EmptyData message)
    {
        Span<byte> nonce = stackalloc byte[ChaCha20Poly1305.NonceSize];
        message.WriteNonce(nonce);
        return ChaCha20Poly1305.TryOpen(_responderKey, nonce, default, message.Auth, default);
    }

    /// <summary>Takes the cookie from a reply to the last message; false when it is no such reply.</summary>
    public bool TryTakeCookie(Instant now, StaticPublicKey responder, CookieReply reply)
    {
        Span<byte> cookie = stackalloc byte[Cookies.Size];
        byte[] key = responder.HashesUnder(Cookies.Hash).CookieKey;
        if (!XChaCha20Poly1305.TryOpen(key, reply.Nonce, LastMac, reply.CookieEncrypted, cookie))
            return false;
        cookie.CopyTo(_cookie);
        _cookieReceived = now;
        return true;
    }

    /// <summary>Writes the last message once more, byte for byte but for the cookie, and sets when the next time is.</summary>
    /// <param name="now">The time.</param>
    /// <param name="timing">The times in force.</param>
    /// <param name="random">Decides between half the delay and the whole.</param>
    /// <param name="datagram">Receives the message.</param>
    /// <returns>Its length in bytes.</returns>
    public int Transmit(Instant now, RosenpassTiming timing, RandomBytes random, Span<byte> datagram)
    {
        double factor = Math.Min(Math.Pow(2, Transmissions++), timing.MaximumRetransmissionDelay / timing.RetransmissionDelay);
        RetransmitAt = now + (timing.RetransmissionDelay * factor * (0.5 + (0.5 * random.NextFraction())));
        var message = new Envelope(_message);
        if (_cookieReceived is { } received && now - received < timing.CookieEpoch)
            Cookies.MakeProof(_cookie, message, message.Cookie);
        else
            message.Cookie.Clear();
        _message.CopyTo(datagram);
        return _message.Length;
    }

    /// <summary>Zeroes all keys.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_eski);
        CryptographicOperations.ZeroMemory(_responderKey);
        CryptographicOperations.ZeroMemory(_cookie);
        _chainingKey.Dispose();
    }
}
