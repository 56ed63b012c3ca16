namespace Kedge.Protocol.Api;

/// <summary>A node as an administrator sees it.</summary>
public sealed record RegisteredNode
{
    /// <summary>Its identifier.</summary>
    public required Guid Id { get; init; }

    /// <summary>Its name: a DNS label (RFC 1123), unique in its zone.</summary>
    public required string Name { get; init; }

    /// <summary>Its zone's identifier.</summary>
    public required Guid ZoneId { get; init; }

    /// <summary>Its zone's name.</summary>
    public required string ZoneName { get; init; }

    /// <summary><c>kedge</c>, or <c>wireguard</c> for a stock WireGuard peer, which an administrator made.</summary>
    public required string Kind { get; init; }

    /// <summary><c>active</c>, or <c>pending</c> until it is certified or approved.</summary>
    public required string Status { get; init; }

    /// <summary>What it waits for, in words: all of a pending node, some of its prefixes for an active one; null for nothing.</summary>
    public string? Reason { get; init; }

    /// <summary>Its addresses in the zone, IPv4 first.</summary>
    public required IReadOnlyList<string> Addresses { get; init; }

    /// <summary>The networks behind it that the others route to it, in CIDR notation.</summary>
    public required IReadOnlyList<string> ChildPrefixes { get; init; }

    /// <summary>The networks that it asked for and that wait for approval.</summary>
    public required IReadOnlyList<string> WaitingPrefixes { get; init; }

    /// <summary>Its WireGuard public key, base64.</summary>
    public required string WireGuardKey { get; init; }

    /// <summary>Its tags.</summary>
    public required IReadOnlyList<string> Tags { get; init; }

    /// <summary>Whether it vanishes some time after it was last seen.</summary>
    public required bool Ephemeral { get; init; }

    /// <summary>Whether its control link is connected now; false for a stock WireGuard peer, which has none.</summary>
    public required bool Online { get; init; }

    /// <summary>
    /// The addresses from which several machines use this node's keys at the same time, such as copies of its disk; empty for a node that is one
    /// machine, as it should be.
    /// </summary>
    public IReadOnlyList<string> DuplicatesFrom { get; init => field = value ?? []; } = [];

    /// <summary>When it was last heard of; null for never.</summary>
    public DateTimeOffset? LastSeenAt { get; init; }

    /// <summary>The endpoint that an administrator gave it; null for none.</summary>
    public string? FixedEndpoint { get; init; }

    /// <summary>The identifier of the token that it joined with; null for a node that an administrator made.</summary>
    public string? Token { get; init; }

    /// <summary>When its certificate ends; null while it has none.</summary>
    public DateTimeOffset? CertificateExpiresAt { get; init; }

    /// <summary>When it was first heard of.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>
/// A stock WireGuard peer to be made. It is certified without proof that anybody has the private key, and the audit log says so.
/// </summary>
public sealed record NodeCreation
{
    /// <summary>A DNS label (RFC 1123), unique in the zone.</summary>
    public required string Name { get; init; }

    /// <summary>The zone by its name or identifier.</summary>
    public string Zone { get; init => field = value ?? "default"; } = "default";

    /// <summary>The WireGuard public key: 32 bytes in base64.</summary>
    public required string WireGuardKey { get; init; }

    /// <summary>Addresses of the zone that it is to have. For a family without one the controller chooses.</summary>
    public IReadOnlyList<string> RequestedAddresses { get; init => field = value ?? []; } = [];

    /// <summary>Networks behind it, in CIDR notation.</summary>
    public IReadOnlyList<string> ChildPrefixes { get; init => field = value ?? []; } = [];

    /// <summary>Its tags: DNS labels.</summary>
    public IReadOnlyList<string> Tags { get; init => field = value ?? []; } = [];

    /// <summary>Where it can be reached, such as <c>192.0.2.1:51820</c>; null where it calls itself.</summary>
    public string? FixedEndpoint { get; init; }
}

/// <summary>What is to change of a node; null leaves it as it is.</summary>
public sealed record NodeChange
{
    /// <summary>A new name. The node hears of it, and keeps it until it asks for another one than it asked for last.</summary>
    public string? Name { get; init; }

    /// <summary>New tags in place of all it had.</summary>
    public IReadOnlyList<string>? Tags { get; init; }

    /// <summary>A new endpoint; empty takes it away.</summary>
    public string? FixedEndpoint { get; init; }
}
