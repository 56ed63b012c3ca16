using Kedge.Control.Store;

namespace Kedge.Control;

/// <summary>What a backup brought back, and what it could not.</summary>
/// <param name="Former">Where what was there before is now; null where nothing was.</param>
/// <param name="MadeAt">When the backup was made.</param>
/// <param name="Nodes">The nodes that are members now.</param>
public sealed record RestoreReport(string? Former, DateTimeOffset MadeAt, IReadOnlyList<RestoredNode> Nodes)
{
    /// <summary>Members again that had been removed, or had left, since the backup.</summary>
    public IReadOnlyList<RestoredNode> Revived { get; init; } = [];

    /// <summary>Nodes that joined since the backup, which the network does not know any more.</summary>
    public IReadOnlyList<RestoredNode> Forgotten { get; init; } = [];

    /// <summary>Compares what is restored with what was there before.</summary>
    /// <param name="former">Where what was there before is now; null where nothing was.</param>
    /// <param name="madeAt">When the backup was made.</param>
    /// <param name="restored">The members of the backup.</param>
    /// <param name="before">The members of the store before; null where it could not be read.</param>
    internal static RestoreReport Compare(
        string? former, DateTimeOffset madeAt, IReadOnlyList<RestoredNode> restored, IReadOnlyList<RestoredNode>? before) =>
        new(former, madeAt, restored)
        {
            Revived = before is null ? [] : [.. restored.ExceptBy(before.Select(node => node.Id), node => node.Id)],
            Forgotten = before is null ? [] : [.. before.ExceptBy(restored.Select(node => node.Id), node => node.Id)],
        };
}

/// <summary>A node of a store.</summary>
/// <param name="Id">Its identifier.</param>
/// <param name="Name">Its name.</param>
/// <param name="Zone">The name of its zone.</param>
public sealed record RestoredNode(Guid Id, string Name, string Zone)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name} (zone {Zone})";

    /// <summary>The members of a store of any form, by zone and name.</summary>
    internal static IReadOnlyList<RestoredNode> List(StoreReader store) => store.List(
        $"""
        SELECT node.id, node.name, zone.name FROM node JOIN zone ON zone.id = node.zone
        WHERE node.status IN ('pending', 'active') ORDER BY zone.name, node.name
        """,
        row => new RestoredNode(row.Guid(0), row.Text(1), row.Text(2)));
}
