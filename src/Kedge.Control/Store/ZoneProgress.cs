namespace Kedge.Control.Store;

/// <summary>
/// The revisions up to which the nodes of a zone have applied its map. A node that has applied the release of an address no longer sends to its
/// former owner. Stock WireGuard peers do not count: they receive no map.
/// </summary>
/// <param name="Connected">The revision that every connected node has acknowledged; the highest number where none is connected.</param>
/// <param name="All">The same of all active nodes, those that are not connected included.</param>
internal readonly record struct ZoneProgress(long Connected, long All);
