using Kedge.Crypto.Kem.Kyber;
using Kedge.Crypto.Kem.McEliece;

namespace Kedge.Crypto.Kem;

/// <summary>The key encapsulation mechanisms that Kedge has, each the best implementation of this machine. For any thread.</summary>
public static class Kems
{
    /// <summary>Classic McEliece 460896 with ciphertexts of 156 bytes, as of round 4.</summary>
    public static IKem McEliece460896 { get; } = new ManagedMcEliece460896(isConfirmed: false);

    /// <summary>Classic McEliece 460896 with plaintext confirmation: ciphertexts of 188 bytes (rounds 2 and 3). The keys are the same.</summary>
    public static IKem McEliece460896Pc { get; } = new ManagedMcEliece460896(isConfirmed: true);

    /// <summary>Kyber-512 as of round 3.</summary>
    public static IKem Kyber512 { get; } = new ManagedKyber512(isRound3: true);

    /// <summary>ML-KEM-512 (FIPS 203).</summary>
    public static IKem MlKem512 { get; } = new ManagedKyber512(isRound3: false);
}
