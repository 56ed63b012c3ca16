namespace Kedge.Crypto.Kem.Kyber;

/// <summary>The last step of Kyber's round 3, which ML-KEM does without.</summary>
internal static class Round3Secret
{
    /// <summary>Computes SHAKE256(key || SHA3-256(ciphertext)), 32 bytes.</summary>
    public static void Derive(ReadOnlySpan<byte> key, ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret)
    {
        Span<byte> hash = stackalloc byte[32];
        Sha3.Hash256(ciphertext, hash);
        Sha3.Shake256(key, hash, sharedSecret);
    }
}
