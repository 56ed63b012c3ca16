using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Kedge.Crypto;

/// <summary>HChaCha20 (draft-irtf-cfrg-xchacha-03, section 2.2): derives a key from a key and a nonce. Constant time.</summary>
public static class HChaCha20
{
    /// <summary>Bytes of a key.</summary>
    public const int KeySize = 32;

    /// <summary>Bytes of a nonce.</summary>
    public const int NonceSize = 16;

    private const int Words = 16, DoubleRounds = 10;

    /// <summary>Derives a subkey.</summary>
    /// <param name="key">The key, 32 bytes.</param>
    /// <param name="nonce">The nonce, 16 bytes.</param>
    /// <param name="subkey">Receives the subkey, 32 bytes. May be the key's own memory.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    public static void Derive(ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, Span<byte> subkey)
    {
        Argument.RequireLength(key, KeySize);
        Argument.RequireLength(nonce, NonceSize);
        Argument.RequireLength(subkey, KeySize);

        // The state of ChaCha20 (RFC 8439, section 2.3) with the nonce where that has block counter and nonce.
        Span<uint> state = stackalloc uint[Words];
        try
        {
            Read("expand 32-byte k"u8, state[..4]);
            Read(key, state[4..12]);
            Read(nonce, state[12..]);
            for (int i = 0; i < DoubleRounds; i++)
            {
                QuarterRound(state, 0, 4, 8, 12);
                QuarterRound(state, 1, 5, 9, 13);
                QuarterRound(state, 2, 6, 10, 14);
                QuarterRound(state, 3, 7, 11, 15);
                QuarterRound(state, 0, 5, 10, 15);
                QuarterRound(state, 1, 6, 11, 12);
                QuarterRound(state, 2, 7, 8, 13);
                QuarterRound(state, 3, 4, 9, 14);
            }
            // The subkey is the first and the last row, without the addition that ends a block of ChaCha20.
            Write(state[..4], subkey[..16]);
            Write(state[12..], subkey[16..]);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(state));
        }
    }

    private static void Read(ReadOnlySpan<byte> bytes, Span<uint> words)
    {
        for (int i = 0; i < words.Length; i++)
            words[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(4 * i)..]);
    }

    private static void Write(ReadOnlySpan<uint> words, Span<byte> bytes)
    {
        for (int i = 0; i < words.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(bytes[(4 * i)..], words[i]);
    }

    // RFC 8439, section 2.1.
    private static void QuarterRound(Span<uint> state, int a, int b, int c, int d)
    {
        state[a] += state[b];
        state[d] = BitOperations.RotateLeft(state[d] ^ state[a], 16);
        state[c] += state[d];
        state[b] = BitOperations.RotateLeft(state[b] ^ state[c], 12);
        state[a] += state[b];
        state[d] = BitOperations.RotateLeft(state[d] ^ state[a], 8);
        state[c] += state[d];
        state[b] = BitOperations.RotateLeft(state[b] ^ state[c], 7);
    }
}
