using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;

namespace Kedge.Control.Identity;

/// <summary>What lets nodes join a zone.</summary>
internal static class JoinTokens
{
    private static readonly TimeSpan DefaultLifetime = TimeSpan.FromHours(1);

    // A clock that ran ahead when a token was made must not make it last: it counts from its making only.
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(5);

    private static readonly SqlText Columns = new(
        """
        token.id, token.zone, zone.name, token.description, token.tags, token.allowed_prefixes, token.max_uses, token.uses, token.ephemeral,
        token.created_at, token.expires_at, token.revoked_at IS NOT NULL, token.hash
        """);

    /// <summary>All tokens, the latest first.</summary>
    public static IReadOnlyList<JoinToken> List(StoreReader store) => store.List(
        $"SELECT {Columns} FROM token JOIN zone ON zone.id = token.zone ORDER BY token.created_at DESC, token.id", row => Read(row, store.Now));

    /// <summary>One token.</summary>
    /// <exception cref="Refusal">There is none of that identifier.</exception>
    public static JoinToken Find(StoreReader store, string id) =>
        TryFind(store, id)?.Item1 ?? throw Refusal.NotFound($"There is no token {Values.Show(id)}: 'kedge token list' shows all.");

    /// <summary>Makes a token.</summary>
    /// <returns>The token, and all of it with its secret, which is shown this once.</returns>
    public static (JoinToken Token, string Secret) Create(
        StoreTransaction store, Actor actor, StoredZone zone, TokenCreation wanted, IReadOnlyList<IpPrefix> allowedPrefixes)
    {
        (string id, string text, byte[] hash) = Secret.Create();
        DateTimeOffset end = store.Now + (wanted.LifetimeSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : DefaultLifetime);
        int mostUses = wanted.MaxUses ?? 1;
        string[] prefixes = [.. allowedPrefixes.Select(prefix => prefix.ToString())];
        store.Execute(
            $"""
            INSERT INTO token (id, hash, zone, description, tags, allowed_prefixes, max_uses, uses, ephemeral, created_at, expires_at)
            VALUES ({id}, {hash}, {zone.Id}, {wanted.Description}, {wanted.Tags}, {prefixes}, {mostUses}, 0, {wanted.Ephemeral},
                {store.Now}, {end})
            """);
        string uses = mostUses switch { 0 => "any number of nodes", 1 => "one node", var many => $"{many} nodes" };
        string behind = prefixes.Length == 0 ? "" : $", with {string.Join(", ", prefixes)} behind them";
        store.Audit(actor, "token.create", id, zone.Id, $"token {id} for {uses} to join zone {zone.Name} until {end:u}{behind}");
        return (Find(store, id), text);
    }

    /// <summary>Ends a token. One that has ended already is fine.</summary>
    /// <exception cref="Refusal">There is none of that identifier.</exception>
    public static void Revoke(StoreTransaction store, Actor actor, string id)
    {
        JoinToken token = Find(store, id);
        if (store.Execute($"UPDATE token SET revoked_at = {store.Now} WHERE id = {id} AND revoked_at IS NULL") > 0)
            store.Audit(actor, "token.revoke", id, token.ZoneId, $"token {id} of zone {token.ZoneName}");
    }

    /// <summary>Finds the token that is presented, if it is good for another node.</summary>
    /// <exception cref="Refusal">It is not.</exception>
    public static JoinToken Check(StoreReader store, string presented)
    {
        if (!Secret.TryParse(presented, out string? id, out byte[]? hash))
        {
            throw Refusal.Forbidden(
                "The token is not of the form IDENTIFIER.SECRET: use the whole join line of 'kedge token create'.", RefusalReason.TokenInvalid);
        }
        if (TryFind(store, id) is not var (token, known) || !Secret.Equal(known, hash))
        {
            throw Refusal.Forbidden(
                $"Token {Values.Show(id)} is not known here, or its secret is another: ask for a new one (kedge token create).",
                RefusalReason.TokenInvalid);
        }
        return token.Status == "usable"
            ? token
            : throw Refusal.Forbidden(
                $"Token {token.Id} is {token.Status}: ask for a new one (kedge token create --zone {token.ZoneName}).", RefusalReason.TokenInvalid);
    }

    /// <summary>Counts a node that joins by a token.</summary>
    public static void Use(StoreTransaction store, JoinToken token) =>
        store.Execute($"UPDATE token SET uses = uses + 1 WHERE id = {token.Id}");

    /// <summary>Forgets tokens that ended more than 30 days ago.</summary>
    public static void Tidy(StoreTransaction store) =>
        store.Execute($"DELETE FROM token WHERE expires_at < {store.Now - TimeSpan.FromDays(30)}");

    private static Tuple<JoinToken, byte[]>? TryFind(StoreReader store, string id) => store.First(
        $"SELECT {Columns} FROM token JOIN zone ON zone.id = token.zone WHERE token.id = {id}",
        row => Tuple.Create(Read(row, store.Now), row.Bytes(12)));

    private static JoinToken Read(Row row, DateTimeOffset now)
    {
        (long most, long uses) = (row.Number(6), row.Number(7));
        (DateTimeOffset from, DateTimeOffset to) = (row.Time(9), row.Time(10));
        return new JoinToken
        {
            Id = row.Text(0),
            ZoneId = row.Guid(1),
            ZoneName = row.Text(2),
            Description = row.Text(3),
            Tags = row.List(4),
            AllowedPrefixes = row.List(5),
            MaxUses = (int)most,
            Uses = (int)uses,
            Ephemeral = row.Flag(8),
            Status = row.Flag(11) ? "revoked"
                : most > 0 && uses >= most ? "used"
                : now >= to || now < from - ClockTolerance ? "expired"
                : "usable",
            CreatedAt = from,
            ExpiresAt = to,
        };
    }
}
