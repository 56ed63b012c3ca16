namespace Kedge.Protocol.Api;

/// <summary>One change of the network: who changed what, and when.</summary>
public sealed record AuditEntry
{
    /// <summary>Its number: without gaps, in the order of what happened, whatever the clock did.</summary>
    public required long Sequence { get; init; }

    /// <summary>When, by the controller's clock.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Who: <c>administrator NAME</c>, <c>node ID</c>, <c>token ID</c>, or <c>controller</c> for what it does by itself.</summary>
    public required string Actor { get; init; }

    /// <summary>The address that the call came from; null for what the controller does by itself.</summary>
    public string? Source { get; init; }

    /// <summary>What was done, such as <c>node.remove</c>.</summary>
    public required string Action { get; init; }

    /// <summary>To what: the identifier of a zone, a node or a token.</summary>
    public required string Subject { get; init; }

    /// <summary>The zone it concerns; null for none.</summary>
    public Guid? ZoneId { get; init; }

    /// <summary>In words. Never a secret.</summary>
    public required string Detail { get; init; }
}
