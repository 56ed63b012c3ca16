using Kedge.Control.Store;

namespace Kedge.Control.Identity;

/// <summary>Who may change the network: whoever presents an administrator token, as a bearer (RFC 6750 section 2.1).</summary>
internal static class Administrators
{
    /// <summary>The administrator that exists from the start.</summary>
    public const string First = "admin";

    /// <summary>Makes a token for an administrator; the one before is worth nothing from then on.</summary>
    /// <returns>The token, which is shown this once.</returns>
    public static string Replace(StoreTransaction store, Actor actor, string name)
    {
        (string id, string text, byte[] hash) = Secret.Create();
        bool replaced = store.Execute($"DELETE FROM administrator WHERE name = {name}") > 0;
        store.Execute($"INSERT INTO administrator (id, name, hash, created_at) VALUES ({id}, {name}, {hash}, {store.Now})");
        store.Audit(
            actor, "administrator.token", id, null, $"token {id} for administrator {name}{(replaced ? ", in place of the one before" : "")}");
        return text;
    }

    /// <summary>Whether there is any.</summary>
    public static bool Any(StoreReader store) => store.Number($"SELECT COUNT(*) FROM administrator") > 0;

    /// <summary>Whose token this is; null where it is nobody's.</summary>
    public static string? TryAuthenticate(StoreReader store, string token)
    {
        if (!Secret.TryParse(token, out string? id, out byte[]? hash))
            return null;
        var known = store.First($"SELECT name, hash FROM administrator WHERE id = {id}", row => Tuple.Create(row.Text(0), row.Bytes(1)));
        return known is not null && Secret.Equal(known.Item2, hash) ? known.Item1 : null;
    }
}
