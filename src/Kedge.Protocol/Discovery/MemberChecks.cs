using Kedge.Protocol.Certificates;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// Says what may be believed of others. The owner says in a class of its own whose address is taken; a simulation of thousands of nodes, in which
/// reading and signatures would be most of the work, may do those once for all. Called on the thread of <see cref="DiscoveryProtocol"/>, while
/// that is called.
/// </summary>
public class MemberChecks
{
    /// <summary>Reads a certificate.</summary>
    /// <returns>Null if it is none.</returns>
    public virtual NodeCertificate? ReadCertificate(ReadOnlySpan<byte> der) =>
        NodeCertificate.TryParse(der, out NodeCertificate? certificate, out _) ? certificate : null;

    /// <summary>Reads a record.</summary>
    /// <returns>Null if it is none.</returns>
    public virtual NodeRecord? ReadRecord(ReadOnlySpan<byte> bytes) => NodeRecord.TryRead(bytes, out NodeRecord? record) ? record : null;

    /// <summary>Whether a certificate may be believed: its issuer, signature, prefixes, revocation and dates.</summary>
    /// <param name="certificate">The certificate.</param>
    /// <param name="trust">Whom the network believes.</param>
    /// <param name="time">The present time.</param>
    /// <returns>Null when it may be.</returns>
    public virtual CertificateRefusal? Verify(NodeCertificate certificate, NetworkTrust trust, DateTimeOffset time) =>
        trust.Verify(certificate, NetworkZone.IdOf(trust.NetworkId), time);

    /// <summary>Whether a record is of a certificate's node, and signed by it.</summary>
    public virtual bool IsSigned(NodeRecord record, NodeCertificate certificate) => record.IsSignedBy(certificate);

    /// <summary>
    /// Whether something that a certificate names is this node's own or another peer's. What the same node has already is not taken.
    /// </summary>
    /// <param name="certificate">A certificate that may be believed.</param>
    public virtual bool IsTaken(NodeCertificate certificate) => false;
}
