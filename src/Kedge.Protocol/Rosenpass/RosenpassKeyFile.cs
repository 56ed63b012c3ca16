using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Kedge.Crypto.Kem;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// What is in the files of <c>rosenpass</c>: static keys as they are, 32-byte keys in base64. A reader says in a clause why a file is none,
/// and never repeats what is in it. For any thread.
/// </summary>
public static class RosenpassKeyFile
{
    /// <summary>Bytes of a file with a public key.</summary>
    public static int PublicKeySize => Kems.McEliece460896.PublicKeySize;

    /// <summary>Bytes of a 32-byte key in base64, without a newline.</summary>
    public const int Base64Size = 44;

    /// <summary>Reads a static public key.</summary>
    /// <param name="contents">All of the file; becomes the key's.</param>
    /// <param name="key">The key.</param>
    /// <param name="reason">Why it is none; empty where it is one.</param>
    public static bool TryReadPublicKey(byte[] contents, [NotNullWhen(true)] out StaticPublicKey? key, out string reason)
    {
        ArgumentNullException.ThrowIfNull(contents);
        bool isOne = contents.Length == PublicKeySize;
        key = isOne ? new StaticPublicKey(contents) : null;
        reason = isOne ? "" : $"it has {contents.Length} bytes, and a public key has {PublicKeySize}";
        return isOne;
    }

    /// <summary>Reads a static secret key, in either layout.</summary>
    /// <param name="contents">All of the file; stays the caller's to zero.</param>
    /// <param name="secretKey">Receives the key in the specification's layout, <see cref="McElieceSecretKey.Size"/> bytes.</param>
    /// <param name="reason">Why it is none; empty where it is one.</param>
    public static bool TryReadSecretKey(ReadOnlySpan<byte> contents, Span<byte> secretKey, out string reason)
    {
        reason = "";
        if (contents.Length == McElieceSecretKey.Size)
            contents.CopyTo(secretKey);
        else if (contents.Length == McElieceSecretKey.ShortSize)
            McElieceSecretKey.FromShort(contents, secretKey);
        else
            reason = $"it has {contents.Length} bytes, and a secret key has {McElieceSecretKey.ShortSize} or {McElieceSecretKey.Size}";
        return reason.Length == 0;
    }

    /// <summary>Whether a secret key belongs to a public key: what is encapsulated for the one, the other opens.</summary>
    public static bool IsPair(StaticKeyPair pair)
    {
        ArgumentNullException.ThrowIfNull(pair);
        IKem kem = Kems.McEliece460896;
        byte[] ciphertext = new byte[kem.CiphertextSize];
        Span<byte> sent = stackalloc byte[kem.SharedSecretSize], received = stackalloc byte[kem.SharedSecretSize];
        kem.Encapsulate(pair.PublicKey.Bytes, ciphertext, sent);
        kem.Decapsulate(pair.SecretKey, ciphertext, received);
        bool isPair = CryptographicOperations.FixedTimeEquals(sent, received);
        CryptographicOperations.ZeroMemory(sent);
        CryptographicOperations.ZeroMemory(received);
        return isPair;
    }

    /// <summary>Reads a pre-shared key: base64 of 32 bytes, with blanks and newlines around it or without.</summary>
    /// <param name="contents">All of the file; stays the caller's to zero.</param>
    /// <param name="key">Receives the key, 32 bytes; zeros where there is none.</param>
    /// <param name="reason">Why it is none; empty where it is one.</param>
    public static bool TryReadPresharedKey(ReadOnlySpan<byte> contents, Span<byte> key, out string reason)
    {
        ReadOnlySpan<byte> text = contents.Trim(" \t\r\n"u8);
        bool isOne = text.Length == Base64Size
            && Base64.DecodeFromUtf8(text, key[..RosenpassExchange.OutputKeySize], out _, out int written) == OperationStatus.Done
            && written == RosenpassExchange.OutputKeySize;
        if (!isOne)
            CryptographicOperations.ZeroMemory(key);
        reason = isOne ? "" : $"it is not 32 bytes in base64, {Base64Size} characters";
        return isOne;
    }

    /// <summary>Writes an output key as its file has it: base64 without a newline.</summary>
    /// <param name="key">The key, 32 bytes.</param>
    /// <param name="contents">Receives <see cref="Base64Size"/> bytes, which the caller zeroes.</param>
    public static void WriteOutputKey(ReadOnlySpan<byte> key, Span<byte> contents) =>
        _ = Base64.EncodeToUtf8(key[..RosenpassExchange.OutputKeySize], contents[..Base64Size], out _, out _);
}
