namespace Kedge.Protocol.Api;

/// <summary>An address or a child prefix that somebody has, waits for, or had until lately.</summary>
public sealed record Lease
{
    /// <summary>The zone's identifier.</summary>
    public required Guid ZoneId { get; init; }

    /// <summary>The zone's name.</summary>
    public required string ZoneName { get; init; }

    /// <summary>The address such as <c>10.200.0.1</c>, or the child prefix in CIDR notation.</summary>
    public required string Value { get; init; }

    /// <summary><c>dynamic</c> (the controller chose the address), <c>requested</c> (the node did), or <c>child</c> (a prefix behind the node).</summary>
    public required string Kind { get; init; }

    /// <summary>
    /// <c>held</c>, <c>waiting</c> (a child prefix without approval), <c>retiring</c> (no longer wanted, but named by a certificate that is in
    /// force until another is signed), or <c>quarantined</c>: free again, but kept from others for a while, because cached maps may still
    /// route it to its former node.
    /// </summary>
    public required string Status { get; init; }

    /// <summary>The node that has it, or had it last.</summary>
    public required Guid NodeId { get; init; }

    /// <summary>That node's name.</summary>
    public required string NodeName { get; init; }

    /// <summary>Since when.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Until when it is in quarantine; null while it is not.</summary>
    public DateTimeOffset? QuarantinedUntil { get; init; }
}
