using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Certificates;

/// <summary>What an authority certifies about a node.</summary>
public sealed record NodeSubject
{
    /// <summary>The tag of a node that may pass on datagrams between others.</summary>
    public const string RelayTag = "relay";

    /// <summary>The tag of a node that keeps for others, in a network without a controller, where nodes are.</summary>
    public const string AnchorTag = "anchor";

    /// <summary>How many tags a node can have.</summary>
    public const int MaximumTags = 32;

    /// <summary>The node's name: a DNS label (RFC 1123 section 2.1) in lower case.</summary>
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

    /// <summary>All that the node would be certified for: its addresses, each as a prefix of itself alone, and the networks behind it.</summary>
    public IEnumerable<IpPrefix> Prefixes => [.. Addresses.Select(address => new IpPrefix(address, address.Size * 8)), .. ChildPrefixes];

    /// <summary>Whether all of this can be certified, apart from what the authority may not certify.</summary>
    /// <returns>What cannot, in a sentence that names the value; null when all can.</returns>
    public string? Check()
    {
        if (!CommonName.IsLabel(Name))
            return $"'{CommonName.Show(Name)}' is not a name for a node: it must have 1 to 63 of a-z, 0-9 and inner hyphens.";
        if (!NodeProfile.IsOneOfEachFamily(SortedAddresses))
            return $"A node has one address, or one IPv4 and one IPv6 address, not these: '{string.Join(", ", Addresses)}'.";
        if (Tags.FirstOrDefault(tag => !CommonName.IsName(tag)) is { } wrong)
            return $"'{CommonName.Show(wrong)}' is not a tag: it must have 1 to {CommonName.MaximumLength} printable characters.";
        if (SortedTags.Count > MaximumTags)
            return $"A node has at most {MaximumTags} tags, not {SortedTags.Count}.";
        return null;
    }

    /// <summary>The addresses in the order of a certificate.</summary>
    internal IReadOnlyList<IpAddress> SortedAddresses => [.. Addresses.Order(Comparer<IpAddress>.Create((a, b) => a.CompareTo(b)))];

    /// <summary>The tags in the order of a certificate, each once.</summary>
    internal IReadOnlyList<string> SortedTags => [.. Tags.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
}
