namespace Kedge.Crypto;

/// <summary>X25519 (RFC 7748, section 5), the Diffie-Hellman function of Curve25519, with a key that is used once. For any thread.</summary>
public static class X25519
{
    /// <summary>Bytes of a private key, a public key and a shared secret.</summary>
    public const int KeySize = 32;

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
        using var key = new X25519PrivateKey(privateKey);
        key.WritePublicKey(publicKey);
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
        using var key = new X25519PrivateKey(privateKey);
        return key.TryAgree(publicKey, shared);
    }
}
