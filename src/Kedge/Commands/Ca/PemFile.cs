using System.Security.Cryptography;
using System.Text;
using Kedge.Control.Pki;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.Commands.Ca;

/// <summary>One part of a file in PEM.</summary>
/// <param name="Label">What it is, such as CERTIFICATE.</param>
/// <param name="Der">Its contents.</param>
internal sealed record PemItem(string Label, byte[] Der);

/// <summary>Keys, certificates and revocation lists in files: PEM (RFC 7468), readable by their owner only.</summary>
internal static class PemFile
{
    private const UnixFileMode Others = ~(UnixFileMode.UserRead | UnixFileMode.UserWrite);

    /// <summary>All parts of a file; a file that is not text is one certificate in DER.</summary>
    /// <exception cref="UserError">It cannot be read, or there is none in it.</exception>
    public static IReadOnlyList<PemItem> Read(string path) => Parse(path, SecretFile.Read(path));

    /// <summary>All parts of what is in a file; what is not text is one certificate in DER.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="contents">What is in it.</param>
    /// <exception cref="UserError">There is none in it.</exception>
    public static IReadOnlyList<PemItem> Parse(string path, byte[] contents)
    {
        if (contents is [0x30, ..])
            return [new("CERTIFICATE", contents)];
        List<PemItem> items = [];
        string text = Encoding.ASCII.GetString(contents);
        ReadOnlySpan<char> rest = text;
        while (PemEncoding.TryFind(rest, out PemFields fields))
        {
            items.Add(new(rest[fields.Label].ToString(), Convert.FromBase64String(rest[fields.Base64Data].ToString())));
            rest = rest[fields.Location.End..];
        }
        return items.Count > 0 ? items : throw new UserError($"{path} has nothing in PEM: a part begins with a line like -----BEGIN CERTIFICATE-----.");
    }

    /// <summary>Writes one part, or replaces the file that is there.</summary>
    /// <exception cref="UserError">It cannot be written; the old file is still there.</exception>
    public static void Write(string path, string label, ReadOnlySpan<byte> der) =>
        SecretFile.Write(path, Encoding.ASCII.GetBytes(PemEncoding.WriteString(label, der) + "\n"));

    /// <summary>Reads a private key; the caller disposes it.</summary>
    /// <exception cref="UserError">It cannot be read, is not an ECDSA P-256 key, or others than its owner can read it.</exception>
    public static ECDsa ReadKey(string path)
    {
        byte[] contents = SecretFile.Read(path);
        try
        {
            if ((File.GetUnixFileMode(path) & Others) != 0)
                throw new UserError($"Others than its owner can read {path}, which is a private key: chmod 600 {path}");
            return PrivateKeyPem.TryRead(contents, out ECDsa? key)
                ? key
                : throw new UserError($"{path} has no ECDSA P-256 key in PEM. Restore it from a backup.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(contents);
        }
    }
}
