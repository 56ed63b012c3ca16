namespace Kedge.Crypto.Simd;

/// <summary>The bits that clamping leaves of a one-time key's first half (RFC 8439, section 2.5), as little-endian words.</summary>
internal static class Poly1305
{
    public const ulong ClampLow = 0x0ffffffc0fffffff, ClampHigh = 0x0ffffffc0ffffffc;
}
