using System.Security.Cryptography;
using Kedge.Crypto.Kem;
using ChaCha20Poly1305 = Kedge.Crypto.ChaCha20Poly1305;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// The 32 bytes that everything said in a handshake goes into, and that its keys come out of. Belongs to one handshake or job at a time;
/// zeroed on disposal.
/// </summary>
internal sealed class ChainingKey(HashDomains domains) : IDisposable
{
    /// <summary>Length in bytes.</summary>
    public const int Size = KeyedHashes.Size;

    private readonly byte[] _key = GC.AllocateArray<byte>(Size, pinned: true);

    /// <summary>The key's 32 bytes.</summary>
    public ReadOnlySpan<byte> Bytes => _key;

    /// <summary>Starts from 32 bytes: those that a responder's public key gives, or those of a biscuit.</summary>
    public void Set(ReadOnlySpan<byte> key) => key.CopyTo(_key);

    /// <summary>mix(data).</summary>
    public void Mix(ReadOnlySpan<byte> data)
    {
        domains.Hash.Compute(_key, domains.Mix, _key);
        domains.Hash.Compute(_key, data, _key);
    }

    /// <summary>encrypt_and_mix(plaintext): ciphertext and tag go to <paramref name="destination"/>, 16 bytes longer.</summary>
    public void EncryptAndMix(ReadOnlySpan<byte> plaintext, Span<byte> destination)
    {
        Span<byte> key = stackalloc byte[KeyedHashes.Size];
        Derive(domains.HandshakeEncryption, key);
        ChaCha20Poly1305.Seal(key, 0, default, plaintext, destination);
        CryptographicOperations.ZeroMemory(key);
        Mix(destination);
    }

    /// <summary>decrypt_and_mix(ciphertext); false when the tag is wrong, and nothing is mixed then.</summary>
    public bool TryDecryptAndMix(ReadOnlySpan<byte> ciphertext, Span<byte> plaintext)
    {
        Span<byte> key = stackalloc byte[KeyedHashes.Size];
        Derive(domains.HandshakeEncryption, key);
        bool authentic = ChaCha20Poly1305.TryOpen(key, 0, default, ciphertext, plaintext);
        CryptographicOperations.ZeroMemory(key);
        if (authentic)
            Mix(ciphertext);
        return authentic;
    }

    /// <summary>encaps_and_mix(publicKey), whose ciphertext goes to <paramref name="ciphertext"/>.</summary>
    /// <exception cref="CryptographicException">The mechanism finds no key in <paramref name="publicKey"/>.</exception>
    public void EncapsulateAndMix(IKem kem, ReadOnlySpan<byte> publicKey, Span<byte> ciphertext)
    {
        Span<byte> shared = stackalloc byte[kem.SharedSecretSize];
        kem.Encapsulate(publicKey, ciphertext, shared);
        MixExchange(publicKey, shared, ciphertext);
    }

    /// <summary>decaps_and_mix(secretKey, publicKey, ciphertext).</summary>
    public void DecapsulateAndMix(IKem kem, ReadOnlySpan<byte> secretKey, ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> ciphertext)
    {
        Span<byte> shared = stackalloc byte[kem.SharedSecretSize];
        kem.Decapsulate(secretKey, ciphertext, shared);
        MixExchange(publicKey, shared, ciphertext);
    }

    /// <summary>Derives 32 bytes for the purpose that <paramref name="domain"/> stands for.</summary>
    public void Derive(ReadOnlySpan<byte> domain, Span<byte> destination) => domains.Hash.Compute(_key, domain, destination);

    /// <summary>Zeroes the key.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_key);

    private void MixExchange(ReadOnlySpan<byte> publicKey, Span<byte> shared, ReadOnlySpan<byte> ciphertext)
    {
        Mix(publicKey);
        Mix(shared);
        Mix(ciphertext);
        CryptographicOperations.ZeroMemory(shared);
    }
}
