namespace Kedge.Crypto.Simd;

/// <summary>The words that every state of ChaCha20 begins with: "expand 32-byte k" (RFC 8439, section 2.3).</summary>
internal static class ChaCha20
{
    public const uint Word0 = 0x61707865, Word1 = 0x3320646e, Word2 = 0x79622d32, Word3 = 0x6b206574;
}
