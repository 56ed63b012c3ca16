namespace Kedge.Crypto;

/// <summary>BLAKE2b (RFC 7693) with a key. For any thread.</summary>
public static class Blake2b
{
    /// <summary>The most bytes of a key or a hash.</summary>
    internal const int MaximumSize = 64;

    /// <summary>Computes keyed BLAKE2b. Its length is part of it: a short hash is not the beginning of a longer one.</summary>
    /// <param name="key">The key, 1 to 64 bytes.</param>
    /// <param name="data">What to hash; may be empty.</param>
    /// <param name="hash">Receives the hash, 1 to 64 bytes. May overlap key and data.</param>
    /// <exception cref="ArgumentException">Key or hash have another length.</exception>
    public static void Keyed(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> hash)
    {
        Argument.RequireLengthUpTo(key, MaximumSize);
        Argument.RequireLengthUpTo(hash, MaximumSize);
        MacContext.Blake2b.Compute(key, data, hash);
    }
}
