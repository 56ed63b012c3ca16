namespace Kedge.Control.Store;

/// <summary>
/// Up to which revision the nodes of a zone have taken its map: who has is certain not to send to an address that was given back before.
/// Stock WireGuard peers do not count, because nobody ever tells them anything.
/// </summary>
/// <param name="Connected">The revision that every connected node has acknowledged; the highest number where none is connected.</param>
/// <param name="All">The same of all active nodes, those that are not connected included.</param>
internal readonly record struct ZoneProgress(long Connected, long All)
{
    /// <summary>Nothing is known: any node may still have any map.</summary>
    public static readonly ZoneProgress Unknown = new(-1, -1);
}
