using Kedge.Protocol.Ip;

namespace Kedge.Control.Store;

/// <content>
/// The networks behind nodes. One that still needs approval is only a claim: it reserves nothing, and several nodes may claim the same. Overlap
/// is checked when it is approved.
/// </content>
internal static partial class Leases
{
    /// <summary>How many child prefixes of a node are in quarantine at most: those that it held longest.</summary>
    public const int MostQuarantinedPrefixes = 64;

    /// <summary>Puts down the prefixes behind a node: held where they are approved, claimed where they are not.</summary>
    /// <exception cref="Refusal">One overlaps the zone's own prefixes, or what another node has.</exception>
    public static void TakeChildPrefixes(
        StoreTransaction store, StoredZone zone, Guid node, IReadOnlyList<IpPrefix> prefixes, Func<IpPrefix, bool> isApproved)
    {
        if (prefixes.Count > 0)
            ForgetEnded(store, zone.Id);
        foreach (IpPrefix prefix in prefixes)
        {
            if (zone.Prefixes.FirstOrDefault(own => AddressRules.Overlap(own, prefix)) is { IsNone: false } own)
                throw Refusal.Conflict("childPrefixes", $"{prefix} overlaps {own}, from which zone {zone.Name} takes its own addresses: announce another prefix.");
            if (isApproved(prefix))
                Hold(store, zone.Id, node, prefix);
            else
                Claim(store, zone.Id, node, prefix);
        }
    }

    /// <summary>Approves all prefixes that a node claims: it has them from then on.</summary>
    /// <exception cref="Refusal">One overlaps what another node has by now.</exception>
    public static void Approve(StoreTransaction store, StoredNode node)
    {
        ForgetEnded(store, node.Zone);
        foreach (IpPrefix prefix in Of(store, node.Id).Waiting)
            Hold(store, node.Zone, node.Id, prefix);
    }

    /// <summary>Withdraws a node's claims but those in <paramref name="kept"/>.</summary>
    private static void WithdrawAllBut(StoreTransaction store, Guid node, IReadOnlyCollection<IpPrefix> kept)
    {
        foreach (IpPrefix claimed in store.List($"SELECT value FROM claim WHERE node = {node}", row => IpPrefix.Parse(row.Text(0))))
        {
            if (!kept.Contains(claimed))
                store.Execute($"DELETE FROM claim WHERE node = {node} AND low = {First(claimed)}");
        }
    }

    private static void Hold(StoreTransaction store, Guid zone, Guid node, IpPrefix prefix)
    {
        string value = prefix.ToString();
        bool isHeld = store.Number($"SELECT COUNT(*) FROM lease WHERE zone = {zone} AND low = {First(prefix)} AND value = {value} AND node = {node} AND status = 'held'") > 0;
        if (isHeld)
            return;
        RefuseOverlap(prefix, OverlapOfOthers(store, zone, node, prefix));
        // What is left of the node's own earlier prefixes and claims gives way.
        store.Execute($"DELETE FROM lease WHERE node = {node} AND kind = 'child' AND low <= {Last(prefix)} AND high >= {First(prefix)}");
        store.Execute($"DELETE FROM claim WHERE node = {node} AND low <= {Last(prefix)} AND high >= {First(prefix)}");
        Insert(store, zone, node, prefix, value, "child");
    }

    private static void Claim(StoreTransaction store, Guid zone, Guid node, IpPrefix prefix)
    {
        // Refuse now what would be refused at the approval; what is in quarantine may be free by then.
        if (OverlapOfOthers(store, zone, node, prefix) is { Status: not "quarantined" } other)
            RefuseOverlap(prefix, other);
        store.Execute($"DELETE FROM claim WHERE node = {node} AND low <= {Last(prefix)} AND high >= {First(prefix)} AND value <> {prefix.ToString()}");
        store.Execute(
            $"""
            INSERT INTO claim (zone, node, low, high, value, created_at)
            VALUES ({zone}, {node}, {First(prefix)}, {Last(prefix)}, {prefix.ToString()}, {store.Now}) ON CONFLICT DO NOTHING
            """);
    }

    private static void RefuseOverlap(IpPrefix prefix, Holder? other)
    {
        if (other is not null)
            throw Refusal.Conflict("childPrefixes", $"{prefix} overlaps another network: {other.Describe()}. Prefixes of a zone must not overlap.");
    }

    /// <summary>
    /// The lease of another node with which a block has an address in common, one in quarantine last; null for none. No two leases overlap, so it
    /// is the last that begins before the block, or one that begins in it.
    /// </summary>
    private static Holder? OverlapOfOthers(StoreTransaction store, Guid zone, Guid node, IpPrefix prefix) => store.First(
        $"""
        SELECT lease.node, node.name, lease.value, lease.status, lease.held_until
        FROM (
            SELECT * FROM (SELECT * FROM lease WHERE zone = {zone} AND low < {First(prefix)} ORDER BY low DESC LIMIT 1) WHERE high >= {First(prefix)}
            UNION ALL
            SELECT * FROM lease WHERE zone = {zone} AND low BETWEEN {First(prefix)} AND {Last(prefix)}
        ) AS lease
        JOIN node ON node.id = lease.node
        WHERE lease.node <> {node} AND NOT (lease.status = 'quarantined' AND lease.held_until <= {store.Now})
        ORDER BY lease.status = 'quarantined' LIMIT 1
        """,
        ReadHolder);

    private static void ForgetEnded(StoreTransaction store, Guid zone) =>
        store.Execute($"DELETE FROM lease WHERE zone = {zone} AND status = 'quarantined' AND held_until <= {store.Now}");
}
