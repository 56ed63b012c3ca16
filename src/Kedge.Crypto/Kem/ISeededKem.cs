namespace Kedge.Crypto.Kem;

/// <summary>A mechanism whose source of randomness is an argument: the managed ones, for vectors that begin with a seed.</summary>
internal interface ISeededKem : IKem
{
    /// <summary>Makes a pair of keys; the source is asked in the order of the specification.</summary>
    void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey, FillRandom random);

    /// <summary>Encapsulates; the source is asked in the order of the specification.</summary>
    void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret, FillRandom random);
}
