namespace Kedge.Crypto.Kem;

/// <summary>The key encapsulation mechanisms that Kedge has, each the best implementation of this machine. For any thread.</summary>
public static class Kems
{
    /// <summary>Classic McEliece 460896 with ciphertexts of 156 bytes (round 4, ISO).</summary>
    public static IKem McEliece460896 => throw new NotImplementedException();

    /// <summary>Classic McEliece 460896 with plaintext confirmation: ciphertexts of 188 bytes (rounds 2 and 3). The keys are the same.</summary>
    public static IKem McEliece460896Pc => throw new NotImplementedException();

    /// <summary>Kyber-512 as of round 3.</summary>
    public static IKem Kyber512 => throw new NotImplementedException();

    /// <summary>ML-KEM-512 (FIPS 203).</summary>
    public static IKem MlKem512 => throw new NotImplementedException();
}
