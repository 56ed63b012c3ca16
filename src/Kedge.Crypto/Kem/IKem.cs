namespace Kedge.Crypto.Kem;

/// <summary>
/// A key encapsulation mechanism. Stateless, for any thread; randomness comes from the operating system. Buffers are the caller's, who
/// zeroes secret keys and shared secrets when done.
/// </summary>
public interface IKem
{
    /// <summary>The mechanism's name in its specification.</summary>
    string Name { get; }

    /// <summary>Bytes of a public (encapsulation) key.</summary>
    int PublicKeySize { get; }

    /// <summary>Bytes of a secret (decapsulation) key.</summary>
    int SecretKeySize { get; }

    /// <summary>Bytes of a ciphertext.</summary>
    int CiphertextSize { get; }

    /// <summary>Bytes of a shared secret: 32 in all of these.</summary>
    int SharedSecretSize { get; }

    /// <summary>Makes a pair of keys.</summary>
    /// <param name="publicKey">Receives the public key, <see cref="PublicKeySize"/> bytes.</param>
    /// <param name="secretKey">Receives the secret key, <see cref="SecretKeySize"/> bytes.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey);

    /// <summary>Makes a shared secret, and the ciphertext that conveys it to the owner of a public key.</summary>
    /// <param name="publicKey">The other's public key, <see cref="PublicKeySize"/> bytes.</param>
    /// <param name="ciphertext">Receives the ciphertext, <see cref="CiphertextSize"/> bytes.</param>
    /// <param name="sharedSecret">Receives the secret, <see cref="SharedSecretSize"/> bytes.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    /// <exception cref="System.Security.Cryptography.CryptographicException">
    /// ML-KEM alone: the key is not one (FIPS 203, section 7.2, modulus check).
    /// </exception>
    void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret);

    /// <summary>
    /// Recovers the shared secret. A ciphertext that nobody encapsulated yields a secret that only the key's owner could compute
    /// (implicit rejection), in the same time as a valid one: there is no failure to see.
    /// </summary>
    /// <param name="secretKey">The own secret key, <see cref="SecretKeySize"/> bytes.</param>
    /// <param name="ciphertext">The ciphertext, <see cref="CiphertextSize"/> bytes.</param>
    /// <param name="sharedSecret">Receives the secret, <see cref="SharedSecretSize"/> bytes.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    void Decapsulate(ReadOnlySpan<byte> secretKey, ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret);
}
