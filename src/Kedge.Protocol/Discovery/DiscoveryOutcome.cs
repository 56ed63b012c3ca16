using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Discovery;

/// <summary>Something that the owner of a <see cref="DiscoveryProtocol"/> is to know or to do.</summary>
public abstract record DiscoveryOutcome;

/// <summary>
/// A node that was looked up is found: it is to be installed as a peer with these endpoints. It, or whoever knows it, is told of this node at the
/// same time. May come again with a newer record.
/// </summary>
/// <param name="Address">The address that was looked up.</param>
/// <param name="Certificate">The node's certificate, verified.</param>
/// <param name="Record">Where it is.</param>
public sealed record MemberFound(IpAddress Address, NodeCertificate Certificate, NodeRecord Record) : DiscoveryOutcome;

/// <summary>Another node wants to reach this one: it is to be installed as a peer with these endpoints, as one that was found.</summary>
/// <param name="Certificate">The node's certificate, verified.</param>
/// <param name="Record">Where it is.</param>
public sealed record MemberIntroduced(NodeCertificate Certificate, NodeRecord Record) : DiscoveryOutcome;

/// <summary>
/// This node must have a session with another one: it is to be installed as a peer, and its handshake begun. If strangers reach it
/// (<see cref="NodeTraits.ReachedByStrangers"/>), it is to be knocked at, at once; others are told of this node by somebody who knows both, if there is
/// such a node, and a knock is worth a try if nothing comes of that. What is sent to it keeps the session up.
/// </summary>
/// <param name="Certificate">The node's certificate, verified.</param>
/// <param name="Record">Where it is, or was.</param>
public sealed record ConnectionWanted(NodeCertificate Certificate, NodeRecord Record) : DiscoveryOutcome;

/// <summary>A peer, or a node that was found or introduced lately, can be reached elsewhere than before.</summary>
/// <param name="Certificate">The node's certificate, verified.</param>
/// <param name="Record">Its record; null while it has told none.</param>
/// <param name="Endpoints">Where: what its record says, and what it tells its peers alone.</param>
public sealed record EndpointsTold(NodeCertificate Certificate, NodeRecord? Record, IReadOnlyList<PeerEndpoint> Endpoints) : DiscoveryOutcome;

/// <summary>Why a look-up has failed.</summary>
public enum LookupFailure
{
    /// <summary>Those that would know were asked, and nobody knows such a node.</summary>
    Unknown,

    /// <summary>Nobody has answered.</summary>
    NoAnswer,

    /// <summary>This node is connected with no other.</summary>
    NoPeers,

    /// <summary>This node is looking for too many others just now.</summary>
    TooMany,

    /// <summary>The address is this node's own.</summary>
    Self,
}

/// <summary>A look-up has failed.</summary>
/// <param name="Address">The address that was looked up.</param>
/// <param name="Why">Why.</param>
public sealed record MemberNotFound(IpAddress Address, LookupFailure Why) : DiscoveryOutcome;

/// <summary>A node must not be a peer any more, because its certificate has been revoked; it may be this node itself.</summary>
/// <param name="Certificate">The certificate.</param>
public sealed record MemberRevoked(NodeCertificate Certificate) : DiscoveryOutcome;

/// <summary>A peer has said that it leaves.</summary>
/// <param name="Key">The peer.</param>
public sealed record MemberLeft(PublicKey Key) : DiscoveryOutcome;

/// <summary>A newer revocation list has come: this is what the network believes and refuses now. To be kept on the disk.</summary>
/// <param name="Trust">The trust.</param>
public sealed record TrustChanged(NetworkTrust Trust) : DiscoveryOutcome;

/// <summary>A node's certificate and record are worth keeping for <see cref="DiscoveryProtocol.Restore"/>, in place of older ones of the same node.</summary>
/// <param name="Certificate">The certificate, verified.</param>
/// <param name="Record">The record.</param>
/// <param name="IsAnchor">Whether it is an anchor just now: these help most after a start.</param>
public sealed record MemberKept(NodeCertificate Certificate, NodeRecord Record, bool IsAnchor) : DiscoveryOutcome;
