using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Kedge.Control.Identity;

/// <summary>
/// What a token consists of, <c>identifier.secret</c>: the identifier finds it and may be shown; of the secret only the SHA-256 is stored. 32
/// random bytes need no slow hash.
/// </summary>
internal static class Secret
{
    private const int IdentifierSize = 8;
    private const int SecretSize = 32;

    /// <summary>Makes a token.</summary>
    /// <returns>Its identifier, 16 hexadecimal digits; all of it as it is presented; and what is stored, 32 bytes.</returns>
    public static (string Id, string Text, byte[] Hash) Create()
    {
        string id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(IdentifierSize));
        string secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretSize));
        return (id, $"{id}.{secret}", HashOf(secret));
    }

    /// <summary>Takes a token apart.</summary>
    /// <returns>False when it has another form.</returns>
    public static bool TryParse(string text, [NotNullWhen(true)] out string? id, [NotNullWhen(true)] out byte[]? hash)
    {
        (id, hash) = (null, null);
        if (text.Length > 100 || text.Split('.') is not [{ Length: 2 * IdentifierSize } identifier, { Length: > 0 } secret]
            || !identifier.All(char.IsAsciiHexDigitLower))
            return false;
        (id, hash) = (identifier, HashOf(secret));
        return true;
    }

    /// <summary>Whether two hashes are the same, in a time that does not tell where they differ.</summary>
    public static bool Equal(byte[] a, byte[] b) => CryptographicOperations.FixedTimeEquals(a, b);

    private static byte[] HashOf(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));
}
