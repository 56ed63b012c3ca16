using System.Security.Cryptography;

namespace Kedge.Crypto.Kem.McEliece;

/// <summary>
/// mceliece460896 (specification, section 5), and mceliece460896pc, which rounds 2 and 3 had, with confirmation: the ciphertext ends with
/// a hash of the error vector. Secret are keys and error vectors; how the parts compute on them is said at each. Here, whether a
/// ciphertext is good is a mask that selects what is hashed.
/// </summary>
/// <param name="isConfirmed">With plaintext confirmation.</param>
internal sealed class ManagedMcEliece460896(bool isConfirmed)
    : KemOfSizes(Parameters.NameOf(isConfirmed), Parameters.PublicKeySize, McElieceSecretKey.Size, Parameters.CiphertextSizeOf(isConfirmed)),
        ISeededKem
{
    // The first byte of what is hashed.
    private const byte Rejected = 0, Accepted = 1, Confirmation = 2;

    public override void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey) =>
        GenerateKeyPair(publicKey, secretKey, RandomNumberGenerator.Fill);

    public override void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret) =>
        Encapsulate(publicKey, ciphertext, sharedSecret, RandomNumberGenerator.Fill);

    /// <summary>Makes a pair of keys from one draw of 32 bytes.</summary>
    public void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey, FillRandom random)
    {
        RequireKeyPair(publicKey, secretKey);
        KeyGenerator.Generate(publicKey, secretKey, random);
    }

    /// <summary>Encapsulates from draws of 384 bytes.</summary>
    public void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret, FillRandom random)
    {
        RequireEncapsulation(publicKey, ciphertext, sharedSecret);
        Span<byte> error = stackalloc byte[Parameters.VectorSize];
        try
        {
            ErrorVector.Draw(error, random);
            ErrorVector.Encode(error, publicKey, ciphertext[..Parameters.SyndromeSize]);
            if (isConfirmed)
                Sha3.Shake256([Confirmation], error, ciphertext[Parameters.SyndromeSize..]);
            Sha3.Shake256([Accepted], error, ciphertext, sharedSecret);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(error);
        }
    }

    public override void Decapsulate(ReadOnlySpan<byte> secretKey, ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret)
    {
        RequireDecapsulation(secretKey, ciphertext, sharedSecret);
        Span<byte> error = stackalloc byte[Parameters.VectorSize], first = stackalloc byte[1];
        Span<byte> confirmation = stackalloc byte[Parameters.ConfirmationSize];
        try
        {
            ReadOnlySpan<byte> goppa = McElieceSecretKey.Goppa(secretKey), controlBits = McElieceSecretKey.ControlBits(secretKey);
            byte good = Decoder.Decode(goppa, controlBits, ciphertext[..Parameters.SyndromeSize], error);
            if (isConfirmed)
            {
                Sha3.Shake256([Confirmation], error, confirmation);
                int difference = 0;
                for (int i = 0; i < Parameters.ConfirmationSize; i++)
                    difference |= confirmation[i] ^ ciphertext[Parameters.SyndromeSize + i];
                good &= (byte)((difference - 1) >> 31);
            }
            ReadOnlySpan<byte> rejection = McElieceSecretKey.Rejection(secretKey);
            for (int i = 0; i < error.Length; i++)
                error[i] = (byte)(rejection[i] ^ (good & (rejection[i] ^ error[i])));
            first[0] = (byte)(Rejected ^ (good & (Rejected ^ Accepted)));
            Sha3.Shake256(first, error, ciphertext, sharedSecret);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(error);
            CryptographicOperations.ZeroMemory(confirmation);
            CryptographicOperations.ZeroMemory(first);
        }
    }
}
