using System.Security.Cryptography;

namespace Kedge.Crypto.Kem.McEliece;

/// <summary>
/// mceliece460896 (specification, section 5), and mceliece460896pc, which rounds 2 and 3 had, with confirmation: the ciphertext ends with
/// a hash of the error vector. Secret are keys and error vectors; how the parts compute on them is said at each. Here, whether a
/// ciphertext is good is a mask that selects what is hashed.
/// </summary>
/// <param name="isConfirmed">With plaintext confirmation.</param>
internal sealed class ManagedMcEliece460896(bool isConfirmed) : ISeededKem
{
    private const int HashSize = 32;

    // The first byte of what is hashed.
    private const byte Rejected = 0, Accepted = 1, Confirmation = 2;

    public string Name => isConfirmed ? "mceliece460896pc" : "mceliece460896";

    public int PublicKeySize => Parameters.PublicKeySize;

    public int SecretKeySize => McElieceSecretKey.Size;

    public int CiphertextSize => Parameters.SyndromeSize + (isConfirmed ? HashSize : 0);

    public int SharedSecretSize => HashSize;

    public void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey) =>
        GenerateKeyPair(publicKey, secretKey, RandomNumberGenerator.Fill);

    public void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret) =>
        Encapsulate(publicKey, ciphertext, sharedSecret, RandomNumberGenerator.Fill);

    /// <summary>Makes a pair of keys from one draw of 32 bytes.</summary>
    public void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey, FillRandom random)
    {
        Argument.RequireLength(publicKey, Parameters.PublicKeySize);
        Argument.RequireLength(secretKey, McElieceSecretKey.Size);
        KeyGenerator.Generate(publicKey, secretKey, random);
    }

    /// <summary>Encapsulates from draws of 384 bytes.</summary>
    public void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret, FillRandom random)
    {
        Argument.RequireLength(publicKey, Parameters.PublicKeySize);
        Argument.RequireLength(ciphertext, CiphertextSize);
        Argument.RequireLength(sharedSecret, SharedSecretSize);
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

    public void Decapsulate(ReadOnlySpan<byte> secretKey, ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret)
    {
        Argument.RequireLength(secretKey, SecretKeySize);
        Argument.RequireLength(ciphertext, CiphertextSize);
        Argument.RequireLength(sharedSecret, SharedSecretSize);
        Span<byte> error = stackalloc byte[Parameters.VectorSize], confirmation = stackalloc byte[HashSize], first = stackalloc byte[1];
        try
        {
            ReadOnlySpan<byte> goppa = McElieceSecretKey.Goppa(secretKey), controlBits = McElieceSecretKey.ControlBits(secretKey);
            byte good = Decoder.Decode(goppa, controlBits, ciphertext[..Parameters.SyndromeSize], error);
            if (isConfirmed)
            {
                Sha3.Shake256([Confirmation], error, confirmation);
                int difference = 0;
                for (int i = 0; i < HashSize; i++)
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
