using System.Security.Cryptography;
using Kedge.Crypto;

namespace Kedge.Protocol.Rosenpass;

/// <summary>The hash that a dialect of Rosenpass is built on: a key of 32 bytes and any data give 32 bytes.</summary>
public enum KeyedHash : byte
{
    /// <summary>Protocol version V02: BLAKE2b-256 over the data, and once more over the result, each with a variation of the key.</summary>
    Blake2b,

    /// <summary>Protocol version V03: SHAKE256 over key and data.</summary>
    Shake256,
}

/// <summary>Computes what <see cref="KeyedHash"/> names.</summary>
internal static class KeyedHashes
{
    /// <summary>Bytes of a key and of a hash.</summary>
    public const int Size = 32;

    /// <summary>Computes H(key, data).</summary>
    /// <param name="hash">Which hash.</param>
    /// <param name="key">32 bytes.</param>
    /// <param name="data">What to hash; may be empty.</param>
    /// <param name="destination">Receives the hash, 32 bytes; may be the memory of the key or the data.</param>
    public static void Compute(this KeyedHash hash, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> destination)
    {
        if (hash == KeyedHash.Blake2b)
            ComputeBlake2b(key, data, destination);
        else
            Sha3.Shake256(key, data, destination);
    }

    // The pads are HMAC's, but applied to 32 bytes and given to BLAKE2b as its key: this is no HMAC.
    private static void ComputeBlake2b(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> destination)
    {
        Span<byte> inner = stackalloc byte[Size], outer = stackalloc byte[Size];
        for (int i = 0; i < Size; i++)
        {
            inner[i] = (byte)(key[i] ^ 0x36);
            outer[i] = (byte)(key[i] ^ 0x5C);
        }
        Blake2b.Keyed(inner, data, inner);
        Blake2b.Keyed(outer, inner, destination);
        CryptographicOperations.ZeroMemory(inner);
        CryptographicOperations.ZeroMemory(outer);
    }
}
