using System.Buffers.Text;
using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Node.Dataplane;
using Kedge.Node.KeyExchange;
using Kedge.Protocol;
using WireGuardKey = Kedge.Protocol.WireGuard.PublicKey;

namespace Kedge.Commands.Rp;

/// <summary>
/// A folder with the keys of <c>rp</c>: WireGuard's in base64, Rosenpass's as they are. That of the owner has the secret keys <c>wgsk</c> and
/// <c>pqsk</c> and the public key <c>pqpk</c>; that for others has <c>wgpk</c> and <c>pqpk</c>, and perhaps a pre-shared key <c>psk</c>.
/// </summary>
/// <param name="path">The folder.</param>
internal sealed class RpFolder(string path)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Rosenpass's public key.</summary>
    public string RosenpassPublicKey => Path.Combine(path, "pqpk");

    /// <summary>Rosenpass's secret key.</summary>
    public string RosenpassSecretKey => Path.Combine(path, "pqsk");

    /// <summary>WireGuard's private key.</summary>
    public string WireGuardPrivateKey => Path.Combine(path, "wgsk");

    /// <summary>WireGuard's public key.</summary>
    public string WireGuardPublicKey => Path.Combine(path, "wgpk");

    /// <summary>The pre-shared key of Rosenpass; null where there is none.</summary>
    public string? PresharedKey => Path.Combine(path, "psk") is var file && File.Exists(file) ? file : null;

    /// <summary>Makes the folder with new secret keys.</summary>
    /// <exception cref="UserError">It is there already, or cannot be made.</exception>
    public void Generate()
    {
        Create();
        byte[] key = GC.AllocateArray<byte>(WireGuardKey.Size, pinned: true);
        try
        {
            RandomNumberGenerator.Fill(key);
            X25519.Clamp(key);
            Write(WireGuardPrivateKey, key);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
        KeyExchangeFiles.WriteNewKeyPair(RosenpassPublicKey, RosenpassSecretKey, isShort: true);
    }

    /// <summary>Makes another folder with the public keys, to be handed to peers.</summary>
    /// <exception cref="UserError">That one is there already, or a key is missing here.</exception>
    public void Publish(RpFolder to)
    {
        byte[] privateKey = PrivateKeyFile.Read(WireGuardPrivateKey);
        byte[] publicKey = new byte[WireGuardKey.Size];
        try
        {
            X25519.PublicKey(privateKey, publicKey);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(privateKey);
        }
        if (!File.Exists(RosenpassPublicKey))
            throw new UserError($"There is no {RosenpassPublicKey}; 'kedge rp genkey' makes such a folder.");
        to.Create();
        Write(to.WireGuardPublicKey, publicKey);
        File.Copy(RosenpassPublicKey, to.RosenpassPublicKey);
    }

    /// <summary>Reads WireGuard's public key.</summary>
    /// <exception cref="UserError">There is none.</exception>
    public WireGuardKey ReadWireGuardPublicKey()
    {
        try
        {
            string text = File.ReadAllText(WireGuardPublicKey).Trim();
            return WireGuardKey.TryParse(text, out WireGuardKey key)
                ? key
                : throw new UserError($"The file {WireGuardPublicKey} is no public key of WireGuard: 32 bytes in base64, 44 characters.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{WireGuardPublicKey} cannot be read: {e.Message} 'kedge rp pubkey' makes such a folder.", e);
        }
    }

    private void Create()
    {
        if (Path.Exists(path))
            throw new UserError($"{path} exists and is not replaced; name another folder.");
        try
        {
            Directory.CreateDirectory(path, OwnerOnly);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The folder {path} cannot be made: {e.Message}", e);
        }
    }

    private static void Write(string file, ReadOnlySpan<byte> key)
    {
        Span<byte> text = stackalloc byte[Base64.GetMaxEncodedToUtf8Length(WireGuardKey.Size)];
        Base64.EncodeToUtf8(key, text, out _, out _);
        try
        {
            PrivateFile.Write(file, text);
        }
        catch (LinuxException e)
        {
            throw new UserError($"{file} cannot be written: {e.Message}", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }
}
