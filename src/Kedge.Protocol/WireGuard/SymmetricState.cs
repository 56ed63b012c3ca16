using System.Security.Cryptography;
using Kedge.Crypto;
using ChaCha20Poly1305 = Kedge.Crypto.ChaCha20Poly1305;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// The symmetric state of Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s: chaining key, hash and the current key (Noise specification, section
/// 5.2; WireGuard paper, section 5.4). Each key encrypts once, so the nonce is always 0. Zeroed on disposal.
/// </summary>
internal sealed class SymmetricState : IDisposable
{
    private const int TagSize = 16;

    private static readonly byte[] InitialChainingKey = HashOf("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"u8, default);
    private static readonly byte[] InitialHash = HashOf(InitialChainingKey, "WireGuard v1 zx2c4 Jason@zx2c4.com"u8);

    private readonly byte[] _memory = GC.AllocateArray<byte>(3 * Blake2s.HashSize, pinned: true);

    private Span<byte> ChainingKey => _memory.AsSpan(0, 32);
    private Span<byte> Hash => _memory.AsSpan(32, 32);
    private Span<byte> Key => _memory.AsSpan(64, 32);

    /// <summary>Starts a handshake towards the holder of a static key.</summary>
    public void Initialize(PublicKey responder)
    {
        InitialChainingKey.CopyTo(ChainingKey);
        InitialHash.CopyTo(Hash);
        Span<byte> responderKey = stackalloc byte[PublicKey.Size];
        responder.CopyTo(responderKey);
        MixHash(responderKey);
    }

    /// <summary>Takes over another handshake's state.</summary>
    public void CopyFrom(SymmetricState other) => other._memory.CopyTo(_memory.AsSpan());

    /// <summary>MixHash(data).</summary>
    public void MixHash(ReadOnlySpan<byte> data) => Blake2s.Hash(Hash, data, Hash);

    /// <summary>MixKey(input).</summary>
    public void MixKey(ReadOnlySpan<byte> input) => WireGuardKdf.Derive2(ChainingKey, input, ChainingKey, Key);

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
        ChaCha20Poly1305.Seal(Key, 0, Hash, plaintext, destination);
        MixHash(destination[..(plaintext.Length + TagSize)]);
    }

    /// <summary>DecryptAndHash(ciphertext); false when the tag is wrong.</summary>
    public bool TryDecryptAndHash(ReadOnlySpan<byte> ciphertext, Span<byte> plaintext)
    {
        if (!ChaCha20Poly1305.TryOpen(Key, 0, Hash, ciphertext, plaintext))
            return false;
        MixHash(ciphertext);
        return true;
    }

    /// <summary>Split(): the initiator's sending key first.</summary>
    public void Split(Span<byte> initiatorKey, Span<byte> responderKey) => WireGuardKdf.Derive2(ChainingKey, default, initiatorKey, responderKey);

    /// <summary>Zeroes everything.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_memory);

    private static byte[] HashOf(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        var hash = new byte[Blake2s.HashSize];
        Blake2s.Hash(first, second, hash);
        return hash;
    }
}
