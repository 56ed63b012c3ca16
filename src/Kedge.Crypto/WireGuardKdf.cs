using System.Security.Cryptography;

namespace Kedge.Crypto;

/// <summary>
/// The key derivation of the WireGuard paper (section 5.4): KDF_n, which is HKDF (RFC 5869) with HMAC-BLAKE2s, the key as salt and
/// no info. For any thread.
/// </summary>
public static class WireGuardKdf
{
    /// <summary>Bytes of each output.</summary>
    public const int OutputSize = HmacBlake2s.MacSize;

    /// <summary>KDF_1.</summary>
    /// <param name="key">The chaining key.</param>
    /// <param name="input">The input; may be empty.</param>
    /// <param name="t1">Receives the first output, 32 bytes. May be the memory of the key or the input.</param>
    /// <exception cref="ArgumentException">An output has another length.</exception>
    public static void Derive1(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> t1) => Derive(key, input, t1, default, default);

    /// <summary>KDF_2.</summary>
    /// <param name="key">The chaining key.</param>
    /// <param name="input">The input; may be empty.</param>
    /// <param name="t1">Receives the first output, 32 bytes. May be the memory of the key or the input, as each output may.</param>
    /// <param name="t2">Receives the second output, 32 bytes.</param>
    /// <exception cref="ArgumentException">An output has another length.</exception>
    public static void Derive2(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> t1, Span<byte> t2)
    {
        Argument.RequireLength(t2, OutputSize);
        Derive(key, input, t1, t2, default);
    }

    /// <summary>KDF_3.</summary>
    /// <param name="key">The chaining key.</param>
    /// <param name="input">The input; may be empty.</param>
    /// <param name="t1">Receives the first output, 32 bytes. May be the memory of the key or the input, as each output may.</param>
    /// <param name="t2">Receives the second output, 32 bytes.</param>
    /// <param name="t3">Receives the third output, 32 bytes.</param>
    /// <exception cref="ArgumentException">An output has another length.</exception>
    public static void Derive3(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> t1, Span<byte> t2, Span<byte> t3)
    {
        Argument.RequireLength(t2, OutputSize);
        Argument.RequireLength(t3, OutputSize);
        Derive(key, input, t1, t2, t3);
    }

    // The outputs up to the first empty one.
    private static void Derive(ReadOnlySpan<byte> key, ReadOnlySpan<byte> input, Span<byte> t1, Span<byte> t2, Span<byte> t3)
    {
        Argument.RequireLength(t1, OutputSize);
        Span<byte> t0 = stackalloc byte[OutputSize];
        try
        {
            HmacBlake2s.Compute(key, input, t0);
            HmacBlake2s.Compute(t0, [1], t1);
            if (!t2.IsEmpty)
                HmacBlake2s.Compute(t0, t1, [2], t2);
            if (!t3.IsEmpty)
                HmacBlake2s.Compute(t0, t2, [3], t3);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(t0);
        }
    }
}
