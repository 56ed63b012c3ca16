using System.Security.Cryptography;

namespace Kedge.Crypto.Kem.Kyber;

/// <summary>
/// ML-KEM-512 (FIPS 203) and the Kyber-512 of round 3 that it comes from: the same encryption, keys and ciphertexts, but other derivations.
/// Secret are the seeds, the message and all polynomials but the matrix and the public vector. <see cref="Polynomial"/> and
/// <see cref="PolynomialEncoding"/> compute on them without branch, index or division; a bad ciphertext is told from a good one by a
/// comparison of all bytes, and the secret is selected by a mask. Intermediates lie on the stack and are zeroed.
/// </summary>
/// <param name="isRound3">Round 3, not FIPS 203.</param>
internal sealed class ManagedKyber512(bool isRound3)
    : KemOfSizes(NameOf(isRound3), PublicSize, SecretSize, KyberEncryption.CiphertextSize), ISeededKem
{
    /// <summary>Bytes of a public key.</summary>
    public const int PublicSize = (KyberEncryption.Rank * PolynomialEncoding.Size) + 32;

    /// <summary>Bytes of a secret key.</summary>
    public const int SecretSize = (KyberEncryption.Rank * PolynomialEncoding.Size) + PublicSize + 64;

    private const int VectorSize = KyberEncryption.Rank * PolynomialEncoding.Size;

    /// <summary>The mechanism's name.</summary>
    public static string NameOf(bool isRound3) => isRound3 ? "Kyber-512" : "ML-KEM-512";

    public override void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey) =>
        GenerateKeyPair(publicKey, secretKey, RandomNumberGenerator.Fill);

    public override void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret) =>
        Encapsulate(publicKey, ciphertext, sharedSecret, RandomNumberGenerator.Fill);

    /// <summary>Makes a pair of keys from two draws of 32 bytes: d, then z.</summary>
    public void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey, FillRandom random)
    {
        RequireKeyPair(publicKey, secretKey);
        Span<byte> d = stackalloc byte[32], seeds = stackalloc byte[64];
        try
        {
            random(d);
            Sha3.Hash512(d, isRound3 ? [] : [KyberEncryption.Rank], seeds);
            KyberEncryption.GenerateKeyPair(seeds[..32], seeds[32..], publicKey, secretKey[..VectorSize]);
            publicKey.CopyTo(secretKey[VectorSize..]);
            Sha3.Hash256(publicKey, secretKey[^64..^32]);
            random(secretKey[^32..]);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(d);
            CryptographicOperations.ZeroMemory(seeds);
        }
    }

    /// <summary>Encapsulates from one draw of 32 bytes.</summary>
    public void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret, FillRandom random)
    {
        RequireEncapsulation(publicKey, ciphertext, sharedSecret);
        if (!isRound3 && !KyberEncryption.IsReduced(publicKey[..VectorSize]))
            throw new CryptographicException("The encapsulation key is not one of ML-KEM-512: it has a coefficient of 3329 or more.");
        Span<byte> message = stackalloc byte[32], hash = stackalloc byte[32], keys = stackalloc byte[64];
        try
        {
            random(message);
            // Round 3 does not trust the source to hide its state.
            if (isRound3)
                Sha3.Hash256(message, message);
            Sha3.Hash256(publicKey, hash);
            Sha3.Hash512(message, hash, keys);
            KyberEncryption.Encrypt(publicKey, message, keys[32..], ciphertext);
            DeriveSecret(keys[..32], ciphertext, sharedSecret);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(message);
            CryptographicOperations.ZeroMemory(keys);
        }
    }

    public override void Decapsulate(ReadOnlySpan<byte> secretKey, ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret)
    {
        RequireDecapsulation(secretKey, ciphertext, sharedSecret);
        ReadOnlySpan<byte> publicKey = secretKey.Slice(VectorSize, PublicSize), hash = secretKey[^64..^32], z = secretKey[^32..];
        Span<byte> message = stackalloc byte[32], keys = stackalloc byte[64], rejected = stackalloc byte[32];
        Span<byte> again = stackalloc byte[KyberEncryption.CiphertextSize];
        try
        {
            KyberEncryption.Decrypt(secretKey[..VectorSize], ciphertext, message);
            Sha3.Hash512(message, hash, keys);
            KyberEncryption.Encrypt(publicKey, message, keys[32..], again);
            if (isRound3)
                z.CopyTo(rejected);
            else
                Sha3.Shake256(z, ciphertext, rejected);

            int difference = 0;
            for (int i = 0; i < again.Length; i++)
                difference |= again[i] ^ ciphertext[i];
            byte reject = (byte)(-difference >> 31);
            for (int i = 0; i < rejected.Length; i++)
                keys[i] ^= (byte)(reject & (keys[i] ^ rejected[i]));
            DeriveSecret(keys[..32], ciphertext, sharedSecret);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(message);
            CryptographicOperations.ZeroMemory(keys);
            CryptographicOperations.ZeroMemory(rejected);
            CryptographicOperations.ZeroMemory(again);
        }
    }

    private void DeriveSecret(ReadOnlySpan<byte> key, ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret)
    {
        if (isRound3)
            Round3Secret.Derive(key, ciphertext, sharedSecret);
        else
            key.CopyTo(sharedSecret);
    }
}
