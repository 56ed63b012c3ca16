using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>A file with a WireGuard private key in base64, as <c>wg genkey</c> prints it.</summary>
public static class PrivateKeyFile
{
    /// <summary>Reads the key: 32 bytes, which the caller zeroes.</summary>
    /// <exception cref="UserError">There is no such file, it cannot be read, or it holds no key.</exception>
    public static byte[] Read(string path)
    {
        byte[]? text = null;
        try
        {
            if (!PrivateFile.TryRead(path, out text))
                throw new UserError($"The private key file {path} does not exist. Make it with: (umask 077; wg genkey > {path})");
            byte[] key = GC.AllocateArray<byte>(PublicKey.Size, pinned: true);
            ReadOnlySpan<byte> trimmed = text.AsSpan().Trim(" \t\r\n"u8);
            if (trimmed.Length == Base64.GetMaxEncodedToUtf8Length(key.Length)
                && Base64.DecodeFromUtf8(trimmed, key, out _, out int written) == OperationStatus.Done
                && written == key.Length)
            {
                return key;
            }
            CryptographicOperations.ZeroMemory(key);
            throw new UserError($"The private key file {path} holds no key: 44 characters of base64 are expected, as 'wg genkey' prints them.");
        }
        catch (LinuxException e)
        {
            throw new UserError($"The private key file {path} cannot be read: {e.Message}.", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }
}
