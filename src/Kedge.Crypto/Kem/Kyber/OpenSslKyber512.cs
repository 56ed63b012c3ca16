using System.Security.Cryptography;

namespace Kedge.Crypto.Kem.Kyber;

/// <summary>
/// ML-KEM-512 by .NET's <see cref="MLKem"/>, which is OpenSSL's, and the Kyber-512 of round 3 derived from it: keys and ciphertexts are the
/// same, and the shared secret has one step more. The secret that a bad ciphertext gives in round 3 is another than the reference's, but
/// as unpredictable. Constant time is OpenSSL's promise.
/// </summary>
/// <param name="isRound3">Round 3, not FIPS 203.</param>
internal sealed class OpenSslKyber512(bool isRound3)
    : KemOfSizes(ManagedKyber512.NameOf(isRound3), ManagedKyber512.PublicSize, ManagedKyber512.SecretSize, KyberEncryption.CiphertextSize)
{
    // rho, the end of a public key.
    private const int SeedSize = 32;

    private static readonly MLKemAlgorithm Algorithm = MLKemAlgorithm.MLKem512;
    private readonly ManagedKyber512 _managed = new(isRound3);

    public override void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey)
    {
        RequireKeyPair(publicKey, secretKey);
        using var key = MLKem.GenerateKey(Algorithm);
        key.ExportEncapsulationKey(publicKey);
        key.ExportDecapsulationKey(secretKey);
    }

    public override void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret)
    {
        RequireEncapsulation(publicKey, ciphertext, sharedSecret);
        // Round 3 admits keys that ML-KEM refuses, and who sends one is to get the answer that every machine gives.
        if (isRound3 && !KyberEncryption.IsReduced(publicKey[..^SeedSize]))
        {
            _managed.Encapsulate(publicKey, ciphertext, sharedSecret);
            return;
        }
        using var key = MLKem.ImportEncapsulationKey(Algorithm, publicKey);
        key.Encapsulate(ciphertext, sharedSecret);
        FinishRound3(ciphertext, sharedSecret);
    }

    public override void Decapsulate(ReadOnlySpan<byte> secretKey, ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret)
    {
        RequireDecapsulation(secretKey, ciphertext, sharedSecret);
        using var key = MLKem.ImportDecapsulationKey(Algorithm, secretKey);
        key.Decapsulate(ciphertext, sharedSecret);
        FinishRound3(ciphertext, sharedSecret);
    }

    private void FinishRound3(ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret)
    {
        if (isRound3)
            Round3Secret.Derive(sharedSecret, ciphertext, sharedSecret);
    }
}
