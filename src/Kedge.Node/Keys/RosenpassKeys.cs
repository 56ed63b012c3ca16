using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Node.KeyExchange;
using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Node.Keys;

/// <summary>
/// A node's static keys of Rosenpass, Classic McEliece 460896, in its folder: <c>rosenpass.key</c>, the secret one in the specification's
/// layout, and <c>rosenpass.pub</c>. The node's certificate has the public key's hash.
/// </summary>
public static class RosenpassKeys
{
    /// <summary>
    /// The SHA-256 of the public key; makes the pair where there is none. That takes the time of some hundred handshakes, and blocks.
    /// </summary>
    /// <exception cref="UserError">The files cannot be read or written.</exception>
    public static Sha256Digest Open(KeyFolder folder)
    {
        // The public key is written last: where it is, the secret one is on the disk too.
        if (Read(folder) is { } hash)
            return hash;
        KeyExchangeFiles.WriteNewKeyPair(folder.RosenpassPublicKey, folder.RosenpassKey, isShort: false);
        return Read(folder) ?? throw new UserError($"{folder.RosenpassPublicKey} is gone, though it was just written. Is another 'kedge up' using this folder?");
    }

    /// <summary>The SHA-256 of the public key; null where there is none, or it cannot be read.</summary>
    public static Sha256Digest? TryRead(KeyFolder folder)
    {
        try
        {
            return Read(folder);
        }
        catch (UserError)
        {
            return null;
        }
    }

    private static Sha256Digest? Read(KeyFolder folder)
    {
        try
        {
            if (!PrivateFile.TryRead(folder.RosenpassPublicKey, out byte[]? key))
                return null;
            return key.Length == RosenpassKeyFile.PublicKeySize && File.Exists(folder.RosenpassKey) ? Sha256Digest.Of(key) : throw new UserError(
                $"{folder.RosenpassPublicKey} is not a public key of Rosenpass, or its secret key is gone. Restore both, or remove it: then a new pair is made.");
        }
        catch (LinuxException e)
        {
            throw new UserError($"The node's Rosenpass keys cannot be read: {e.Message}.", e);
        }
    }
}
