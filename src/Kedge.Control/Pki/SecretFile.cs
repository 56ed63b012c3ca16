using System.Security.Cryptography;
using System.Text;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.Control.Pki;

/// <summary>Files of the controller's data folder and of authorities, which only their owner may read (mode 0600) and which are replaced as a whole.</summary>
public static class SecretFile
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
        try
        {
            PrivateFile.Write(path, contents);
        }
        catch (LinuxException e)
        {
            throw new UserError($"{path} cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Writes an ECDSA key as PKCS #8 (RFC 5958) in PEM.</summary>
    /// <exception cref="UserError">It cannot be written.</exception>
    public static void WriteKey(string path, ECDsa key)
    {
        byte[] text = PrivateKeyPem.Write(key);
        try
        {
            Write(path, text);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }

    /// <summary>Reads an ECDSA key in PEM; the caller disposes it.</summary>
    /// <exception cref="UserError">It is not there, or is not a P-256 key.</exception>
    public static ECDsa ReadKey(string path)
    {
        byte[] text = Read(path);
        try
        {
            return PrivateKeyPem.TryRead(text, out ECDsa? key)
                ? key
                : throw new UserError($"{path} has no ECDSA P-256 key in PEM. Restore it from a backup of the data folder.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }

    /// <summary>Writes a certificate in PEM.</summary>
    /// <exception cref="UserError">It cannot be written.</exception>
    public static void WriteCertificate(string path, ReadOnlySpan<byte> der) =>
        Write(path, Encoding.ASCII.GetBytes(PemEncoding.WriteString(Pem.Certificate, der) + "\n"));

    /// <summary>Writes certificates in PEM, one behind the other.</summary>
    /// <exception cref="UserError">They cannot be written.</exception>
    public static void WriteCertificates(string path, IEnumerable<ReadOnlyMemory<byte>> certificates) =>
        Write(path, Encoding.ASCII.GetBytes(Pem.Write(Pem.Certificate, certificates)));

    /// <summary>Reads the first certificate of a file in PEM.</summary>
    /// <returns>The certificate, DER.</returns>
    /// <exception cref="UserError">It is not there, or has none.</exception>
    public static byte[] ReadCertificate(string path) => ReadCertificates(path)[0];

    /// <summary>Reads all certificates of a file in PEM.</summary>
    /// <returns>The certificates, DER: at least one.</returns>
    /// <exception cref="UserError">It is not there, or has none.</exception>
    public static IReadOnlyList<byte[]> ReadCertificates(string path) =>
        Pem.Read(Encoding.ASCII.GetString(Read(path)), Pem.Certificate) is { Count: > 0 } certificates
            ? certificates
            : throw new UserError($"{path} has no certificate in PEM: it must begin with -----BEGIN CERTIFICATE-----.");

    /// <summary>Gives a file another name, in place of the file that has that name, and returns when that is on the disk.</summary>
    /// <exception cref="UserError">It cannot be renamed.</exception>
    public static void Move(string path, string target)
    {
        try
        {
            PrivateFile.Move(path, target);
        }
        catch (LinuxException e)
        {
            throw new UserError($"{path} cannot be renamed to {target}: {e.Message}", e);
        }
    }

    /// <summary>Reads a file; the caller zeroes what is secret.</summary>
    /// <exception cref="UserError">It is not there, or cannot be read.</exception>
    public static byte[] Read(string path)
    {
        try
        {
            return PrivateFile.TryRead(path, out byte[]? contents) ? contents : throw new UserError($"There is no file {path}.");
        }
        catch (LinuxException e)
        {
            throw new UserError($"{path} cannot be read: {e.Message}", e);
        }
    }
}
