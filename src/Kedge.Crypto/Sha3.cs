namespace Kedge.Crypto;

/// <summary>The hashes and extendable-output functions of SHA-3 (FIPS 202), over the concatenation of up to three parts. For any thread.</summary>
public static class Sha3
{
    private const int Hash256Size = 32, Hash512Size = 64;

    /// <summary>Computes SHA3-256.</summary>
    /// <param name="data">What to hash; may be empty.</param>
    /// <param name="hash">Receives the hash, 32 bytes. May overlap the data.</param>
    /// <exception cref="ArgumentException">The hash has another length.</exception>
    public static void Hash256(ReadOnlySpan<byte> data, Span<byte> hash)
    {
        Argument.RequireLength(hash, Hash256Size);
        DigestContext.Current.Hash(LibcryptoAlgorithms.Loaded.Sha3Of256, data, default, default, hash);
    }

    /// <summary>Computes SHA3-512 of two parts.</summary>
    /// <param name="first">The first part; may be empty.</param>
    /// <param name="second">The second part; may be empty.</param>
    /// <param name="hash">Receives the hash, 64 bytes. May overlap the parts.</param>
    /// <exception cref="ArgumentException">The hash has another length.</exception>
    public static void Hash512(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> hash)
    {
        Argument.RequireLength(hash, Hash512Size);
        DigestContext.Current.Hash(LibcryptoAlgorithms.Loaded.Sha3Of512, first, second, default, hash);
    }

    /// <summary>Computes SHAKE128.</summary>
    /// <param name="data">What to hash; may be empty.</param>
    /// <param name="output">Receives as many bytes as it has: at least 1. May overlap the data.</param>
    /// <exception cref="ArgumentException">The output is empty.</exception>
    public static void Shake128(ReadOnlySpan<byte> data, Span<byte> output)
    {
        Argument.RequireLengthUpTo(output, int.MaxValue);
        DigestContext.Current.Extend(LibcryptoAlgorithms.Loaded.Shake128, data, default, default, output);
    }

    /// <summary>Computes SHAKE256.</summary>
    /// <param name="data">What to hash; may be empty.</param>
    /// <param name="output">Receives as many bytes as it has: at least 1. May overlap the data.</param>
    /// <exception cref="ArgumentException">The output is empty.</exception>
    public static void Shake256(ReadOnlySpan<byte> data, Span<byte> output) => Shake256(data, default, default, output);

    /// <summary>Computes SHAKE256 of two parts, such as a key and data.</summary>
    /// <inheritdoc cref="Shake256(ReadOnlySpan{byte}, ReadOnlySpan{byte}, ReadOnlySpan{byte}, Span{byte})"/>
    public static void Shake256(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> output) =>
        Shake256(first, second, default, output);

    /// <summary>Computes SHAKE256 of three parts.</summary>
    /// <param name="first">The first part; may be empty.</param>
    /// <param name="second">The second part; may be empty.</param>
    /// <param name="third">The third part; may be empty.</param>
    /// <param name="output">Receives as many bytes as it has: at least 1. May overlap the parts.</param>
    /// <exception cref="ArgumentException">The output is empty.</exception>
    public static void Shake256(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third, Span<byte> output)
    {
        Argument.RequireLengthUpTo(output, int.MaxValue);
        DigestContext.Current.Extend(LibcryptoAlgorithms.Loaded.Shake256, first, second, third, output);
    }
}
