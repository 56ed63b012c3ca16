using System.Security.Cryptography;

namespace Kedge.Crypto.Kem;

/// <summary>
/// What a native implementation has to get right before it is used: with a key pair of its own, it and the managed one, which the tests
/// hold to the published vectors, have to come to the same secrets in both directions, and to others where the ciphertext is bad. Known
/// answers would not do: these libraries draw their own randomness, and a key of McEliece is half a megabyte.
/// </summary>
internal static class KemSelfTest
{
    /// <summary>Tests an implementation against another: some 50 ms for McEliece, 1 ms for Kyber.</summary>
    /// <exception cref="CryptographicException">They differ; the message says in what.</exception>
    public static void Run(KemImplementation implementation, KemImplementation reference)
    {
        IKem tested = implementation.Create(), right = reference.Create();
        byte[] publicKey = new byte[right.PublicKeySize], secretKey = new byte[right.SecretKeySize];
        byte[] ciphertext = new byte[right.CiphertextSize];
        byte[] sent = new byte[right.SharedSecretSize], received = new byte[right.SharedSecretSize];
        tested.GenerateKeyPair(publicKey, secretKey);

        tested.Encapsulate(publicKey, ciphertext, sent);
        right.Decapsulate(secretKey, ciphertext, received);
        Require(sent.AsSpan().SequenceEqual(received), implementation, "encapsulation");

        right.Encapsulate(publicKey, ciphertext, sent);
        tested.Decapsulate(secretKey, ciphertext, received);
        Require(sent.AsSpan().SequenceEqual(received), implementation, "decapsulation");

        ciphertext[0] ^= 1;
        tested.Decapsulate(secretKey, ciphertext, received);
        Require(!sent.AsSpan().SequenceEqual(received), implementation, "the rejection of a bad ciphertext");
    }

    private static void Require(bool right, KemImplementation implementation, string what)
    {
        if (!right)
        {
            throw new CryptographicException(
                $"The self-test of {implementation.Mechanism} by {implementation.Name} failed: {what}. Please report it, with the " +
                $"library's version; until then set {KemImplementation.Variable}={KemImplementation.Managed}.");
        }
    }
}
