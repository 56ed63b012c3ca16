using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace Kedge.Crypto.Kem.McEliece;

/// <summary>
/// mceliece460896, with or without confirmation, by libmceliece: constant time is that library's promise. Its secret keys have the
/// specification's layout, as <see cref="ManagedMcEliece460896"/>'s.
/// </summary>
/// <param name="isConfirmed">With plaintext confirmation.</param>
/// <exception cref="PlatformNotSupportedException">The machine has no libmceliece.</exception>
internal sealed unsafe class NativeMcEliece460896(bool isConfirmed)
    : KemOfSizes(Parameters.NameOf(isConfirmed), Parameters.PublicKeySize, McElieceSecretKey.Size, Parameters.CiphertextSizeOf(isConfirmed))
{
    // Key generation keeps its matrix on the stack: a megabyte, and a thread of the pool may have no more than 1.5.
    private const int KeyGenerationStackSize = 4 << 20;

    private readonly Libmceliece.Functions _functions = Libmceliece.Loaded is { } library
        ? isConfirmed ? library.Confirmed : library.Plain
        : throw new PlatformNotSupportedException($"{Libmceliece.FileName} was not found.");

    public override void GenerateKeyPair(Span<byte> publicKey, Span<byte> secretKey)
    {
        RequireKeyPair(publicKey, secretKey);
        fixed (byte* pk = publicKey, sk = secretKey)
        {
            (nint publicStart, nint secretStart) = ((nint)pk, (nint)sk);
            int result = -1;
            var thread = new Thread(
                () => result = _functions.GenerateKeyPair((byte*)publicStart, (byte*)secretStart), KeyGenerationStackSize);
            thread.Start();
            thread.Join();
            ThrowUnlessZero(result);
        }
    }

    public override void Encapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> sharedSecret)
    {
        RequireEncapsulation(publicKey, ciphertext, sharedSecret);
        fixed (byte* pk = publicKey, c = ciphertext, k = sharedSecret)
            ThrowUnlessZero(_functions.Encapsulate(c, k, pk));
    }

    public override void Decapsulate(ReadOnlySpan<byte> secretKey, ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret)
    {
        RequireDecapsulation(secretKey, ciphertext, sharedSecret);
        fixed (byte* sk = secretKey, c = ciphertext, k = sharedSecret)
            ThrowUnlessZero(_functions.Decapsulate(k, c, sk));
    }

    private void ThrowUnlessZero(int result, [CallerMemberName] string operation = "")
    {
        if (result != 0)
            throw new CryptographicException($"{Libmceliece.FileName}: {operation} of {Name} failed with {result}.");
    }
}
