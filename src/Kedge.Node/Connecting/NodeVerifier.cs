using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Kedge.Linux;
using Kedge.Linux.Files;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.Node.Connecting;

/// <summary>
/// Tells by a node's files whether somebody at the other end of a TLS connection is a node of the same zone. They are read for each connection,
/// because what is trusted changes. The end of a certificate's validity ends no stream, as it ends no tunnel. Any thread.
/// </summary>
/// <param name="folder">The node's folder; see <see cref="NodeIdentity"/>.</param>
public sealed class NodeVerifier(string folder)
{
    private readonly Lazy<(NodeCertificate Own, NetworkTrust Trust)> _files = new(() => Read(folder));

    /// <summary>The node's own certificate.</summary>
    /// <exception cref="UserError">The files cannot be used.</exception>
    public NodeCertificate Own => _files.Value.Own;

    /// <summary>Whom the node trusts.</summary>
    /// <exception cref="UserError">The files cannot be used.</exception>
    public NetworkTrust Trust => _files.Value.Trust;

    /// <summary>What accepts a node of the zone, and keeps the platform from asking anybody.</summary>
    /// <param name="isWelcome">Whether a node that has been verified is one that is wanted.</param>
    public RemoteCertificateValidationCallback Accept(Func<NodeCertificate, bool> isWelcome) =>
        (_, shown, _, _) => Verify(shown as X509Certificate2) is { } node && isWelcome(node);

    /// <summary>Reads what somebody shows.</summary>
    /// <returns>The certificate; null if it is not one of a node of the zone.</returns>
    public NodeCertificate? Verify(X509Certificate2? shown)
    {
        if (shown is null || !NodeCertificate.TryParse(shown.RawData, out NodeCertificate? node, out _))
            return null;
        (NodeCertificate own, NetworkTrust trust) = _files.Value;
        return trust.VerifyIgnoringDates(node, own.ZoneId) is null ? node : null;
    }

    private static (NodeCertificate Own, NetworkTrust Trust) Read(string folder)
    {
        try
        {
            if (Pem.Read(ReadText(NodeIdentity.CertificateFile), Pem.Certificate) is not [var der, ..]
                || !NodeCertificate.TryParse(der, out NodeCertificate? own, out _))
            {
                throw new UserError($"There is no node's certificate in {folder}.");
            }
            return (own, NetworkTrust.Empty(own.NetworkId).MergePem(ReadText(NodeIdentity.TrustFile)));
        }
        catch (Exception e) when (e is LinuxException or FormatException)
        {
            throw new UserError($"The certificates in {folder} cannot be used: {e.Message}", e);
        }

        string ReadText(string name) =>
            PrivateFile.TryRead(Path.Combine(folder, name), out byte[]? contents) ? Encoding.ASCII.GetString(contents) : "";
    }
}
