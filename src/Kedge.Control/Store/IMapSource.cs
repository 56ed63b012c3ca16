namespace Kedge.Control.Store;

/// <summary>
/// What the push side needs of a store: the nodes of a zone as they are, and what has changed since a revision. Revisions are gapless and
/// become visible in order. Any thread.
/// </summary>
public interface IMapSource
{
    /// <summary>Names this store; another one, or one restored from a backup, has another name, and its revisions mean something else.</summary>
    Guid StoreId { get; }

    /// <summary>The last revision that was committed; 0 for a store in which nothing ever changed.</summary>
    long Revision { get; }

    /// <summary>Completes once <see cref="Revision"/> is higher than <paramref name="after"/>.</summary>
    Task WaitForChangeAsync(long after, CancellationToken cancellation);

    /// <summary>What has changed in all zones after a revision, in order, up to the present one; null when that is no longer known.</summary>
    Task<IReadOnlyList<MapChange>?> ReadChangesAsync(long after, CancellationToken cancellation);

    /// <summary>All active nodes of a zone, with the revision that they were read at.</summary>
    Task<MapZone?> ReadZoneAsync(Guid zone, CancellationToken cancellation);

    /// <summary>Some nodes by their identifiers; those that are gone or not active are left out.</summary>
    Task<IReadOnlyList<MapNode>> ReadNodesAsync(IReadOnlyCollection<Guid> nodes, CancellationToken cancellation);
}

/// <summary>What a change is about.</summary>
public enum MapSubject
{
    /// <summary>A node came, went, or is certified anew. Removals of nodes are to be pushed at once.</summary>
    Node,

    /// <summary>A zone's own properties.</summary>
    Zone,

    /// <summary>The network's authorities or revocation lists; concerns all zones.</summary>
    Trust,
}

/// <summary>One entry of the change table.</summary>
/// <param name="Revision">Its revision.</param>
/// <param name="Zone">The zone it concerns; empty for all.</param>
/// <param name="Subject">What it is about.</param>
/// <param name="Id">The identifier of what changed.</param>
/// <param name="Removed">Whether it is gone.</param>
public sealed record MapChange(long Revision, Guid Zone, MapSubject Subject, Guid Id, bool Removed);

/// <summary>A zone with its nodes at one revision.</summary>
/// <param name="Revision">The revision.</param>
/// <param name="Id">The zone's identifier.</param>
/// <param name="Name">Its name.</param>
/// <param name="Prefixes">Its prefixes in CIDR notation.</param>
/// <param name="Nodes">Its active nodes.</param>
public sealed record MapZone(long Revision, Guid Id, string Name, IReadOnlyList<string> Prefixes, IReadOnlyList<MapNode> Nodes);

/// <summary>An active node as others see it.</summary>
/// <param name="Id">Its identifier.</param>
/// <param name="Zone">Its zone.</param>
/// <param name="Revision">The revision that it last changed at.</param>
/// <param name="Name">Its name.</param>
/// <param name="IdentityKeyHash">The SHA-256 of its identity key's SubjectPublicKeyInfo, 32 bytes; empty for a stock WireGuard peer, which has none.</param>
/// <param name="Certificate">Its certificate, DER.</param>
/// <param name="FixedEndpoint">An endpoint that an administrator gave it; null for none.</param>
public sealed record MapNode(Guid Id, Guid Zone, long Revision, string Name, byte[] IdentityKeyHash, byte[] Certificate, string? FixedEndpoint);
