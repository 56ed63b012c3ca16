namespace Kedge.Protocol.Api;

/// <summary>A zone: nodes that reach each other, and nobody else. Prefixes may overlap between zones.</summary>
public sealed record Zone
{
    /// <summary>Its identifier.</summary>
    public required Guid Id { get; init; }

    /// <summary>Its name: a DNS label (RFC 1123), unique in the network.</summary>
    public required string Name { get; init; }

    /// <summary>What a person wrote about it.</summary>
    public required string Description { get; init; }

    /// <summary>What its addresses are taken from, in CIDR notation: at most one prefix a family, IPv4 first.</summary>
    public required IReadOnlyList<string> Prefixes { get; init; }

    /// <summary>How many nodes are in it, pending ones included.</summary>
    public required int Nodes { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>A zone to be made.</summary>
public sealed record ZoneCreation
{
    /// <summary>A DNS label (RFC 1123): 1 to 63 of a-z, 0-9 and '-', neither first nor last a '-'.</summary>
    public required string Name { get; init; }

    /// <summary>Anything, up to 500 characters.</summary>
    public string Description { get; init => field = value ?? ""; } = "";

    /// <summary>One or two prefixes in CIDR notation, at most one a family: IPv4 from /8 to /30, IPv6 from /32 to /126.</summary>
    public required IReadOnlyList<string> Prefixes { get; init; }
}

/// <summary>What is to change of a zone; null leaves it as it is.</summary>
public sealed record ZoneChange
{
    /// <summary>A new name, as in <see cref="ZoneCreation.Name"/>.</summary>
    public string? Name { get; init; }

    /// <summary>A new description.</summary>
    public string? Description { get; init; }
}
