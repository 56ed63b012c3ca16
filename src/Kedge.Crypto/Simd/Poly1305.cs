namespace Kedge.Crypto.Simd;

/// <summary>Constants of Poly1305 (RFC 8439, section 2.5).</summary>
internal static class Poly1305
{
    /// <summary>Bytes of a block.</summary>
    public const int BlockSize = 16;

    /// <summary>The bits that clamping leaves of a one-time key's first half, as little-endian words.</summary>
    public const ulong ClampLow = 0x0ffffffc0fffffff, ClampHigh = 0x0ffffffc0ffffffc;
}
