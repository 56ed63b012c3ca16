using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;

namespace Kedge.Control.Store;

/// <summary>
/// Who has which address, and which child prefix: address management. It runs inside changes, one after the other, so two never choose the
/// same. What is given back stays in quarantine for a while, because cached maps may still route it to its former node. That node gets it
/// back at once. Another gets it early only if nothing else is free and, as far as is known, no current node has such a map.
/// </summary>
/// <remarks>
/// Quarantine costs addresses, so what one node can put into it is bounded: what never was in a map is free at once, and of the addresses that
/// a node has gone through only the one of each family that it held longest is kept from others.
/// </remarks>
internal static partial class Leases
{
    /// <summary>How long nobody else gets what was given back, as long as anything else is free.</summary>
    public static readonly TimeSpan Quarantine = TimeSpan.FromHours(24);

    /// <summary>
    /// How long a node that is not connected counts as one that may still send to an address which was given back. A node that runs and has a
    /// network reconnects within half a minute.
    /// </summary>
    public static readonly TimeSpan DisconnectedPatience = TimeSpan.FromHours(1);

    /// <summary>Sees to it that a node has one address in each family of its zone, and the requested ones if any.</summary>
    /// <param name="store">The change.</param>
    /// <param name="zone">The node's zone.</param>
    /// <param name="node">The node.</param>
    /// <param name="requested">At most one address a family.</param>
    /// <param name="progress">Finds out which maps the zone's nodes have; called only when no other address is free.</param>
    /// <returns>The node's addresses, IPv4 first. What it had before and is not among them is still its own.</returns>
    /// <exception cref="Refusal">A requested address is not to be had, or none is left.</exception>
    public static IReadOnlyList<IpAddress> TakeAddresses(
        StoreTransaction store, StoredZone zone, Guid node, IReadOnlyList<IpAddress> requested, Func<ZoneProgress> progress)
    {
        foreach (IpAddress address in requested)
        {
            if (zone.PrefixFor(address).IsNone)
                throw Refusal.Conflict("requestedAddresses", $"{address} cannot be had: zone {zone.Name} has only {string.Join(" and ", zone.PrefixTexts)}.");
        }
        List<IpAddress> taken = [];
        foreach (IpPrefix prefix in zone.Prefixes)
        {
            IpAddress wanted = requested.FirstOrDefault(address => address.Size == prefix.Address.Size);
            List<IpAddress> present = store.List(
                $"""
                SELECT low FROM lease
                WHERE node = {node} AND kind <> 'child' AND status = 'held' AND low BETWEEN {First(prefix)} AND {Last(prefix)}
                ORDER BY created_at DESC
                """,
                row => row.Address(0));
            if (wanted.IsNone ? present.Count > 0 : present.Contains(wanted))
            {
                taken.Add(wanted.IsNone ? present[0] : wanted);
                continue;
            }
            if (!wanted.IsNone)
                CheckRequested(store, zone, prefix, node, wanted);
            IpAddress chosen = wanted.IsNone ? NextFree(store, zone, prefix, progress) : wanted;
            taken.Add(chosen);
            Insert(store, zone.Id, node, new IpPrefix(chosen, chosen.Size * 8), chosen.ToString(), wanted.IsNone ? "dynamic" : "requested");
        }
        return taken;
    }

    /// <summary>Gives back what a node has, and withdraws what it claims, but what is in <paramref name="kept"/>.</summary>
    /// <param name="store">The change.</param>
    /// <param name="node">The node.</param>
    /// <param name="kept">What it keeps: prefixes, and addresses as prefixes of full length.</param>
    /// <param name="retire">Whether the node has a certificate in force which may name it: then it stays the node's until there is another.</param>
    public static void ReleaseAllBut(StoreTransaction store, StoredNode node, IReadOnlyCollection<IpPrefix> kept, bool retire)
    {
        WithdrawAllBut(store, node.Id, kept);
        foreach ((byte[] low, IpPrefix held) in store.List(
            $"SELECT low, value FROM lease WHERE node = {node.Id} AND status = 'held'", row => (row.Bytes(0), IpPrefix.Parse(row.Text(1)))))
        {
            if (kept.Contains(held))
                continue;
            if (retire)
                store.Execute($"UPDATE lease SET status = 'retiring' WHERE node = {node.Id} AND low = {low}");
            else
                Release(store, node, low);
        }
        BoundQuarantine(store, node.Id);
    }

    /// <summary>Gives back what a node had for the sake of its former certificate alone.</summary>
    public static void ReleaseRetiring(StoreTransaction store, StoredNode node)
    {
        foreach (byte[] low in store.List($"SELECT low FROM lease WHERE node = {node.Id} AND status = 'retiring'", row => row.Bytes(0)))
            Release(store, node, low);
        BoundQuarantine(store, node.Id);
    }

    /// <summary>Gives back all that a node has, and withdraws all that it claims.</summary>
    /// <param name="store">The change.</param>
    /// <param name="node">The node as it was before it ended.</param>
    public static void ReleaseAll(StoreTransaction store, StoredNode node)
    {
        WithdrawAllBut(store, node.Id, []);
        foreach (byte[] low in store.List($"SELECT low FROM lease WHERE node = {node.Id} AND status <> 'quarantined'", row => row.Bytes(0)))
            Release(store, node, low);
    }

    /// <summary>What a node has and waits for.</summary>
    public static NodeLeases Of(StoreReader store, Guid node) =>
        NodeLeases.From(store.List(
            $"SELECT value, kind, status FROM lease WHERE node = {node} UNION ALL SELECT value, 'child', 'waiting' FROM claim WHERE node = {node}",
            row => (row.Text(0), row.Text(1), row.Text(2))));

    /// <summary>What every node has and waits for.</summary>
    public static IReadOnlyDictionary<Guid, NodeLeases> OfAll(StoreReader store) =>
        store.List(
            $"SELECT node, value, kind, status FROM lease UNION ALL SELECT node, value, 'child', 'waiting' FROM claim",
            row => (Node: row.Guid(0), Lease: (row.Text(1), row.Text(2), row.Text(3))))
            .GroupBy(one => one.Node, one => one.Lease)
            .ToDictionary(group => group.Key, NodeLeases.From);

    /// <summary>
    /// The network behind a node that an address is in, and the node's name; null for none. What waits for approval counts for none.
    /// </summary>
    /// <param name="store">The store.</param>
    /// <param name="zone">The zone.</param>
    /// <param name="address">The address.</param>
    /// <param name="except">A node whose networks do not matter.</param>
    public static (IpPrefix Prefix, string Node)? TryFindChildPrefix(StoreReader store, Guid zone, IpAddress address, Guid except) =>
        store.List(
        $"""
        SELECT lease.value, node.name FROM lease JOIN node ON node.id = lease.node
        WHERE lease.zone = {zone} AND lease.low <= {address} AND lease.high >= {address} AND lease.kind = 'child'
            AND lease.status IN ('held', 'retiring') AND lease.node <> {except}
        """,
        row => ((IpPrefix, string)?)(IpPrefix.Parse(row.Text(0)), row.Text(1))).FirstOrDefault();

    /// <summary>All leases of a zone, or of all zones.</summary>
    public static IReadOnlyList<Lease> List(StoreReader store, Guid? zone) => store.List(
        $"""
        SELECT lease.zone, zone.name, lease.value, lease.kind, lease.status, lease.node, node.name, lease.created_at, lease.held_until
        FROM (
            SELECT zone, low, value, kind, status, node, created_at, held_until FROM lease
            UNION ALL
            SELECT zone, low, value, 'child', 'waiting', node, created_at, NULL FROM claim
        ) AS lease JOIN zone ON zone.id = lease.zone JOIN node ON node.id = lease.node
        WHERE (lease.zone = {zone} OR {zone} IS NULL) AND (lease.status <> 'quarantined' OR lease.held_until > {store.Now})
        ORDER BY zone.name, lease.low, lease.status, lease.created_at
        """,
        row => new Lease
        {
            ZoneId = row.Guid(0),
            ZoneName = row.Text(1),
            Value = row.Text(2),
            Kind = row.Text(3),
            Status = row.Text(4),
            NodeId = row.Guid(5),
            NodeName = row.Text(6),
            CreatedAt = row.Time(7),
            QuarantinedUntil = row.OptionalTime(8),
        });

    /// <summary>Ends a quarantine early.</summary>
    /// <exception cref="Refusal">There is no such lease, or a node has it.</exception>
    public static void EndQuarantine(StoreTransaction store, Actor actor, StoredZone zone, string value)
    {
        Holder holder = store.First(
            $"""
            SELECT lease.node, node.name, lease.value, lease.status, lease.held_until FROM lease JOIN node ON node.id = lease.node
            WHERE lease.zone = {zone.Id} AND lease.value = {value}
            """,
            ReadHolder) ?? throw Refusal.NotFound($"Nobody has, or lately had, {Values.Show(value)} in zone {zone.Name}: 'kedge lease list' shows all.");
        if (holder.Status != "quarantined")
            throw Refusal.Conflict($"{holder.Describe()}: only what is in quarantine can be set free. Remove the node to end its leases.");
        store.Execute($"DELETE FROM lease WHERE zone = {zone.Id} AND value = {value}");
        store.Audit(actor, "lease.free", value, zone.Id, $"{value}, which {holder.Name} had, before its quarantine was over");
    }

    /// <summary>Forgets quarantines that are over, and shortens those that a clock which ran ahead made too long.</summary>
    public static void Tidy(StoreTransaction store)
    {
        DateTimeOffset longest = store.Now + Quarantine;
        store.Execute($"DELETE FROM lease WHERE status = 'quarantined' AND held_until <= {store.Now}");
        store.Execute($"UPDATE lease SET held_until = {longest} WHERE status = 'quarantined' AND held_until > {longest}");
    }

    private static IpAddress First(IpPrefix prefix) => prefix.Address;

    private static IpAddress Last(IpPrefix prefix) => AddressKey.FromNumber(AddressKey.Last(prefix));

    /// <summary>The first and last address that a node may have: not the network's own, nor the one that means all of it.</summary>
    private static (UInt128 First, UInt128 Last) Usable(IpPrefix prefix)
    {
        (UInt128 first, UInt128 last) = (AddressKey.First(prefix), AddressKey.Last(prefix));
        return prefix.Address.IsIPv4 ? (first + 1, last - 1) : (first + 1, last); // RFC 4291 section 2.6.1: all zeros is the routers' anycast
    }

    private static void CheckRequested(StoreTransaction store, StoredZone zone, IpPrefix prefix, Guid node, IpAddress wanted)
    {
        if (!prefix.Contains(wanted))
            throw Refusal.Conflict("requestedAddresses", $"{wanted} is outside {prefix}, from which zone {zone.Name} takes its addresses.");
        (UInt128 first, UInt128 last) = Usable(prefix);
        if (AddressKey.ToNumber(wanted) < first || AddressKey.ToNumber(wanted) > last)
        {
            throw Refusal.Conflict(
                "requestedAddresses",
                $"{wanted} cannot be a node's: {AddressKey.FromNumber(first)} to {AddressKey.FromNumber(last)} of {prefix} can.");
        }
        if (OverlapOfOthers(store, zone.Id, node, new IpPrefix(wanted, wanted.Size * 8)) is { } other)
            throw Refusal.Conflict("requestedAddresses", $"{wanted} is not free: {other.Describe()}. Request another, or none to get the next free one.");
    }

    /// <summary>Gives back one lease: into quarantine if it may be in somebody's map, otherwise it is free at once.</summary>
    private static void Release(StoreTransaction store, StoredNode node, byte[] low)
    {
        if (node.Certificate is null)
            store.Execute($"DELETE FROM lease WHERE node = {node.Id} AND low = {low}");
        else
            store.Execute(
                $"""
                UPDATE lease SET status = 'quarantined', held_until = {store.Now + Quarantine}, released_revision = {store.Revision + 1}
                WHERE node = {node.Id} AND low = {low}
                """);
    }

    /// <summary>
    /// Ends the quarantine of what a node held only briefly, and which hardly anybody has in a map therefore: a node that goes through address
    /// after address does not use up the zone.
    /// </summary>
    private static void BoundQuarantine(StoreTransaction store, Guid node)
    {
        (byte[] Low, bool IsChild, bool IsIPv4)[] longest = [.. store.List(
            $"SELECT low, kind = 'child' FROM lease WHERE node = {node} AND status = 'quarantined' ORDER BY held_until - created_at DESC, low",
            row => (row.Bytes(0), row.Flag(1), row.Address(0).IsIPv4))];
        IEnumerable<(byte[] Low, bool IsChild, bool IsIPv4)> lapsing =
        [
            .. longest.Where(one => one.IsChild).Skip(MostQuarantinedPrefixes),
            .. longest.Where(one => !one.IsChild && one.IsIPv4).Skip(1),
            .. longest.Where(one => !one.IsChild && !one.IsIPv4).Skip(1),
        ];
        foreach ((byte[] low, _, _) in lapsing)
            store.Execute($"DELETE FROM lease WHERE node = {node} AND low = {low} AND status = 'quarantined'");
    }

    private static IpAddress NextFree(StoreTransaction store, StoredZone zone, IpPrefix prefix, Func<ZoneProgress> progress)
    {
        bool ipv4 = prefix.Address.IsIPv4;
        (UInt128 first, UInt128 last) = Usable(prefix);
        byte[]? next = store.First(
            ipv4 ? (Sql)$"SELECT next_ipv4 FROM zone WHERE id = {zone.Id} AND next_ipv4 IS NOT NULL" : $"SELECT next_ipv6 FROM zone WHERE id = {zone.Id} AND next_ipv6 IS NOT NULL",
            row => row.Bytes(0));
        UInt128 hint = next is null ? first : UInt128.Clamp(AddressKey.ToNumber(AddressKey.ToAddress(next)), first, last);
        if (!TryFindGap(store, zone.Id, hint, last, out UInt128 found) && (hint == first || !TryFindGap(store, zone.Id, first, hint - 1, out found)))
            return TryReuse(store, zone.Id, first, last, progress()) ?? throw Full(store, zone, prefix);
        IpAddress following = AddressKey.FromNumber(found == last ? first : found + 1);
        store.Execute(
            ipv4 ? $"UPDATE zone SET next_ipv4 = {following} WHERE id = {zone.Id}" : (Sql)$"UPDATE zone SET next_ipv6 = {following} WHERE id = {zone.Id}");
        return AddressKey.FromNumber(found);
    }

    /// <summary>Finds the first number of a range that no row covers, by walking along the rows until one is missing.</summary>
    private static bool TryFindGap(StoreTransaction store, Guid zone, UInt128 from, UInt128 to, out UInt128 found)
    {
        UInt128 candidate = from;
        store.Each(
            $"""
            SELECT low FROM lease
            WHERE zone = {zone} AND low BETWEEN {AddressKey.FromNumber(from)} AND {AddressKey.FromNumber(to)}
              AND NOT (status = 'quarantined' AND held_until <= {store.Now})
            ORDER BY low
            """,
            row =>
            {
                bool taken = AddressKey.ToNumber(row.Address(0)) == candidate;
                if (taken)
                    candidate++;
                return taken;
            });
        found = candidate;
        return candidate <= to;
    }

    /// <summary>The address that has been in quarantine longest of those that are in no current node's map, as far as is known; null for none.</summary>
    private static IpAddress? TryReuse(StoreTransaction store, Guid zone, UInt128 first, UInt128 last, ZoneProgress progress)
    {
        List<IpAddress> longest = store.List(
            $"""
            SELECT low FROM lease
            WHERE zone = {zone} AND low BETWEEN {AddressKey.FromNumber(first)} AND {AddressKey.FromNumber(last)} AND status = 'quarantined'
                AND (COALESCE(released_revision, 0) <= {progress.All}
                    OR (COALESCE(released_revision, 0) <= {progress.Connected} AND held_until <= {store.Now + Quarantine - DisconnectedPatience}))
            ORDER BY held_until, low LIMIT 1
            """,
            row => row.Address(0));
        return longest.Count == 0 ? null : longest[0];
    }

    private static Refusal Full(StoreTransaction store, StoredZone zone, IpPrefix prefix)
    {
        string? until = store.First(
            $"""
            SELECT MIN(held_until) FROM lease
            WHERE zone = {zone.Id} AND status = 'quarantined' AND low BETWEEN {First(prefix)} AND {Last(prefix)} HAVING COUNT(*) > 0
            """,
            row => row.Time(0).ToString("u"));
        string wait = until is null
            ? ""
            : $" Those in quarantine may still be in the maps of nodes that have not been heard of since: the first is free at {until}, or by 'kedge lease free'.";
        return Refusal.Conflict($"Zone {zone.Name} is full: every address of {prefix} is taken.{wait} Remove nodes that are gone, or use another zone.");
    }

    private static void Insert(StoreTransaction store, Guid zone, Guid node, IpPrefix block, string value, string kind) =>
        store.Execute(
            $"""
            INSERT INTO lease (zone, low, high, value, kind, status, node, created_at)
            VALUES ({zone}, {First(block)}, {Last(block)}, {value}, {kind}, 'held', {node}, {store.Now})
            ON CONFLICT (zone, low) DO UPDATE SET high = excluded.high, value = excluded.value, kind = excluded.kind, status = excluded.status,
                node = excluded.node, created_at = excluded.created_at, held_until = NULL, released_revision = NULL
            """);

    private static Holder ReadHolder(Row row) => new(row.Guid(0), row.Text(1), row.Text(2), row.Text(3), row.OptionalTime(4));

    /// <summary>Who has a lease.</summary>
    private sealed record Holder(Guid Node, string Name, string Value, string Status, DateTimeOffset? HeldUntil)
    {
        public string Describe() => Status == "quarantined"
            ? $"{Value} was {Name}'s and is kept in quarantine until {HeldUntil:u}"
            : $"node {Name} has {Value}";
    }
}
