using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Certificates;

/// <summary>What an authority certifies about a node.</summary>
public sealed record NodeSubject
{
    /// <summary>The longest tag in characters.</summary>
    public const int MaximumTagLength = 64;

    /// <summary>How many tags a node can have.</summary>
    public const int MaximumTags = 32;

    /// <summary>The node's name: a DNS label (RFC 1123 section 2.1).</summary>
    public required string Name { get; init; }

    /// <summary>The zone's identifier.</summary>
    public required Guid ZoneId { get; init; }

    /// <summary>The identity key; null for a stock WireGuard peer, which has none and can prove itself by its WireGuard key alone.</summary>
    public P256PublicKey? IdentityKey { get; init; }

    /// <summary>The WireGuard public key.</summary>
    public required PublicKey WireGuardKey { get; init; }

    /// <summary>The SHA-256 of the Rosenpass public key; null without Rosenpass.</summary>
    public Sha256Digest? RosenpassKeyHash { get; init; }

    /// <summary>The node's tags, printable texts. A certificate has them sorted, and each once.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>The node's own addresses in the zone: at least one, at most one a family.</summary>
    public required IReadOnlyList<IpAddress> Addresses { get; init; }

    /// <summary>The networks behind the node.</summary>
    public IReadOnlyList<IpPrefix> ChildPrefixes { get; init; } = [];
}
