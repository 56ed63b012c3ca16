using System.Text;
using Kedge.Crypto;

namespace Kedge.Tests.WireGuard;

/// <summary>
/// Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s as the Noise specification (revision 34) writes it down: tokens, a symmetric state and a cipher
/// state, for any prologue and payload. It is proven on a published vector, and then is what the device's handshake is compared with,
/// which knows only WireGuard's prologue and payloads and is written from WireGuard's paper.
/// </summary>
internal sealed class ReferenceNoise
{
    private static readonly byte[] ProtocolName = Encoding.ASCII.GetBytes("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s");

    private readonly bool _initiator;
    private readonly byte[] _static;
    private readonly byte[] _ephemeral;
    private readonly byte[] _presharedKey;
    private byte[] _remoteStatic;
    private byte[] _remoteEphemeral = [];
    private byte[] _chainingKey;
    private byte[] _hash;
    private byte[] _key = [];
    private ulong _nonce;

    /// <param name="initiator">Whether this is the initiator.</param>
    /// <param name="prologue">What both sides have agreed on beforehand.</param>
    /// <param name="staticKey">The own private key.</param>
    /// <param name="ephemeralKey">The own ephemeral private key.</param>
    /// <param name="remoteStatic">The responder's public key; the responder itself gives none.</param>
    /// <param name="presharedKey">32 bytes.</param>
    public ReferenceNoise(bool initiator, byte[] prologue, byte[] staticKey, byte[] ephemeralKey, byte[] remoteStatic, byte[] presharedKey)
    {
        (_initiator, _static, _ephemeral, _remoteStatic, _presharedKey) = (initiator, staticKey, ephemeralKey, remoteStatic, presharedKey);
        _hash = Hash(ProtocolName, []); // longer than 32 bytes, so hashed and not padded: section 5.2, InitializeSymmetric
        _chainingKey = _hash;
        MixHash(prologue);
        MixHash(initiator ? remoteStatic : PublicKeyOf(staticKey)); // pre-message "<- s"
    }

    /// <summary>h, which is the channel binding at the end.</summary>
    public byte[] HandshakeHash => _hash;

    /// <summary>The initiator's public key, once the responder has read it.</summary>
    public byte[] RemoteStatic => _remoteStatic;

    /// <summary>"-> e, es, s, ss" and a payload.</summary>
    public byte[] WriteInitiation(byte[] payload)
    {
        byte[] e = WriteEphemeral();
        MixKey(Agree(_ephemeral, _remoteStatic));
        byte[] s = EncryptAndHash(PublicKeyOf(_static));
        MixKey(Agree(_static, _remoteStatic));
        return [.. e, .. s, .. EncryptAndHash(payload)];
    }

    /// <inheritdoc cref="WriteInitiation"/>
    public byte[] ReadInitiation(byte[] message)
    {
        ReadEphemeral(message[..32]);
        MixKey(Agree(_static, _remoteEphemeral));
        _remoteStatic = DecryptAndHash(message[32..80]);
        MixKey(Agree(_static, _remoteStatic));
        return DecryptAndHash(message[80..]);
    }

    /// <summary>"&lt;- e, ee, se, psk" and a payload.</summary>
    public byte[] WriteResponse(byte[] payload)
    {
        byte[] e = WriteEphemeral();
        MixKey(Agree(_ephemeral, _remoteEphemeral));
        MixKey(Agree(_ephemeral, _remoteStatic));
        MixKeyAndHash(_presharedKey);
        return [.. e, .. EncryptAndHash(payload)];
    }

    /// <inheritdoc cref="WriteResponse"/>
    public byte[] ReadResponse(byte[] message)
    {
        ReadEphemeral(message[..32]);
        MixKey(Agree(_ephemeral, _remoteEphemeral));
        MixKey(Agree(_static, _remoteEphemeral));
        MixKeyAndHash(_presharedKey);
        return DecryptAndHash(message[32..]);
    }

    /// <summary>Split(): the key to send with, and the one to receive with.</summary>
    public (byte[] Send, byte[] Receive) Split()
    {
        byte[][] keys = Hkdf(_chainingKey, [], 2);
        return _initiator ? (keys[0], keys[1]) : (keys[1], keys[0]);
    }

    public static byte[] PublicKeyOf(byte[] privateKey)
    {
        var key = new byte[32];
        X25519.PublicKey(privateKey, key);
        return key;
    }

    /// <summary>EncryptWithAd of section 5.1 with a nonce of one's own.</summary>
    public static byte[] Encrypt(byte[] key, ulong nonce, byte[] associatedData, byte[] plaintext)
    {
        var ciphertext = new byte[plaintext.Length + 16];
        ChaCha20Poly1305.Seal(key, nonce, associatedData, plaintext, ciphertext);
        return ciphertext;
    }

    private byte[] WriteEphemeral()
    {
        byte[] e = PublicKeyOf(_ephemeral);
        MixHash(e);
        MixKey(e); // section 9.2: with a PSK the ephemeral keys are mixed into the chaining key, too
        return e;
    }

    private void ReadEphemeral(byte[] e)
    {
        _remoteEphemeral = e;
        MixHash(e);
        MixKey(e);
    }

    private void MixHash(byte[] data) => _hash = Hash(_hash, data);

    private void MixKey(byte[] input)
    {
        byte[][] outputs = Hkdf(_chainingKey, input, 2);
        (_chainingKey, _key, _nonce) = (outputs[0], outputs[1], 0);
    }

    private void MixKeyAndHash(byte[] input)
    {
        byte[][] outputs = Hkdf(_chainingKey, input, 3);
        _chainingKey = outputs[0];
        MixHash(outputs[1]);
        (_key, _nonce) = (outputs[2], 0);
    }

    private byte[] EncryptAndHash(byte[] plaintext)
    {
        byte[] ciphertext = Encrypt(_key, _nonce++, _hash, plaintext);
        MixHash(ciphertext);
        return ciphertext;
    }

    private byte[] DecryptAndHash(byte[] ciphertext)
    {
        var plaintext = new byte[ciphertext.Length - 16];
        Assert.True(ChaCha20Poly1305.TryOpen(_key, _nonce++, _hash, ciphertext, plaintext), "A handshake message is not authentic.");
        MixHash(ciphertext);
        return plaintext;
    }

    private static byte[] Agree(byte[] privateKey, byte[] publicKey)
    {
        var shared = new byte[32];
        Assert.True(X25519.TryAgree(privateKey, publicKey, shared));
        return shared;
    }

    private static byte[] Hash(byte[] first, byte[] second)
    {
        var hash = new byte[32];
        Blake2s.Hash(first, second, hash);
        return hash;
    }

    // Section 4.3.
    private static byte[][] Hkdf(byte[] chainingKey, byte[] input, int outputs)
    {
        byte[] temporary = Hmac(chainingKey, input);
        var result = new byte[outputs][];
        byte[] previous = [];
        for (int i = 0; i < outputs; i++)
            result[i] = previous = Hmac(temporary, [.. previous, (byte)(i + 1)]);
        return result;
    }

    private static byte[] Hmac(byte[] key, byte[] data)
    {
        var mac = new byte[32];
        HmacBlake2s.Compute(key, data, mac);
        return mac;
    }
}
