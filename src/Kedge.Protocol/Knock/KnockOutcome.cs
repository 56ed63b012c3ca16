using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Knock;

/// <summary>A knock that has ended, at this node or of this node.</summary>
/// <param name="Asked">Where this node has knocked; none if it was knocked at.</param>
/// <param name="Refusal">
/// How it ended. If it is accepted, both ends admit each other, and the certificate's node may be installed as a peer.
/// </param>
/// <param name="Certificate">
/// The other end's certificate, whose WireGuard key it holds. Verified where the result is accepted; otherwise as far as it could be read,
/// and null if it has not come.
/// </param>
/// <param name="Remote">Where the other end's last message came from; none if none came.</param>
/// <param name="Local">Where that arrived.</param>
public readonly record struct KnockOutcome(
    Endpoint Asked, KnockRefusal Refusal, NodeCertificate? Certificate = null, Endpoint Remote = default, Endpoint Local = default);
