using Kedge.Protocol.Certificates;

namespace Kedge.Protocol.Mesh;

/// <summary>
/// What somebody says about one node: a certificate, which may be replaced by another one, and what <see cref="Admission"/> makes of it.
/// Whoever learns of nodes keeps one object for each, by whatever identifies the node there. One thread at a time.
/// </summary>
/// <param name="restored">
/// The certificate that was admitted for the node before this program started; null for none. It counts as if it were admitted still, until
/// the claim is evaluated for the first time.
/// </param>
public sealed class PeerClaim(NodeCertificate? restored = null)
{
    /// <summary>The certificate that is offered now, DER.</summary>
    public ReadOnlyMemory<byte> Certificate { get; internal set; }

    /// <summary>
    /// The certificate that is admitted, verified: the key and exactly the prefixes to install. It may be an older one than
    /// <see cref="Certificate"/>, if that was refused. Null if the node is not admitted.
    /// </summary>
    public NodeCertificate? Admitted { get; internal set; }

    /// <summary>Why <see cref="Certificate"/> is refused, as a sentence; null if it is admitted.</summary>
    public string? Refusal { get; internal set; }

    /// <summary>What was admitted before the claim is evaluated next: a known certificate, which may have expired.</summary>
    internal NodeCertificate? Former => Admitted ?? Restored;

    /// <summary>The certificate from before the start; null once the claim has been evaluated.</summary>
    internal NodeCertificate? Restored { get; set; } = restored;
}
