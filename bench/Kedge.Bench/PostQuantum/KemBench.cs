using System.Globalization;
using Kedge.Crypto.Kem;

namespace Kedge.Bench.PostQuantum;

/// <summary>
/// Key generation, encapsulation and decapsulation of each mechanism with each implementation that this machine has, and whether
/// decapsulation takes a time that depends on secrets (<see cref="TimingTest"/>).
/// </summary>
internal static class KemBench
{
    // McEliece's key generation tries until it succeeds: what one costs varies, the mean of few says little.
    private const int KeyPairs = 31;

    // A secret key of Kyber and of ML-KEM (FIPS 203, algorithm 16): the secret vector, the public key, its hash, and a secret.
    private static readonly Range KyberPublicPart = 768..1600;

    public static void Run()
    {
        foreach (string implementation in Kems.Implementations)
            Console.WriteLine($"Kedge uses {implementation}.");
        KemImplementation[] implementations = [.. KemImplementation.All.Where(implementation => implementation.IsSupported)];

        Console.WriteLine($"us an operation: key generation {KeyPairs} times, the others in {Sample.Rounds} rounds; median [min..max]");
        Console.WriteLine($"{"",-30}{"key generation",-30}{"encapsulation",-28}{"decapsulation",-28}");
        foreach (KemImplementation implementation in implementations)
            Measure(implementation);

        string threshold = TimingTest.Threshold.ToString(CultureInfo.InvariantCulture);
        Console.WriteLine($"Welch's t of the times of decapsulation; below {threshold} is a pass");
        foreach (KemImplementation implementation in implementations)
        {
            bool isMcEliece = implementation.Mechanism.StartsWith("mceliece", StringComparison.Ordinal);
            var test = new TimingTest(implementation.Create(), isMcEliece ? default : KyberPublicPart);
            Console.WriteLine($"{Title(implementation),-30}valid against invalid ciphertext  {test.ValidAgainstInvalid()}");
            Console.WriteLine($"{"",-30}fixed against random key          {test.FixedAgainstRandomKey()}");
        }
    }

    private static void Measure(KemImplementation implementation)
    {
        IKem kem = implementation.Create();
        byte[] publicKey = new byte[kem.PublicKeySize], secretKey = new byte[kem.SecretKeySize];
        byte[] ciphertext = new byte[kem.CiphertextSize], secret = new byte[kem.SharedSecretSize];
        Sample keys = Sample.OfEach(KeyPairs, () => kem.GenerateKeyPair(publicKey, secretKey));
        Sample encapsulation = Sample.OfNanoseconds(1, () => kem.Encapsulate(publicKey, ciphertext, secret));
        Sample decapsulation = Sample.OfNanoseconds(1, () => kem.Decapsulate(secretKey, ciphertext, secret));
        Console.WriteLine($"{Title(implementation),-30}{Text(keys),-30}{Text(encapsulation),-28}{Text(decapsulation),-28}");
    }

    private static string Title(KemImplementation implementation) => $"{implementation.Mechanism} {implementation.Name}";

    private static string Text(Sample nanoseconds) => new Sample([.. nanoseconds.Values.Select(value => value / 1000)]).ToString("F1");
}
