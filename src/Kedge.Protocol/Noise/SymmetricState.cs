using System.Security.Cryptography;
using Kedge.Crypto;
using ChaCha20Poly1305 = Kedge.Crypto.ChaCha20Poly1305;

namespace Kedge.Protocol.Noise;

/// <summary>
/// The symmetric state of a Noise handshake with ChaChaPoly and BLAKE2s (Noise specification, revision 34, section 5.2): chaining key,
/// hash, the current key, and how often that has encrypted. For patterns that mix a key before they encrypt anything. Zeroed on disposal.
/// </summary>
internal sealed class SymmetricState : IDisposable
{
    /// <summary>Bytes that a ciphertext is longer than its plaintext.</summary>
    public const int TagSize = 16;

    private readonly byte[] _memory = GC.AllocateArray<byte>(3 * Blake2s.HashSize, pinned: true);
    private ulong _nonce;

    private Span<byte> ChainingKey => _memory.AsSpan(0, 32);
    private Span<byte> Hash => _memory.AsSpan(32, 32);
    private Span<byte> Key => _memory.AsSpan(64, 32);

    /// <summary>Starts a handshake.</summary>
    public void Initialize(NoiseProtocol protocol)
    {
        protocol.ChainingKey.CopyTo(ChainingKey);
        protocol.Hash.CopyTo(Hash);
        _nonce = 0;
    }

    /// <summary>Takes over another handshake's state.</summary>
    public void CopyFrom(SymmetricState other)
    {
        other._memory.CopyTo(_memory.AsSpan());
        _nonce = other._nonce;
    }

    /// <summary>GetHandshakeHash().</summary>
    /// <param name="hash">Receives the hash, 32 bytes.</param>
    public void CopyHashTo(Span<byte> hash) => Hash.CopyTo(hash);

    /// <summary>MixHash(data).</summary>
    public void MixHash(ReadOnlySpan<byte> data) => Blake2s.Hash(Hash, data, Hash);

    /// <summary>MixKey(input).</summary>
    public void MixKey(ReadOnlySpan<byte> input)
    {
        WireGuardKdf.Derive2(ChainingKey, input, ChainingKey, Key);
        _nonce = 0;
    }

    /// <summary>An ephemeral key: it is mixed into hash and key, as every handshake with a PSK does (Noise, section 9.2).</summary>
    public void MixEphemeral(ReadOnlySpan<byte> publicKey)
    {
        MixHash(publicKey);
        MixKey(publicKey);
    }

    /// <summary>MixKeyAndHash(psk).</summary>
    public void MixKeyAndHash(ReadOnlySpan<byte> presharedKey)
    {
        Span<byte> mixed = stackalloc byte[32];
        WireGuardKdf.Derive3(ChainingKey, presharedKey, ChainingKey, mixed, Key);
        MixHash(mixed);
        CryptographicOperations.ZeroMemory(mixed);
        _nonce = 0;
    }

    /// <summary>MixKey of a Diffie-Hellman result; false for a point of low order, which would give away the result.</summary>
    public bool TryMixAgreement(X25519PrivateKey privateKey, ReadOnlySpan<byte> publicKey)
    {
        Span<byte> shared = stackalloc byte[X25519.KeySize];
        bool agreed = privateKey.TryAgree(publicKey, shared);
        if (agreed)
            MixKey(shared);
        CryptographicOperations.ZeroMemory(shared);
        return agreed;
    }

    /// <summary>EncryptAndHash(plaintext): ciphertext and tag go to <paramref name="destination"/>, 16 bytes longer.</summary>
    public void EncryptAndHash(ReadOnlySpan<byte> plaintext, Span<byte> destination)
    {
        ChaCha20Poly1305.Seal(Key, _nonce++, Hash, plaintext, destination);
        MixHash(destination[..(plaintext.Length + TagSize)]);
    }

    /// <summary>DecryptAndHash(ciphertext); false when the tag is wrong, and then nothing has changed.</summary>
    public bool TryDecryptAndHash(ReadOnlySpan<byte> ciphertext, Span<byte> plaintext)
    {
        if (!ChaCha20Poly1305.TryOpen(Key, _nonce, Hash, ciphertext, plaintext))
            return false;
        _nonce++;
        MixHash(ciphertext);
        return true;
    }

    /// <summary>Split(): the keys of the finished handshake, which the caller disposes.</summary>
    public SessionKeys Split() => Derive(default);

    /// <summary>
    /// Derives two keys from what has been agreed on so far, beside those of the handshake and of <see cref="Split"/>, which do not change
    /// by it.
    /// </summary>
    /// <param name="label">What the keys are for. Not 32 bytes long, so that it is no Diffie-Hellman result, and not empty.</param>
    /// <returns>The keys, which the caller disposes.</returns>
    public SessionKeys Derive(ReadOnlySpan<byte> label)
    {
        var keys = new SessionKeys();
        WireGuardKdf.Derive2(ChainingKey, label, keys.Initiator, keys.Responder);
        return keys;
    }

    /// <summary>Zeroes everything.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_memory);
}
