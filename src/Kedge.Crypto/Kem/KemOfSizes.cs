namespace Kedge.Crypto.Kem;

/// <summary>What the implementations have in common: the name and the lengths of a mechanism, and that both are kept to.</summary>
/// <param name="name">See <see cref="IKem.Name"/>.</param>
/// <param name="publicKeySize">Bytes of a public key.</param>
/// <param name="secretKeySize">Bytes of a secret key.</param>
/// <param name="ciphertextSize">Bytes of a ciphertext.</param>
internal abstract class KemOfSizes(string name, int publicKeySize, int secretKeySize, int ciphertextSize) : IKem
{
    public string Name => name;

    public int PublicKeySize => publicKeySize;

    public int SecretKeySize => secretKeySize;

    public int CiphertextSize => ciphertextSize;

    public int SharedSecretSize => 32;

    public abstract void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey);

    public abstract void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret);

    public abstract void Decapsulate(ReadOnlySpan<byte> secretKey, ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret);

    /// <summary>Checks what a pair of keys goes to.</summary>
    protected void RequireKeyPair(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> secretKey)
    {
        Argument.RequireLength(publicKey, PublicKeySize);
        Argument.RequireLength(secretKey, SecretKeySize);
    }

    /// <summary>Checks the arguments of an encapsulation.</summary>
    protected void RequireEncapsulation(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> sharedSecret)
    {
        Argument.RequireLength(publicKey, PublicKeySize);
        Argument.RequireLength(ciphertext, CiphertextSize);
        Argument.RequireLength(sharedSecret, SharedSecretSize);
    }

    /// <summary>Checks the arguments of a decapsulation.</summary>
    protected void RequireDecapsulation(ReadOnlySpan<byte> secretKey, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> sharedSecret)
    {
        Argument.RequireLength(secretKey, SecretKeySize);
        Argument.RequireLength(ciphertext, CiphertextSize);
        Argument.RequireLength(sharedSecret, SharedSecretSize);
    }
}
