using System.Security.Cryptography;

namespace Kedge.Crypto;

/// <summary>
/// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03, section 2.3): ChaCha20-Poly1305 with a nonce long enough to be random. WireGuard seals
/// its cookies with it. For any thread.
/// </summary>
public static class XChaCha20Poly1305
{
    /// <summary>Bytes of a key.</summary>
    public const int KeySize = 32;

    /// <summary>Bytes of a nonce.</summary>
    public const int NonceSize = 24;

    /// <summary>Bytes of a tag.</summary>
    public const int TagSize = 16;

    /// <summary>Seals one message.</summary>
    /// <param name="key">The key, 32 bytes.</param>
    /// <param name="nonce">The nonce, 24 bytes; never the same twice for one key.</param>
    /// <param name="associatedData">What is authenticated but not encrypted; may be empty.</param>
    /// <param name="plaintext">The message; may be empty.</param>
    /// <param name="destination">Receives ciphertext and tag: 16 bytes more than the plaintext. May begin where the plaintext does.</param>
    /// <exception cref="ArgumentException">A length is wrong, or plaintext and destination overlap without beginning together.</exception>
    public static void Seal(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        ReadOnlySpan<byte> associatedData,
        ReadOnlySpan<byte> plaintext,
        Span<byte> destination)
    {
        Span<byte> subkey = stackalloc byte[KeySize], subnonce = stackalloc byte[ChaCha20Poly1305.NonceSize];
        try
        {
            Derive(key, nonce, subkey, subnonce);
            ChaCha20Poly1305.Seal(subkey, subnonce, associatedData, plaintext, destination);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(subkey);
        }
    }

    /// <summary>Opens one message.</summary>
    /// <param name="key">The key, 32 bytes.</param>
    /// <param name="nonce">The nonce, 24 bytes.</param>
    /// <param name="associatedData">What was authenticated but not encrypted.</param>
    /// <param name="ciphertextAndTag">What sealing wrote, at least 16 bytes.</param>
    /// <param name="plaintext">
    /// Receives the message: 16 bytes less than <paramref name="ciphertextAndTag"/>. May begin where that does. Zeroed where the tag is
    /// wrong.
    /// </param>
    /// <returns>Whether the tag was right.</returns>
    /// <exception cref="ArgumentException">A length is wrong, or ciphertext and plaintext overlap without beginning together.</exception>
    public static bool TryOpen(
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        ReadOnlySpan<byte> associatedData,
        ReadOnlySpan<byte> ciphertextAndTag,
        Span<byte> plaintext)
    {
        Span<byte> subkey = stackalloc byte[KeySize], subnonce = stackalloc byte[ChaCha20Poly1305.NonceSize];
        try
        {
            Derive(key, nonce, subkey, subnonce);
            return ChaCha20Poly1305.TryOpen(subkey, subnonce, associatedData, ciphertextAndTag, plaintext);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(subkey);
        }
    }

    // Section 2.3: the first 16 bytes of the nonce make the subkey; four zero bytes and the other 8 make the nonce.
    private static void Derive(ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, Span<byte> subkey, Span<byte> subnonce)
    {
        Argument.RequireLength(nonce, NonceSize);
        HChaCha20.Derive(key, nonce[..HChaCha20.NonceSize], subkey);
        subnonce[..4].Clear();
        nonce[HChaCha20.NonceSize..].CopyTo(subnonce[4..]);
    }
}
