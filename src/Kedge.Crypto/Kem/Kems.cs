namespace Kedge.Crypto.Kem;

/// <summary>
/// The key encapsulation mechanisms that Kedge has, each by the best implementation of this machine: libmceliece and .NET's ML-KEM where
/// they are, else managed code; the environment variable KEDGE_KEM, managed or native, chooses in their place. For any thread. The first
/// use of each chooses, and tests a native choice, which takes up to 100 ms.
/// </summary>
/// <exception cref="PlatformNotSupportedException">
/// KEDGE_KEM or KEDGE_LIBMCELIECE asks for what there is not; the message says so.
/// </exception>
/// <exception cref="System.Security.Cryptography.CryptographicException">A self-test failed.</exception>
public static class Kems
{
    private static readonly Choice PlainMcEliece = new("mceliece460896"), ConfirmedMcEliece = new("mceliece460896pc");
    private static readonly Choice Kyber = new("kyber512"), MlKem = new("mlkem512");

    /// <summary>Classic McEliece 460896 with ciphertexts of 156 bytes, as of round 4.</summary>
    public static IKem McEliece460896 => PlainMcEliece.Kem;

    /// <summary>
    /// Classic McEliece 460896 with plaintext confirmation: ciphertexts of 188 bytes (rounds 2 and 3). The keys are the same.
    /// </summary>
    public static IKem McEliece460896Pc => ConfirmedMcEliece.Kem;

    /// <summary>Kyber-512 as of round 3.</summary>
    public static IKem Kyber512 => Kyber.Kem;

    /// <summary>ML-KEM-512 (FIPS 203).</summary>
    public static IKem MlKem512 => MlKem.Kem;

    /// <summary>Of each mechanism: its name, by what it is computed in this process, and why.</summary>
    public static IReadOnlyList<string> Implementations =>
        [PlainMcEliece.Description, ConfirmedMcEliece.Description, Kyber.Description, MlKem.Description];

    // Lazy hands the exception itself to every caller, where a static constructor would bury it in a TypeInitializationException.
    private sealed class Choice(string mechanism)
    {
        private readonly Lazy<(IKem Kem, string Description)> _made = new(() =>
        {
            string? asked = Environment.GetEnvironmentVariable(KemImplementation.Variable);
            (KemImplementation implementation, string reason) = KemImplementation.Choose(mechanism, asked);
            return (implementation.Create(), $"{mechanism} by {implementation.Name}, because {reason}");
        });

        public IKem Kem => _made.Value.Kem;

        public string Description => _made.Value.Description;
    }
}
