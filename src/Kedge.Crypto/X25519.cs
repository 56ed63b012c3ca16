using System.Security.Cryptography;

namespace Kedge.Crypto;

/// <summary>X25519 (RFC 7748, section 5), the Diffie-Hellman function of Curve25519. For any thread.</summary>
public static unsafe class X25519
{
    /// <summary>Bytes of a private key, a public key and a shared secret.</summary>
    public const int KeySize = 32;

    private const string Name = "X25519";

    /// <summary>
    /// Makes 32 random bytes a private key by setting the bits that are fixed (RFC 7748, section 5, decodeScalar25519). The functions
    /// below do so themselves, in a copy: this is for keys that are stored or shown.
    /// </summary>
    /// <param name="privateKey">The key, 32 bytes.</param>
    /// <exception cref="ArgumentException">The key has another length.</exception>
    public static void Clamp(Span<byte> privateKey)
    {
        Argument.RequireLength(privateKey, KeySize);
        privateKey[0] &= 0b1111_1000;
        privateKey[31] &= 0b0111_1111;
        privateKey[31] |= 0b0100_0000;
    }

    /// <summary>Computes the public key of a private key (RFC 7748, section 6.1).</summary>
    /// <param name="privateKey">The private key, 32 bytes, clamped or not.</param>
    /// <param name="publicKey">Receives the public key, 32 bytes.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    public static void PublicKey(ReadOnlySpan<byte> privateKey, Span<byte> publicKey)
    {
        Argument.RequireLength(privateKey, KeySize);
        Argument.RequireLength(publicKey, KeySize);
        nint key = NewPrivateKey(privateKey);
        try
        {
            nuint length = KeySize;
            fixed (byte* output = publicKey)
                LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_PKEY_get_raw_public_key(key, output, &length));
        }
        finally
        {
            Libcrypto.EVP_PKEY_free(key);
        }
    }

    /// <summary>
    /// Computes the secret that two keys share (RFC 7748, section 6.1). A public key of low order, which would make the secret zero
    /// whatever the private key, is refused.
    /// </summary>
    /// <param name="privateKey">The own private key, 32 bytes, clamped or not.</param>
    /// <param name="publicKey">The other's public key, 32 bytes; a value that is not canonical is reduced, as the RFC demands.</param>
    /// <param name="shared">Receives the secret, 32 bytes; zero where the public key is refused.</param>
    /// <returns>False where the public key is refused.</returns>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    public static bool TryAgree(ReadOnlySpan<byte> privateKey, ReadOnlySpan<byte> publicKey, Span<byte> shared)
    {
        Argument.RequireLength(privateKey, KeySize);
        Argument.RequireLength(publicKey, KeySize);
        Argument.RequireLength(shared, KeySize);
        nint key = 0, peer = 0, context = 0;
        try
        {
            key = NewPrivateKey(privateKey);
            peer = NewPublicKey(publicKey);
            context = LibcryptoError.ThrowIfNull(Libcrypto.EVP_PKEY_CTX_new_from_pkey(0, key, null));
            LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_PKEY_derive_init(context));
            LibcryptoError.ThrowUnlessOne(Libcrypto.EVP_PKEY_derive_set_peer(context, peer));
            nuint length = KeySize;
            fixed (byte* output = shared)
            {
                // All-zero secrets are refused by libcrypto as well, as a failure of this call.
                if (Libcrypto.EVP_PKEY_derive(context, output, &length) == 1 && !IsZero(shared))
                    return true;
            }
            shared.Clear();
            Libcrypto.ERR_clear_error();
            return false;
        }
        finally
        {
            Libcrypto.EVP_PKEY_CTX_free(context);
            Libcrypto.EVP_PKEY_free(peer);
            Libcrypto.EVP_PKEY_free(key);
        }
    }

    private static bool IsZero(ReadOnlySpan<byte> secret) => CryptographicOperations.FixedTimeEquals(secret, stackalloc byte[KeySize]);

    private static nint NewPrivateKey(ReadOnlySpan<byte> privateKey)
    {
        _ = LibcryptoAlgorithms.Loaded;
        fixed (byte* key = privateKey)
            return LibcryptoError.ThrowIfNull(Libcrypto.EVP_PKEY_new_raw_private_key_ex(0, Name, null, key, KeySize));
    }

    private static nint NewPublicKey(ReadOnlySpan<byte> publicKey)
    {
        fixed (byte* key = publicKey)
            return LibcryptoError.ThrowIfNull(Libcrypto.EVP_PKEY_new_raw_public_key_ex(0, Name, null, key, KeySize));
    }
}
