using Kedge.Node.Connecting;

namespace Kedge.Node.Keys;

/// <summary>The files with a node's keys, in one folder. All have mode 0600.</summary>
/// <param name="Path">The folder.</param>
public sealed record KeyFolder(string Path)
{
    /// <summary>The ECDSA P-256 key: PKCS #8 in PEM.</summary>
    public string IdentityKey => In(NodeIdentity.KeyFile);

    /// <summary>The WireGuard private key in base64, as <c>wg genkey</c> prints it.</summary>
    public string WireGuardKey => In("wireguard.key");

    /// <summary>The secret key of Rosenpass, in the specification's layout.</summary>
    public string RosenpassKey => In("rosenpass.key");

    /// <summary>The public key of Rosenpass, half a megabyte.</summary>
    public string RosenpassPublicKey => In("rosenpass.pub");

    /// <summary>The lock of whoever makes keys here for a person.</summary>
    public string Lock => In("keys.lock");

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
