using System.Security.Cryptography;

namespace Kedge.Crypto;

/// <summary>
/// HMAC (RFC 2104) with BLAKE2s-256. WireGuard derives keys with it; its MACs are <see cref="Blake2s.Mac"/>. For any thread.
/// </summary>
public static class HmacBlake2s
{
    /// <summary>Bytes of a MAC.</summary>
    public const int MacSize = Blake2s.HashSize;

    private const int BlockSize = 64;
    private const byte InnerPad = 0x36, OuterPad = 0x5c;

    /// <summary>Computes the MAC of <paramref name="data"/>.</summary>
    /// <param name="key">The key, of any length.</param>
    /// <param name="data">What to authenticate; may be empty.</param>
    /// <param name="mac">Receives the MAC, 32 bytes. May overlap key and data.</param>
    /// <exception cref="ArgumentException">The MAC has another length.</exception>
    public static void Compute(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> mac) => Compute(key, data, default, mac);

    /// <summary>Computes the MAC of the concatenation of two parts.</summary>
    /// <param name="key">The key, of any length.</param>
    /// <param name="first">The first part; may be empty.</param>
    /// <param name="second">The second part; may be empty.</param>
    /// <param name="mac">Receives the MAC, 32 bytes. May overlap key and parts.</param>
    /// <exception cref="ArgumentException">The MAC has another length.</exception>
    public static void Compute(ReadOnlySpan<byte> key, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> mac)
    {
        Argument.RequireLength(mac, MacSize);
        nint blake2s = LibcryptoAlgorithms.Loaded.Blake2s256;
        DigestContext digest = DigestContext.Current;
        Span<byte> block = stackalloc byte[BlockSize], inner = stackalloc byte[MacSize];
        try
        {
            block.Clear();
            if (key.Length > BlockSize)
                digest.Hash(blake2s, key, default, default, block[..Blake2s.HashSize]);
            else
                key.CopyTo(block);

            Xor(block, InnerPad);
            digest.Hash(blake2s, block, first, second, inner);
            Xor(block, InnerPad ^ OuterPad);
            digest.Hash(blake2s, block, inner, default, mac);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(block);
            CryptographicOperations.ZeroMemory(inner);
        }
    }

    private static void Xor(Span<byte> block, byte pad)
    {
        foreach (ref byte b in block)
            b ^= pad;
    }
}
