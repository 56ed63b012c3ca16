namespace Kedge.Protocol.Api;

/// <summary>A token that lets nodes join a zone, without its secret.</summary>
public sealed record JoinToken
{
    /// <summary>Its identifier, which is no secret: the part before the point.</summary>
    public required string Id { get; init; }

    /// <summary>The identifier of the zone that it lets into.</summary>
    public required Guid ZoneId { get; init; }

    /// <summary>The zone's name.</summary>
    public required string ZoneName { get; init; }

    /// <summary>What a person wrote about it.</summary>
    public required string Description { get; init; }

    /// <summary>The tags that a node gets which joins with it.</summary>
    public required IReadOnlyList<string> Tags { get; init; }

    /// <summary>Child prefixes inside these need no approval.</summary>
    public required IReadOnlyList<string> AllowedPrefixes { get; init; }

    /// <summary>How many nodes may join with it; 0 for any number.</summary>
    public required int MaxUses { get; init; }

    /// <summary>How many have.</summary>
    public required int Uses { get; init; }

    /// <summary>Whether the nodes that join with it vanish some time after they were last seen.</summary>
    public required bool Ephemeral { get; init; }

    /// <summary><c>usable</c>, <c>used</c>, <c>expired</c> or <c>revoked</c>.</summary>
    public required string Status { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it ends.</summary>
    public required DateTimeOffset ExpiresAt { get; init; }
}

/// <summary>A token to be made: for one node and one hour, unless it says otherwise.</summary>
public sealed record TokenCreation
{
    /// <summary>The zone by its name or identifier.</summary>
    public string Zone { get; init => field = value ?? "default"; } = "default";

    /// <summary>Anything, up to 500 characters.</summary>
    public string Description { get; init => field = value ?? ""; } = "";

    /// <summary>The tags that a node gets which joins with it: DNS labels.</summary>
    public IReadOnlyList<string> Tags { get; init => field = value ?? []; } = [];

    /// <summary>Child prefixes inside these need no approval; in CIDR notation.</summary>
    public IReadOnlyList<string> AllowedPrefixes { get; init => field = value ?? []; } = [];

    /// <summary>How many nodes may join with it, 1 to 1,000,000, or 0 for any number; null for one.</summary>
    public int? MaxUses { get; init; }

    /// <summary>How long it lives in seconds, from 60 to 31,536,000 (a year); null for an hour.</summary>
    public int? LifetimeSeconds { get; init; }

    /// <summary>Whether the nodes that join with it vanish some time after they were last seen.</summary>
    public bool Ephemeral { get; init; }
}

/// <summary>A token that was just made, with its secret, which is shown this once.</summary>
/// <param name="Token">What can be seen of it later.</param>
/// <param name="Secret">The token as a node presents it: <c>identifier.secret</c>.</param>
/// <param name="JoinLine">The line that <c>kedge up</c> reads: the controller, how to know it again, and the token.</param>
public sealed record CreatedToken(JoinToken Token, string Secret, string JoinLine);
