using Kedge.Protocol;
using Kedge.Protocol.Certificates;

namespace Kedge.Commands.Ca;

/// <summary>Which certificates a master can revoke: those that it signed, and not its own.</summary>
internal static class Revocation
{
    /// <summary>What of a file is meant: of one that begins with nodes' certificates, these alone. Those of the authorities follow them.</summary>
    public static IEnumerable<PemItem> Select(IReadOnlyList<PemItem> items) =>
        IsNode(items[0]) ? items.TakeWhile(IsNode) : items;

    private static bool IsNode(PemItem item) => item.Label == Pem.Certificate && NodeCertificate.TryParse(item.Der, out _, out _);

    /// <summary>Reads a certificate that is to be revoked.</summary>
    /// <returns>Its serial number and the name of its subject.</returns>
    /// <exception cref="UserError">It is not one that the master of the folder signed.</exception>
    public static (SerialNumber Serial, string Name) Check(AuthorityFolder folder, string file, PemItem item)
    {
        if (item.Label != "CERTIFICATE")
            throw new UserError($"{file} has a {item.Label}, but only certificates can be revoked.");
        if (NodeCertificate.TryParse(item.Der, out NodeCertificate? node, out CertificateRefusal refusal))
        {
            if (folder.Trust.VerifyIgnoringDates(node, node.ZoneId) is { } reason and not CertificateRefusal.Revoked)
                throw new UserError($"{file}, the certificate of {node.Name}, is not one of this master, who therefore cannot revoke it. {reason.Sentence()}");
            return (node.Serial, node.Name);
        }
        if (!AuthorityCertificate.TryParse(item.Der, out AuthorityCertificate? authority, out _))
            throw new UserError($"{file} is neither a node's certificate nor an authority's. {refusal.Sentence()}");
        if (authority.IsMaster)
            throw new UserError($"{file} is the certificate of a master, which nobody can revoke: a network ends by being left.");
        var trust = NetworkTrust.Create(folder.Master.NetworkId, [folder.Master.Der.ToArray(), item.Der], []);
        if (trust.Refused is [var refused, ..])
            throw new UserError($"{file}, the certificate of {authority.Name}, is not one of this master, who therefore cannot revoke it. {refused.Refusal.Sentence()}");
        return (authority.Serial, authority.Name);
    }
}
