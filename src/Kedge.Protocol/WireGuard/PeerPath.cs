using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// The two ends of the way to a peer. Immutable, so that a new one can be published while other threads still use the last.
/// </summary>
/// <param name="Remote">Where the peer was last heard from, or is configured to be.</param>
/// <param name="Local">Our address that it last spoke to, and the interface; none lets the kernel choose.</param>
public sealed record PeerPath(Endpoint Remote, Endpoint Local);
