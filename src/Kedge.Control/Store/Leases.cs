using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;

namespace Kedge.Control.Store;

/// <summary>
/// Who has which address, and which child prefix: address management. It runs inside changes, one after the other, so two never choose the
/// same. What is given back stays in quarantine for a while, because cached maps may still route it to its former node; only that
/// node gets it back earlier.
/// </summary>
internal static class Leases
{
    /// <summary>How long nobody else gets what was given back.</summary>
    public static readonly TimeSpan Quarantine = TimeSpan.FromHours(24);

    /// <summary>Sees to it that a node has one address in each family of its zone, and the requested ones if any.</summary>
    /// <param name="store">The change.</param>
    /// <param name="zone">The node's zone.</param>
    /// <param name="node">The node.</param>
    /// <param name="requested">At most one address a family.</param>
    /// <returns>The node's addresses, IPv4 first. What it had before and is not among them is still its own.</returns>
    /// <exception cref="Refusal">A requested address is not to be had, or none is left.</exception>
    public static IReadOnlyList<IpAddress> TakeAddresses(StoreTransaction store, StoredZone zone, Guid node, IReadOnlyList<IpAddress> requested)
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
            IpAddress chosen = wanted.IsNone ? NextFree(store, zone, prefix) : wanted;
            taken.Add(chosen);
            Insert(store, zone, node, new IpPrefix(chosen, chosen.Size * 8), chosen.ToString(), wanted.IsNone ? "dynamic" : "requested", "held");
        }
        return taken;
    }

    /// <summary>Puts down the prefixes behind a node: held where they are approved, waiting where they are not.</summary>
    /// <exception cref="Refusal">One overlaps what somebody else has.</exception>
    public static void TakeChildPrefixes(
        StoreTransaction store, StoredZone zone, Guid node, IReadOnlyList<IpPrefix> prefixes, Func<IpPrefix, bool> isApproved)
    {
        foreach (IpPrefix prefix in prefixes)
        {
            if (zone.Prefixes.FirstOrDefault(own => AddressRules.Overlap(own, prefix)) is { IsNone: false } own)
                throw Refusal.Conflict("childPrefixes", $"{prefix} overlaps {own}, from which zone {zone.Name} takes its own addresses: announce another prefix.");
            Holder? other = Overlapping(store, zone.Id, prefix);
            if (other is { } mine && mine.Node == node && mine.Value == prefix.ToString() && mine.Status is "held" or "waiting")
                continue;
            if (other is not null && other.Node != node)
                throw Refusal.Conflict("childPrefixes", $"{prefix} overlaps {other.Describe()}: prefixes of a zone must not overlap.");
            // What is left of the node's own earlier prefixes gives way.
            store.Execute(
                $"DELETE FROM lease WHERE zone = {zone.Id} AND node = {node} AND kind = 'child' AND low <= {Last(prefix)} AND high >= {First(prefix)}");
            if (Overlapping(store, zone.Id, prefix) is { } third)
                throw Refusal.Conflict("childPrefixes", $"{prefix} overlaps {third.Describe()}: prefixes of a zone must not overlap.");
            Insert(store, zone, node, prefix, prefix.ToString(), "child", isApproved(prefix) ? "held" : "waiting");
        }
    }

    /// <summary>Approves all prefixes that a node waits for.</summary>
    public static int Approve(StoreTransaction store, Guid node) =>
        store.Execute($"UPDATE lease SET status = 'held' WHERE node = {node} AND status = 'waiting'");

    /// <summary>Gives back what a node has and is not in <paramref name="kept"/>: into quarantine.</summary>
    /// <param name="store">The change.</param>
    /// <param name="node">The node.</param>
    /// <param name="kept">What it keeps: prefixes, and addresses as prefixes of full length.</param>
    /// <param name="retire">Whether the node has a certificate in force which may name it: then it stays the node's until there is another.</param>
    public static void ReleaseAllBut(StoreTransaction store, Guid node, IReadOnlyCollection<IpPrefix> kept, bool retire)
    {
        foreach ((byte[] low, IpPrefix held) in store.List(
            $"SELECT low, value FROM lease WHERE node = {node} AND status IN ('held', 'waiting')", row => (row.Bytes(0), IpPrefix.Parse(row.Text(1)))))
        {
            if (kept.Contains(held))
                continue;
            if (retire)
                store.Execute($"UPDATE lease SET status = 'retiring' WHERE node = {node} AND low = {low}");
            else
                store.Execute($"UPDATE lease SET status = 'quarantined', held_until = {store.Now + Quarantine} WHERE node = {node} AND low = {low}");
        }
    }

    /// <summary>Gives back what a node had for the sake of its former certificate alone: into quarantine.</summary>
    public static void ReleaseRetiring(StoreTransaction store, Guid node) => store.Execute(
        $"UPDATE lease SET status = 'quarantined', held_until = {store.Now + Quarantine} WHERE node = {node} AND status = 'retiring'");

    /// <summary>Gives back all that a node has: into quarantine.</summary>
    public static void ReleaseAll(StoreTransaction store, Guid node) => store.Execute(
        $"UPDATE lease SET status = 'quarantined', held_until = {store.Now + Quarantine} WHERE node = {node} AND status <> 'quarantined'");

    /// <summary>What a node has and waits for.</summary>
    public static NodeLeases Of(StoreReader store, Guid node) =>
        NodeLeases.From(store.List($"SELECT value, kind, status FROM lease WHERE node = {node}", row => (row.Text(0), row.Text(1), row.Text(2))));

    /// <summary>What every node has and waits for.</summary>
    public static IReadOnlyDictionary<Guid, NodeLeases> OfAll(StoreReader store) =>
        store.List($"SELECT node, value, kind, status FROM lease", row => (Node: row.Guid(0), Lease: (row.Text(1), row.Text(2), row.Text(3))))
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
        FROM lease JOIN zone ON zone.id = lease.zone JOIN node ON node.id = lease.node
        WHERE (lease.zone = {zone} OR {zone} IS NULL) AND (lease.status <> 'quarantined' OR lease.held_until > {store.Now})
        ORDER BY zone.name, lease.low
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
        if (Overlapping(store, zone.Id, new IpPrefix(wanted, wanted.Size * 8)) is { } other && other.Node != node)
            throw Refusal.Conflict("requestedAddresses", $"{wanted} is not free: {other.Describe()}. Request another, or none to get the next free one.");
    }

    private static IpAddress NextFree(StoreTransaction store, StoredZone zone, IpPrefix prefix)
    {
        bool ipv4 = prefix.Address.IsIPv4;
        (UInt128 first, UInt128 last) = Usable(prefix);
        byte[]? next = store.First(
            ipv4 ? (Sql)$"SELECT next_ipv4 FROM zone WHERE id = {zone.Id} AND next_ipv4 IS NOT NULL" : $"SELECT next_ipv6 FROM zone WHERE id = {zone.Id} AND next_ipv6 IS NOT NULL",
            row => row.Bytes(0));
        UInt128 hint = next is null ? first : UInt128.Clamp(AddressKey.ToNumber(AddressKey.ToAddress(next)), first, last);
        if (!TryFindGap(store, zone.Id, hint, last, out UInt128 found) && (hint == first || !TryFindGap(store, zone.Id, first, hint - 1, out found)))
            throw Full(store, zone, prefix);
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

    private static Refusal Full(StoreTransaction store, StoredZone zone, IpPrefix prefix)
    {
        string? until = store.First(
            $"""
            SELECT MIN(held_until) FROM lease
            WHERE zone = {zone.Id} AND status = 'quarantined' AND low BETWEEN {First(prefix)} AND {Last(prefix)} HAVING COUNT(*) > 0
            """,
            row => row.Time(0).ToString("u"));
        string wait = until is null ? "" : $" The first in quarantine is free at {until}; 'kedge lease list' shows which.";
        return Refusal.Conflict($"Zone {zone.Name} is full: every address of {prefix} is taken.{wait} Remove nodes that are gone, or use another zone.");
    }

    /// <summary>The lease with which a block has an address in common; no two rows overlap, so it is the last that begins before its end.</summary>
    private static Holder? Overlapping(StoreTransaction store, Guid zone, IpPrefix prefix)
    {
        store.Execute(
            $"""
            DELETE FROM lease WHERE zone = {zone} AND low <= {Last(prefix)} AND high >= {First(prefix)} AND status = 'quarantined' AND held_until <= {store.Now}
            """);
        return store.First(
            $"""
            SELECT lease.node, node.name, lease.value, lease.status, lease.held_until
            FROM (SELECT * FROM lease WHERE zone = {zone} AND low <= {Last(prefix)} ORDER BY low DESC LIMIT 1) AS lease
            JOIN node ON node.id = lease.node
            WHERE lease.high >= {First(prefix)}
            """,
            ReadHolder);
    }

    private static void Insert(StoreTransaction store, StoredZone zone, Guid node, IpPrefix block, string value, string kind, string status) =>
        store.Execute(
            $"""
            INSERT INTO lease (zone, low, high, value, kind, status, node, created_at)
            VALUES ({zone.Id}, {First(block)}, {Last(block)}, {value}, {kind}, {status}, {node}, {store.Now})
            ON CONFLICT (zone, low) DO UPDATE SET high = excluded.high, value = excluded.value, kind = excluded.kind, status = excluded.status,
                node = excluded.node, created_at = excluded.created_at, held_until = NULL
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
