using System.Text;
using Kedge.Linux.Files;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.Node.ControlLink;

/// <summary>A node's certificate and those above it: <c>certificate.pem</c>, the node's first.</summary>
/// <param name="Node">The node's certificate.</param>
/// <param name="Authorities">Certificates of the network's authorities, DER.</param>
public sealed record CertificateFile(NodeCertificate Node, IReadOnlyList<byte[]> Authorities)
{
    /// <summary>The node's own addresses.</summary>
    public IReadOnlyList<string> Addresses => [.. Node.Addresses.Select(address => address.ToString())];

    /// <summary>The networks behind the node: what it is certified for besides its addresses.</summary>
    public IReadOnlyList<string> ChildPrefixes =>
    [
        .. from prefix in Node.Prefixes
           where prefix.Length < prefix.Address.Size * 8 || !Node.Addresses.Contains(prefix.Address)
           select prefix.ToString(),
    ];

    /// <summary>Reads the file; null where it does not exist.</summary>
    /// <exception cref="UserError">It cannot be understood.</exception>
    /// <exception cref="Linux.LinuxException">It cannot be read.</exception>
    public static CertificateFile? Read(string path)
    {
        if (NodeFolder.Read(path) is not { } contents)
            return null;
        List<byte[]> certificates = Pem.Read(Encoding.ASCII.GetString(contents), Pem.Certificate);
        return certificates.Count > 0 && NodeCertificate.TryParse(certificates[0], out NodeCertificate? node, out _)
            ? new CertificateFile(node, certificates[1..])
            : throw new UserError($"{path} does not begin with a node's certificate. Restore it, or remove it and run 'kedge up' again.");
    }

    /// <summary>Writes the file.</summary>
    /// <exception cref="Linux.LinuxException">It could not be written.</exception>
    public void Write(string path)
    {
        string text = Pem.Write(Pem.Certificate, Authorities.Select(authority => (ReadOnlyMemory<byte>)authority).Prepend(Node.Der));
        PrivateFile.Write(path, Encoding.ASCII.GetBytes(text));
    }
}
