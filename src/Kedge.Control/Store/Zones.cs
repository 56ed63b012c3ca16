using System.Security.Cryptography;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;

namespace Kedge.Control.Store;

/// <summary>A zone as it is stored.</summary>
/// <param name="Id">Its identifier.</param>
/// <param name="Name">Its name.</param>
/// <param name="Prefixes">What its addresses are taken from, at most one a family, IPv4 first.</param>
internal sealed record StoredZone(Guid Id, string Name, IReadOnlyList<IpPrefix> Prefixes)
{
    /// <summary>The prefix of an address's family; none where the zone has no such family.</summary>
    public IpPrefix PrefixFor(IpAddress address) => Prefixes.FirstOrDefault(prefix => prefix.Address.Size == address.Size);

    /// <summary>The prefixes as text.</summary>
    public IReadOnlyList<string> PrefixTexts => [.. Prefixes.Select(prefix => prefix.ToString())];
}

/// <summary>The zones of the network.</summary>
internal static class Zones
{
    /// <summary>The zone that exists from the start.</summary>
    public const string Default = "default";

    private const string DefaultIPv4 = "10.200.0.0/20";

    /// <summary>Makes the zone that exists from the start, in a store without any change: its IPv6 prefix is random (RFC 4193 section 3.2).</summary>
    public static void CreateDefault(StoreTransaction store)
    {
        if (store.Revision > 0)
            return;
        Span<byte> address = stackalloc byte[16];
        address[0] = 0xFD;
        RandomNumberGenerator.Fill(address[1..8]);
        Create(store, Actor.Controller, Default, "", [IpPrefix.Parse(DefaultIPv4), new IpPrefix(IpAddress.FromBytes(address), 64)]);
    }

    /// <summary>All zones, by name.</summary>
    public static IReadOnlyList<Zone> List(StoreReader store) => store.List(
        $"""
        SELECT id, name, description, ipv4, ipv6, created_at,
               (SELECT COUNT(*) FROM node WHERE node.zone = zone.id AND node.status IN ('pending', 'active'))
        FROM zone ORDER BY name
        """,
        ReadZone);

    /// <summary>One zone as an administrator sees it.</summary>
    public static Zone Show(StoreReader store, Guid zone) => store.First(
        $"""
        SELECT id, name, description, ipv4, ipv6, created_at,
               (SELECT COUNT(*) FROM node WHERE node.zone = zone.id AND node.status IN ('pending', 'active'))
        FROM zone WHERE id = {zone}
        """,
        ReadZone)!;

    /// <summary>Finds a zone by its name or identifier; null where there is none.</summary>
    public static StoredZone? TryFind(StoreReader store, string nameOrId) => store.First(
        $"SELECT id, name, ipv4, ipv6 FROM zone WHERE name = {nameOrId} OR id = {(Guid.TryParse(nameOrId, out Guid id) ? id : null)}",
        row => new StoredZone(row.Guid(0), row.Text(1), ReadPrefixes(row, 2)));

    /// <summary>Finds a zone by its name or identifier.</summary>
    /// <exception cref="Refusal">There is none: 404.</exception>
    public static StoredZone Find(StoreReader store, string nameOrId) =>
        TryFind(store, nameOrId) ?? throw Refusal.NotFound($"There is no zone {Values.Show(nameOrId)}: 'kedge zone list' shows all.");

    /// <inheritdoc cref="Find(StoreReader, string)"/>
    public static StoredZone Find(StoreReader store, Guid id) => Find(store, id.ToString());

    /// <summary>Makes a zone.</summary>
    /// <exception cref="Refusal">The name is taken.</exception>
    public static Guid Create(StoreTransaction store, Actor actor, string name, string description, IReadOnlyList<IpPrefix> prefixes)
    {
        CheckName(store, name, except: Guid.Empty);
        Guid id = Guid.NewGuid();
        string? ipv4 = TextOf(prefixes, 4);
        string? ipv6 = TextOf(prefixes, 16);
        store.Execute(
            $"""
            INSERT INTO zone (id, name, description, ipv4, ipv6, created_at) VALUES ({id}, {name}, {description}, {ipv4}, {ipv6}, {store.Now})
            """);
        store.Change(id, MapSubject.Zone, id);
        store.Audit(actor, "zone.create", id.ToString(), id, $"zone {name} with {string.Join(" and ", new[] { ipv4, ipv6 }.OfType<string>())}");
        return id;
    }

    /// <summary>Changes a zone's name or description; null leaves it.</summary>
    /// <exception cref="Refusal">The name is taken.</exception>
    public static void Update(StoreTransaction store, Actor actor, StoredZone zone, string? name, string? description)
    {
        if (name is not null && name != zone.Name)
        {
            CheckName(store, name, except: zone.Id);
            store.Execute($"UPDATE zone SET name = {name} WHERE id = {zone.Id}");
            store.Change(zone.Id, MapSubject.Zone, zone.Id);
            store.Audit(actor, "zone.rename", zone.Id.ToString(), zone.Id, $"zone {zone.Name} is now {name}");
        }
        if (description is not null && store.Execute($"UPDATE zone SET description = {description} WHERE id = {zone.Id} AND description <> {description}") > 0)
            store.Audit(actor, "zone.describe", zone.Id.ToString(), zone.Id, $"description of zone {name ?? zone.Name}: {description}");
    }

    /// <summary>Removes a zone in which no node is any more, with its tokens and leases.</summary>
    public static void Delete(StoreTransaction store, Actor actor, StoredZone zone)
    {
        store.Execute($"DELETE FROM claim WHERE zone = {zone.Id}");
        store.Execute($"DELETE FROM lease WHERE zone = {zone.Id}");
        store.Execute($"DELETE FROM token WHERE zone = {zone.Id}");
        store.Execute($"DELETE FROM zone WHERE id = {zone.Id}");
        store.Change(zone.Id, MapSubject.Zone, zone.Id, removed: true);
        store.Audit(actor, "zone.delete", zone.Id.ToString(), zone.Id, $"zone {zone.Name}");
    }

    private static void CheckName(StoreReader store, string name, Guid except)
    {
        if (store.Number($"SELECT COUNT(*) FROM zone WHERE name = {name} AND id <> {except}") > 0)
            throw Refusal.Conflict("name", $"There is a zone {Values.Show(name)} already: choose another name.");
    }

    private static Zone ReadZone(Row row) => new()
    {
        Id = row.Guid(0),
        Name = row.Text(1),
        Description = row.Text(2),
        Prefixes = [.. ReadPrefixes(row, 3).Select(prefix => prefix.ToString())],
        CreatedAt = row.Time(5),
        Nodes = (int)row.Number(6),
    };

    private static IReadOnlyList<IpPrefix> ReadPrefixes(Row row, int column) =>
        [.. new[] { row.OptionalText(column), row.OptionalText(column + 1) }.OfType<string>().Select(text => IpPrefix.Parse(text))];

    private static string? TextOf(IReadOnlyList<IpPrefix> prefixes, int size) =>
        prefixes.Where(prefix => prefix.Address.Size == size).Select(prefix => prefix.ToString()).FirstOrDefault();
}
