namespace Kedge.Crypto;

/// <summary>BLAKE2s (RFC 7693), plain and keyed. For any thread.</summary>
public static class Blake2s
{
    /// <summary>Bytes of a hash.</summary>
    public const int HashSize = 32;

    /// <summary>Bytes of a WireGuard MAC (mac1, mac2, cookie).</summary>
    public const int MacSize = 16;

    internal const int MaximumSize = 32;

    /// <summary>Hashes <paramref name="data"/>: BLAKE2s-256.</summary>
    /// <param name="data">What to hash; may be empty.</param>
    /// <param name="hash">Receives the hash, 32 bytes. May overlap the data.</param>
    /// <exception cref="ArgumentException">The hash has another length.</exception>
    public static void Hash(ReadOnlySpan<byte> data, Span<byte> hash) => Hash(data, default, hash);

    /// <summary>Hashes the concatenation of two parts: BLAKE2s-256.</summary>
    /// <param name="first">The first part; may be empty.</param>
    /// <param name="second">The second part; may be empty.</param>
    /// <param name="hash">Receives the hash, 32 bytes. May overlap the parts.</param>
    /// <exception cref="ArgumentException">The hash has another length.</exception>
    public static void Hash(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> hash)
    {
        Argument.RequireLength(hash, HashSize);
        DigestContext.Current.Hash(LibcryptoAlgorithms.Loaded.Blake2s256, first, second, default, hash);
    }

    /// <summary>Computes keyed BLAKE2s. Its length is part of it: a short MAC is not the beginning of a longer one.</summary>
    /// <param name="key">The key, 1 to 32 bytes.</param>
    /// <param name="data">What to authenticate; may be empty.</param>
    /// <param name="mac">Receives the MAC, 1 to 32 bytes; <see cref="MacSize"/> in WireGuard. May overlap key and data.</param>
    /// <exception cref="ArgumentException">Key or MAC have another length.</exception>
    public static void Mac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> mac)
    {
        Argument.RequireLengthUpTo(key, MaximumSize);
        Argument.RequireLengthUpTo(mac, MaximumSize);
        MacContext.Blake2s.Compute(key, data, mac);
    }
}
