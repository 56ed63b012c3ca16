using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.Node.Connecting;

/// <summary>
/// By what a node shows controllers and other nodes who it is, and by what it knows them: a certificate, its key, and whom it trusts, in files
/// of the node's folder that nobody else reads.
/// </summary>
public static class NodeIdentity
{
    /// <summary>The name of the file with the certificate and those above it, PEM, the node's own first.</summary>
    public const string CertificateFile = "certificate.pem";

    /// <summary>The name of the file with the ECDSA P-256 key, PKCS #8 in PEM.</summary>
    public const string KeyFile = "identity.key";

    /// <summary>The name of the file with the authorities and revocation lists that the node has ever verified, PEM.</summary>
    public const string TrustFile = "trust.pem";

    /// <summary>Reads the certificate with its key, which is in no other file than its own.</summary>
    /// <param name="folder">The node's folder.</param>
    /// <returns>The certificate, the caller's.</returns>
    /// <exception cref="UserError">One of the two is not there, or cannot be used.</exception>
    public static X509Certificate2 Read(string folder)
    {
        byte[]? pem = null;
        try
        {
            if (!PrivateFile.TryRead(Path.Combine(folder, CertificateFile), out byte[]? certificate)
                || !PrivateFile.TryRead(Path.Combine(folder, KeyFile), out pem))
            {
                throw new UserError($"There is no certificate with its key in {folder}.");
            }
            if (Pem.Read(Encoding.ASCII.GetString(certificate), Pem.Certificate) is not [var der, ..] || !PrivateKeyPem.TryRead(pem, out ECDsa? key))
                throw new UserError($"The certificate or the key in {folder} cannot be read.");
            using (key)
            using (X509Certificate2 bare = X509CertificateLoader.LoadCertificate(der))
                return bare.CopyWithPrivateKey(key);
        }
        catch (Exception e) when (e is LinuxException or CryptographicException or ArgumentException or FormatException)
        {
            throw new UserError($"The certificate or the key in {folder} cannot be used: {e.Message}", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(pem);
        }
    }
}
