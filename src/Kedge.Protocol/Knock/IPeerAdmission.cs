using Kedge.Protocol.Certificates;

namespace Kedge.Protocol.Knock;

/// <summary>
/// Says who may become a peer. A knock asks it about certificates that it has read and whose WireGuard key the other end has proven to
/// hold. Called on the thread of <see cref="KnockProtocol"/>, while it receives.
/// </summary>
public interface IPeerAdmission
{
    /// <summary>Whether a certificate may be believed: its issuer, signature, prefixes, revocation and dates.</summary>
    /// <param name="certificate">The certificate.</param>
    /// <param name="time">The present time.</param>
    /// <returns>Null when it may be.</returns>
    CertificateRefusal? Verify(NodeCertificate certificate, DateTimeOffset time);

    /// <summary>
    /// Whether something that the certificate names is this node's own or another peer's. What the same peer has already is not taken: it
    /// may introduce itself again, also with a newer certificate.
    /// </summary>
    /// <param name="certificate">A certificate that may be believed.</param>
    bool IsTaken(NodeCertificate certificate);
}
