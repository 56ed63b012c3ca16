using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Node.Dataplane;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Keys;

/// <summary>
/// The two keys of a node: its identity at the controller and its identity in the tunnels. They are made here, kept in files of their own
/// (0600), and never leave the machine. Whoever opened them disposes them, which zeroes them.
/// </summary>
public sealed class NodeKeys : IDisposable
{
    private const int KeyTextLength = 44; // 32 bytes in base64

    private readonly byte[] _wireGuardKey;

    private NodeKeys(ECDsa identity, byte[] wireGuardKey)
    {
        Identity = identity;
        _wireGuardKey = wireGuardKey;
        Span<byte> publicKey = stackalloc byte[PublicKey.Size];
        X25519.PublicKey(wireGuardKey, publicKey);
        WireGuardPublicKey = PublicKey.FromBytes(publicKey);
        IdentityPublicKey = P256PublicKey.Of(identity);
    }

    /// <summary>The identity key, ECDSA P-256.</summary>
    public ECDsa Identity { get; }

    /// <summary>Its public half.</summary>
    public P256PublicKey IdentityPublicKey { get; }

    /// <summary>The WireGuard private key, 32 bytes.</summary>
    public ReadOnlySpan<byte> WireGuardKey => _wireGuardKey;

    /// <summary>Its public half.</summary>
    public PublicKey WireGuardPublicKey { get; }

    /// <summary>Reads a node's keys, and makes those that do not exist yet.</summary>
    /// <param name="folder">The folder, which exists.</param>
    /// <param name="wireGuardKeyFile">The file with the WireGuard key where it is not the node's own; it must exist.</param>
    /// <exception cref="UserError">A file cannot be read or written, or has no key.</exception>
    public static NodeKeys Open(KeyFolder folder, string? wireGuardKeyFile)
    {
        try
        {
            ECDsa identity = ReadIdentity(folder.IdentityKey) ?? CreateIdentity(folder.IdentityKey);
            try
            {
                string path = wireGuardKeyFile ?? folder.WireGuardKey;
                bool isNew = wireGuardKeyFile is null && !File.Exists(path);
                return new NodeKeys(identity, isNew ? CreateWireGuardKey(path) : PrivateKeyFile.Read(path));
            }
            catch
            {
                identity.Dispose();
                throw;
            }
        }
        catch (LinuxException e)
        {
            throw new UserError($"The node's keys cannot be read or written: {e.Message}.", e);
        }
    }

    /// <summary>Whether a certificate is for this identity. With the key of another, nobody can use it.</summary>
    public bool IsIdentityOf(NodeCertificate certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        return IdentityPublicKey.Equals(certificate.IdentityKey);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_wireGuardKey);
        Identity.Dispose();
    }

    private static ECDsa? ReadIdentity(string path)
    {
        if (!PrivateFile.TryRead(path, out byte[]? pem))
            return null;
        try
        {
            return PrivateKeyPem.TryRead(pem, out ECDsa? key) ? key : throw new UserError(
                $"{path} is not an ECDSA P-256 key in PEM. Restore it; without it the node has to join again, under another name.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(pem);
        }
    }

    private static ECDsa CreateIdentity(string path)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] text = PrivateKeyPem.Write(key);
        try
        {
            PrivateFile.WriteNew(path, text);
            return key;
        }
        catch
        {
            key.Dispose();
            throw;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }

    private static byte[] CreateWireGuardKey(string path)
    {
        byte[] key = GC.AllocateUninitializedArray<byte>(PublicKey.Size, pinned: true);
        RandomNumberGenerator.Fill(key);
        X25519.Clamp(key); // as wg does it
        Span<byte> text = stackalloc byte[KeyTextLength + 1];
        System.Buffers.Text.Base64.EncodeToUtf8(key, text, out _, out _);
        text[^1] = (byte)'\n';
        PrivateFile.WriteNew(path, text);
        CryptographicOperations.ZeroMemory(text);
        return key;
    }
}
