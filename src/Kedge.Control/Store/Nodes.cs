using System.Security.Cryptography;
using Kedge.Protocol.WireGuard;

namespace Kedge.Control.Store;

/// <summary>A node as it is stored: what it wants to be, and the certificate of what it is.</summary>
internal sealed record StoredNode
{
    public const string Pending = "pending", Active = "active", Removed = "removed", Left = "left";

    public const string Kedge = "kedge", WireGuard = "wireguard";

    public required Guid Id { get; init; }

    public required Guid Zone { get; init; }

    public required string Name { get; init; }

    /// <summary>
    /// The name that it asked for last; null for one that never asked. <see cref="Name"/> is another one where an administrator has renamed it
    /// since.
    /// </summary>
    public string? AskedName { get; init; }

    /// <summary><see cref="Kedge"/> or <see cref="WireGuard"/>.</summary>
    public required string Kind { get; init; }

    /// <summary>
    /// <see cref="Pending"/>, <see cref="Active"/>, <see cref="Removed"/> (its identity key is refused from then on) or <see cref="Left"/>
    /// (it may come back with another token).
    /// </summary>
    public required string Status { get; init; }

    /// <summary>The SubjectPublicKeyInfo of its identity key, DER; null for a stock WireGuard peer.</summary>
    public byte[]? IdentityKey { get; init; }

    public required PublicKey WireGuardKey { get; init; }

    public byte[]? RosenpassHash { get; init; }

    /// <summary>The identity key's signature of its keys, base64, as the node handed it in; nobody here has checked it.</summary>
    public string? KeysSignature { get; init; }

    /// <summary>The proof of a node that was invited, base64, as the node handed it in; nobody here can check it.</summary>
    public string? InvitationProof { get; init; }

    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Child prefixes inside these need no approval.</summary>
    public IReadOnlyList<string> AllowedPrefixes { get; init; } = [];

    public bool Ephemeral { get; init; }

    public string? FixedEndpoint { get; init; }

    /// <summary>The identifier of the token that it joined with.</summary>
    public string? Token { get; init; }

    /// <summary>Its certificate, DER; null before the first, and after its end.</summary>
    public byte[]? Certificate { get; init; }

    public DateTimeOffset? CertificateFrom { get; init; }

    public DateTimeOffset? CertificateTo { get; init; }

    /// <summary>In a locked network: whether it has asked for another certificate.</summary>
    public bool RenewalWanted { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? SeenAt { get; init; }

    /// <summary>Whether it is one of the network's: active or pending.</summary>
    public bool IsMember => Status is Pending or Active;
}

/// <summary>The nodes of the network. Finds and keeps them; who may do what is decided elsewhere.</summary>
internal static class Nodes
{
    private static readonly SqlText Columns = new(
        """
        id, zone, name, kind, status, identity_key, wireguard_key, rosenpass_hash, tags, allowed_prefixes, ephemeral, fixed_endpoint, token,
        certificate, certificate_from, certificate_to, renewal_wanted, created_at, seen_at, keys_signature, asked_name, invitation_proof
        """);

    /// <summary>A member by its identifier; null where there is none.</summary>
    public static StoredNode? TryFind(StoreReader store, Guid id) =>
        store.First($"SELECT {Columns} FROM node WHERE id = {id} AND status IN ('pending', 'active')", Read);

    /// <summary>A member by its identifier or, where only one of all zones or of the given one has it, by its name.</summary>
    /// <exception cref="Refusal">There is none, or there are several.</exception>
    public static StoredNode Find(StoreReader store, string nameOrId, StoredZone? zone)
    {
        List<StoredNode> found = store.List(
            $"""
            SELECT {Columns} FROM node
            WHERE (name = {nameOrId} OR id = {(Guid.TryParse(nameOrId, out Guid id) ? id : null)}) AND (zone = {zone?.Id} OR {zone?.Id} IS NULL)
              AND status IN ('pending', 'active')
            LIMIT 2
            """,
            Read);
        return found switch
        {
            [var node] => node,
            [] => throw Refusal.NotFound($"There is no node {Values.Show(nameOrId)}{(zone is null ? "" : $" in zone {zone.Name}")}: 'kedge node list' shows all."),
            _ => throw Refusal.Conflict($"Several zones have a node {Values.Show(nameOrId)}: name the zone too, or the node's identifier."),
        };
    }

    /// <summary>The node with an identity key, also one that was removed; null where there is none, or it left.</summary>
    public static StoredNode? TryFindByIdentity(StoreReader store, ReadOnlySpan<byte> identityKey) =>
        TryFindByIdentityHash(store, SHA256.HashData(identityKey));

    /// <inheritdoc cref="TryFindByIdentity"/>
    /// <param name="store">The store.</param>
    /// <param name="hash">The SHA-256 of its SubjectPublicKeyInfo.</param>
    public static StoredNode? TryFindByIdentityHash(StoreReader store, byte[] hash) =>
        store.First($"SELECT {Columns} FROM node WHERE identity_hash = {hash} AND status <> 'left'", Read);

    /// <summary>The member with a WireGuard key; null where there is none.</summary>
    public static StoredNode? TryFindByWireGuardKey(StoreReader store, PublicKey key) =>
        store.First($"SELECT {Columns} FROM node WHERE wireguard_key = {key.ToArray()} AND status IN ('pending', 'active')", Read);

    /// <summary>The members of a zone, or of all, by name.</summary>
    public static List<StoredNode> List(StoreReader store, Guid? zone) => store.List(
        $"""
        SELECT {Columns} FROM node WHERE (zone = {zone} OR {zone} IS NULL) AND status IN ('pending', 'active') ORDER BY name, id
        """,
        Read);

    /// <summary>The active stock WireGuard peers of all zones.</summary>
    public static List<StoredNode> ListStockPeers(StoreReader store) =>
        store.List($"SELECT {Columns} FROM node WHERE kind = 'wireguard' AND status = 'active'", Read);

    /// <summary>Whether another member of the zone has a name.</summary>
    public static bool IsNameTaken(StoreReader store, Guid zone, string name, Guid except) => store.Number(
        $"SELECT COUNT(*) FROM node WHERE zone = {zone} AND name = {name} AND id <> {except} AND status IN ('pending', 'active')") > 0;

    /// <summary>The names of a zone's members that begin with a text.</summary>
    public static IReadOnlySet<string> NamesFrom(StoreReader store, Guid zone, string stem)
    {
        const string AboveAll = "~"; // in ASCII, of what a name may have
        return store.List(
            $"SELECT name FROM node WHERE zone = {zone} AND name BETWEEN {stem} AND {stem + AboveAll} AND status IN ('pending', 'active')",
            row => row.Text(0)).ToHashSet();
    }

    /// <summary>Puts a node down, in place of what was there under its identifier.</summary>
    /// <param name="store">The change.</param>
    /// <param name="node">The node.</param>
    /// <param name="revision">The revision at which others see it so; null where this is nothing to them.</param>
    public static void Save(StoreTransaction store, StoredNode node, long? revision) => store.Execute(
        $"""
        INSERT INTO node (
            id, zone, name, kind, status, identity_key, identity_hash, wireguard_key, rosenpass_hash, tags, allowed_prefixes, ephemeral,
            fixed_endpoint, token, certificate, certificate_from, certificate_to, renewal_wanted, created_at, seen_at,
            keys_signature, asked_name, invitation_proof, revision)
        VALUES (
            {node.Id}, {node.Zone}, {node.Name}, {node.Kind}, {node.Status}, {node.IdentityKey},
            {(node.IdentityKey is null ? null : SHA256.HashData(node.IdentityKey))}, {node.WireGuardKey.ToArray()}, {node.RosenpassHash},
            {node.Tags}, {node.AllowedPrefixes}, {node.Ephemeral}, {node.FixedEndpoint}, {node.Token}, {node.Certificate},
            {node.CertificateFrom}, {node.CertificateTo}, {node.RenewalWanted}, {node.CreatedAt}, {node.SeenAt},
            {node.KeysSignature}, {node.AskedName}, {node.InvitationProof}, {revision ?? 0})
        ON CONFLICT (id) DO UPDATE SET
            name = excluded.name, kind = excluded.kind, status = excluded.status, identity_key = excluded.identity_key,
            identity_hash = excluded.identity_hash, wireguard_key = excluded.wireguard_key, rosenpass_hash = excluded.rosenpass_hash,
            tags = excluded.tags, allowed_prefixes = excluded.allowed_prefixes, ephemeral = excluded.ephemeral,
            fixed_endpoint = excluded.fixed_endpoint, token = excluded.token, certificate = excluded.certificate,
            certificate_from = excluded.certificate_from, certificate_to = excluded.certificate_to,
            renewal_wanted = excluded.renewal_wanted, seen_at = excluded.seen_at, keys_signature = excluded.keys_signature,
            asked_name = excluded.asked_name, invitation_proof = excluded.invitation_proof,
            revision = CASE WHEN {revision} IS NULL THEN node.revision ELSE excluded.revision END
        """);

    /// <summary>Puts a change of an active node before the others.</summary>
    public static void SaveAndTell(StoreTransaction store, StoredNode node) =>
        Save(store, node, store.Change(node.Zone, MapSubject.Node, node.Id, removed: node.Status != StoredNode.Active));

    /// <summary>Notes when nodes were last heard of. Nobody else is told.</summary>
    public static void SaveSeen(StoreTransaction store, IEnumerable<(Guid Node, DateTimeOffset At)> seen)
    {
        foreach ((Guid node, DateTimeOffset at) in seen)
            store.Execute($"UPDATE node SET seen_at = {at} WHERE id = {node}");
    }

    /// <summary>Forgets nodes that left and have no address in quarantine any more.</summary>
    public static void Tidy(StoreTransaction store) =>
        store.Execute($"DELETE FROM node WHERE status = 'left' AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.node = node.id)");

    private static StoredNode Read(Row row) => new()
    {
        Id = row.Guid(0),
        Zone = row.Guid(1),
        Name = row.Text(2),
        Kind = row.Text(3),
        Status = row.Text(4),
        IdentityKey = row.OptionalBytes(5),
        WireGuardKey = PublicKey.FromBytes(row.Bytes(6)),
        RosenpassHash = row.OptionalBytes(7),
        Tags = row.List(8),
        AllowedPrefixes = row.List(9),
        Ephemeral = row.Flag(10),
        FixedEndpoint = row.OptionalText(11),
        Token = row.OptionalText(12),
        Certificate = row.OptionalBytes(13),
        CertificateFrom = row.OptionalTime(14),
        CertificateTo = row.OptionalTime(15),
        RenewalWanted = row.Flag(16),
        CreatedAt = row.Time(17),
        SeenAt = row.OptionalTime(18),
        KeysSignature = row.OptionalText(19),
        AskedName = row.OptionalText(20),
        InvitationProof = row.OptionalText(21),
    };
}
