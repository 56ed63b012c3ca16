using Kedge.Protocol;

namespace Kedge.Control.Store;

/// <summary>
/// How the store came to its present form, one step after the other. A step that has been released is never edited. Where another engine
/// needs other words, a step gets a second text.
/// </summary>
internal static class Migrations
{
    private static readonly string[] Steps =
    [
        """
        -- One row. The revision counts what nodes are to learn of.
        CREATE TABLE store (one INTEGER PRIMARY KEY CHECK (one = 1), id BLOB NOT NULL, revision INTEGER NOT NULL) STRICT;

        -- What happened at each revision.
        CREATE TABLE change (
            revision INTEGER PRIMARY KEY, zone BLOB NOT NULL, subject INTEGER NOT NULL, id BLOB NOT NULL, removed INTEGER NOT NULL) STRICT;

        CREATE TABLE zone (
            id BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL, ipv4 TEXT, ipv6 TEXT,
            -- Where the search for a free address goes on.
            next_ipv4 BLOB, next_ipv6 BLOB,
            created_at INTEGER NOT NULL) STRICT;

        -- What a node wants to be, and the certificate of what it is. A row stays when the node goes: its identity key is refused from then
        -- on ('removed'), or until it has another token ('left').
        CREATE TABLE node (
            id BLOB PRIMARY KEY, zone BLOB NOT NULL, name TEXT NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('kedge', 'wireguard')),
            status TEXT NOT NULL CHECK (status IN ('pending', 'active', 'removed', 'left')),
            -- None for a stock WireGuard peer.
            identity_key BLOB, identity_hash BLOB,
            wireguard_key BLOB NOT NULL, rosenpass_hash BLOB, keys_signature TEXT,
            tags TEXT NOT NULL, allowed_prefixes TEXT NOT NULL, ephemeral INTEGER NOT NULL, fixed_endpoint TEXT, token TEXT,
            certificate BLOB, certificate_from INTEGER, certificate_to INTEGER, renewal_wanted INTEGER NOT NULL,
            created_at INTEGER NOT NULL, seen_at INTEGER, revision INTEGER NOT NULL) STRICT;
        CREATE UNIQUE INDEX node_name ON node (zone, name) WHERE status IN ('pending', 'active');
        CREATE UNIQUE INDEX node_wireguard_key ON node (wireguard_key) WHERE status IN ('pending', 'active');
        CREATE UNIQUE INDEX node_identity ON node (identity_hash) WHERE status <> 'left';

        -- Addresses (low = high, inside the zone's prefixes) and child prefixes (outside them). No two rows of a zone overlap.
        CREATE TABLE lease (
            zone BLOB NOT NULL REFERENCES zone (id), low BLOB NOT NULL, high BLOB NOT NULL, value TEXT NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('dynamic', 'requested', 'child')),
            status TEXT NOT NULL CHECK (status IN ('held', 'waiting', 'retiring', 'quarantined')),
            node BLOB NOT NULL REFERENCES node (id), created_at INTEGER NOT NULL, held_until INTEGER,
            PRIMARY KEY (zone, low)) STRICT, WITHOUT ROWID;
        CREATE INDEX lease_node ON lease (node);

        CREATE TABLE token (
            id TEXT PRIMARY KEY, hash BLOB NOT NULL, zone BLOB NOT NULL REFERENCES zone (id), description TEXT NOT NULL, tags TEXT NOT NULL,
            allowed_prefixes TEXT NOT NULL, max_uses INTEGER NOT NULL, uses INTEGER NOT NULL, ephemeral INTEGER NOT NULL,
            created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, revoked_at INTEGER) STRICT;

        CREATE TABLE administrator (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, hash BLOB NOT NULL, created_at INTEGER NOT NULL) STRICT;

        CREATE TABLE revocation_list (issuer BLOB PRIMARY KEY, list BLOB NOT NULL, imported_at INTEGER NOT NULL) STRICT;

        CREATE TABLE audit (
            sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, source TEXT, action TEXT NOT NULL,
            subject TEXT NOT NULL, zone BLOB, detail TEXT NOT NULL) STRICT;
        """,
        """
        -- Where nodes were last reached, JSON: of interest only until they say it again.
        CREATE TABLE endpoint (node BLOB PRIMARY KEY, endpoints TEXT NOT NULL) STRICT;
        """,
        """
        -- The name that a node asked for last, which an administrator may have changed; none for a stock WireGuard peer, which does not ask.
        ALTER TABLE node ADD COLUMN asked_name TEXT;
        UPDATE node SET asked_name = name WHERE kind = 'kedge';
        """,
        """
        -- Child prefixes that wait for approval. They keep nobody from anything, so they may overlap.
        CREATE TABLE claim (
            zone BLOB NOT NULL REFERENCES zone (id), node BLOB NOT NULL REFERENCES node (id), low BLOB NOT NULL, high BLOB NOT NULL,
            value TEXT NOT NULL, created_at INTEGER NOT NULL,
            PRIMARY KEY (node, low)) STRICT, WITHOUT ROWID;
        INSERT INTO claim (zone, node, low, high, value, created_at)
            SELECT zone, node, low, high, value, created_at FROM lease WHERE status = 'waiting';
        DELETE FROM lease WHERE status = 'waiting';

        -- Who has a map of this revision does not send to it any more; none for what is held.
        ALTER TABLE lease ADD COLUMN released_revision INTEGER;
        """,
        """
        -- By what a node that was invited proves its name and keys to the holder of the master key; the controller cannot check it.
        ALTER TABLE node ADD COLUMN invitation_proof TEXT;
        """,
    ];

    /// <summary>Brings a store to the present form.</summary>
    /// <exception cref="UserError">A newer program has already taken it further.</exception>
    public static void Apply(StoreTransaction transaction)
    {
        transaction.Execute($"CREATE TABLE IF NOT EXISTS migration (step INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT");
        long done = transaction.Number($"SELECT COUNT(*) FROM migration");
        if (done > Steps.Length)
            throw new UserError($"This store was used by a newer Kedge (step {done}, this one knows {Steps.Length}). Use that version, or restore a backup.");
        for (long step = done; step < Steps.Length; step++)
        {
            transaction.Execute(Sql.Literal(Steps[step]));
            transaction.Execute($"INSERT INTO migration (step, at) VALUES ({step}, {transaction.Now})");
        }
    }
}
