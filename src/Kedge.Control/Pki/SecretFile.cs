using System.Security.Cryptography;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.Control.Pki;

/// <summary>Files of the controller's data folder, which only their owner may read (mode 0600) and which are replaced as a whole.</summary>
internal static class SecretFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Makes a folder that only its owner can enter, or takes the one that is there.</summary>
    /// <exception cref="UserError">It cannot be made, or others can write to it.</exception>
    public static void CreateFolder(string path)
    {
        try
        {
            Directory.CreateDirectory(path, OwnerOnly | UnixFileMode.UserExecute);
            if ((File.GetUnixFileMode(path) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0)
                throw new UserError($"Others can write to {path}, where keys are to be kept. Take that from them: chmod 700 {path}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The folder {path} cannot be made: {e.Message}", e);
        }
    }

    /// <summary>Writes a file, or replaces the one that is there, and returns when it is on the disk.</summary>
    /// <exception cref="UserError">It cannot be written; the old one is still there.</exception>
    public static void Write(string path, ReadOnlySpan<byte> contents)
    {
        string temporary = path + ".new";
        try
        {
            File.Delete(temporary);
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly, BufferSize = 0 };
            using (var file = new FileStream(temporary, options))
            {
                file.Write(contents);
                file.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{path} cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Writes an ECDSA key as PKCS #8 (RFC 5958) in PEM.</summary>
    /// <exception cref="UserError">It cannot be written.</exception>
    public static void WriteKey(string path, ECDsa key)
    {
        byte[] der = key.ExportPkcs8PrivateKey();
        var pem = new char[PemEncoding.GetEncodedSize("PRIVATE KEY".Length, der.Length) + 1];
        var bytes = new byte[pem.Length];
        try
        {
            PemEncoding.TryWrite("PRIVATE KEY", der, pem, out _);
            pem[^1] = '\n';
            System.Text.Encoding.ASCII.GetBytes(pem, bytes);
            Write(path, bytes);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(der);
            CryptographicOperations.ZeroMemory(bytes);
            Array.Clear(pem);
        }
    }

    /// <summary>Reads an ECDSA key in PEM; the caller disposes it.</summary>
    /// <exception cref="UserError">It is not there, or is none.</exception>
    public static ECDsa ReadKey(string path)
    {
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(ReadText(path));
            return key;
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw new UserError($"{path} has no ECDSA key in PEM. Restore it from a backup of the data folder.", e);
        }
    }

    /// <summary>Writes a certificate in PEM.</summary>
    /// <exception cref="UserError">It cannot be written.</exception>
    public static void WriteCertificate(string path, ReadOnlySpan<byte> der) =>
        Write(path, System.Text.Encoding.ASCII.GetBytes(PemEncoding.WriteString(Pem.Certificate, der) + "\n"));

    /// <summary>Writes certificates in PEM, one behind the other.</summary>
    /// <exception cref="UserError">They cannot be written.</exception>
    public static void WriteCertificates(string path, IEnumerable<ReadOnlyMemory<byte>> certificates) =>
        Write(path, System.Text.Encoding.ASCII.GetBytes(Pem.Write(Pem.Certificate, certificates)));

    /// <summary>Reads the first certificate of a file in PEM.</summary>
    /// <returns>The certificate, DER.</returns>
    /// <exception cref="UserError">It is not there, or has none.</exception>
    public static byte[] ReadCertificate(string path) => ReadCertificates(path)[0];

    /// <summary>Reads all certificates of a file in PEM.</summary>
    /// <returns>The certificates, DER: at least one.</returns>
    /// <exception cref="UserError">It is not there, or has none.</exception>
    public static IReadOnlyList<byte[]> ReadCertificates(string path)
    {
        List<byte[]> certificates = [];
        ReadOnlySpan<char> rest = ReadText(path);
        while (PemEncoding.TryFind(rest, out PemFields fields) && rest[fields.Label] is Pem.Certificate)
        {
            certificates.Add(Convert.FromBase64String(rest[fields.Base64Data].ToString()));
            rest = rest[fields.Location.End..];
        }
        return certificates.Count > 0
            ? certificates
            : throw new UserError($"{path} has no certificate in PEM: it must begin with -----BEGIN CERTIFICATE-----.");
    }

    /// <summary>Gives a file another name, in place of the file that has that name.</summary>
    /// <exception cref="UserError">It cannot be renamed.</exception>
    public static void Move(string path, string target)
    {
        try
        {
            File.Move(path, target, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{path} cannot be renamed to {target}: {e.Message}", e);
        }
    }

    private static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{path} cannot be read: {e.Message}", e);
        }
    }
}
