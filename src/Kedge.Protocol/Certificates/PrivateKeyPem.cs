using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Kedge.Protocol.Certificates;

/// <summary>An ECDSA P-256 private key as PKCS #8 (RFC 5958) in PEM (RFC 7468 section 10).</summary>
public static class PrivateKeyPem
{
    private const string Label = "PRIVATE KEY";

    /// <summary>Writes a key.</summary>
    /// <param name="key">The key; stays the caller's.</param>
    /// <returns>The text, ASCII, which ends on a line feed. The caller zeroes it.</returns>
    public static byte[] Write(ECDsa key)
    {
        byte[] der = key.ExportPkcs8PrivateKey();
        char[] text = new char[PemEncoding.GetEncodedSize(Label.Length, der.Length) + 1];
        try
        {
            PemEncoding.TryWrite(Label, der, text, out _);
            text[^1] = '\n';
            return Encoding.ASCII.GetBytes(text);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(der);
            Array.Clear(text);
        }
    }

    /// <summary>Reads the key in a text, in any of PEM's forms of one.</summary>
    /// <param name="text">The text, ASCII; stays the caller's to zero.</param>
    /// <param name="key">The key, which the caller disposes.</param>
    /// <returns>False when there is no key in it, or one that is not ECDSA P-256.</returns>
    public static bool TryRead(ReadOnlySpan<byte> text, [NotNullWhen(true)] out ECDsa? key)
    {
        char[] characters = new char[text.Length];
        ECDsa read = ECDsa.Create();
        try
        {
            Encoding.ASCII.GetChars(text, characters);
            read.ImportFromPem(characters);
            key = P256PublicKey.TryParse(read.ExportSubjectPublicKeyInfo(), out _) ? read : null;
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key = null;
        }
        finally
        {
            Array.Clear(characters);
        }
        if (key is null)
            read.Dispose();
        return key is not null;
    }
}
