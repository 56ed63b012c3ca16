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
    private const string UnfinishedSuffix = ".new";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _path = Path.TrimEndingDirectorySeparator(path);

    /// <summary>Rosenpass's public key.</summary>
    public string RosenpassPublicKey => Path.Combine(_path, "pqpk");

    /// <summary>Rosenpass's secret key.</summary>
    public string RosenpassSecretKey => Path.Combine(_path, "pqsk");

    /// <summary>WireGuard's private key.</summary>
    public string WireGuardPrivateKey => Path.Combine(_path, "wgsk");

    /// <summary>WireGuard's public key.</summary>
    public string WireGuardPublicKey => Path.Combine(_path, "wgpk");

    /// <summary>The pre-shared key of Rosenpass; null where there is none.</summary>
    public string? PresharedKey => Path.Combine(_path, "psk") is var file && File.Exists(file) ? file : null;

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

    /// <summary>Whether it has the public keys of a peer.</summary>
    public bool IsPublished => File.Exists(WireGuardPublicKey) && File.Exists(RosenpassPublicKey);

    /// <summary>Makes the folder with new secret keys where it does not exist; as a whole or, if that fails or is interrupted, not at all.</summary>
    /// <exception cref="UserError">It cannot be made.</exception>
    public void GenerateOnce()
    {
        if (Directory.Exists(_path))
            return;
        var unfinished = new RpFolder(_path + UnfinishedSuffix);
        unfinished.Delete();
        unfinished.Generate();
        unfinished.MoveTo(_path);
    }

    /// <summary>Makes another folder with the public keys, in the place of one with other keys.</summary>
    /// <exception cref="UserError">It cannot be made, or a key is missing here.</exception>
    public void PublishAgain(RpFolder to)
    {
        var unfinished = new RpFolder(to._path + UnfinishedSuffix);
        unfinished.Delete();
        Publish(unfinished);
        if (to.IsPublished && unfinished.HasPublicKeysOf(to))
        {
            unfinished.Delete();
            return;
        }
        to.Delete();
        unfinished.MoveTo(to._path);
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

    private bool HasPublicKeysOf(RpFolder other) =>
        File.ReadAllBytes(WireGuardPublicKey).AsSpan().SequenceEqual(File.ReadAllBytes(other.WireGuardPublicKey))
        && File.ReadAllBytes(RosenpassPublicKey).AsSpan().SequenceEqual(File.ReadAllBytes(other.RosenpassPublicKey));

    private void MoveTo(string newPath)
    {
        try
        {
            Directory.Move(_path, newPath);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The folder {newPath} cannot be made: {e.Message}", e);
        }
    }

    private void Delete()
    {
        try
        {
            if (Directory.Exists(_path))
                Directory.Delete(_path, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The folder {_path} cannot be replaced: {e.Message}", e);
        }
    }

    private void Create()
    {
        if (Path.Exists(_path))
            throw new UserError($"{_path} exists and is not replaced; name another folder.");
        try
        {
            Directory.CreateDirectory(_path, OwnerOnly);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The folder {_path} cannot be made: {e.Message}", e);
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
