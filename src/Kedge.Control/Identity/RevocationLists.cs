using System.Text;
using Kedge.Control.Store;
using Kedge.Protocol.Certificates;

namespace Kedge.Control.Identity;

/// <summary>The revocation lists of the store, one for each authority. None is replaced by one that names less. Any thread.</summary>
internal static class RevocationLists
{
    /// <summary>All lists, DER.</summary>
    public static IReadOnlyList<byte[]> All(StoreReader store) =>
        store.List($"SELECT list FROM revocation_list ORDER BY issuer", row => row.Bytes(0));

    /// <summary>Whether a list of the same authority is there that is as new and names all that this one does.</summary>
    public static bool Covers(StoreReader store, RevocationList list) => All(store).Any(der =>
        RevocationList.TryParse(der, out RevocationList? present, out _)
        && present.AuthorityKeyIdentifier == list.AuthorityKeyIdentifier
        && present.Number >= list.Number
        && list.Entries.All(entry => present.Contains(entry.Serial)));

    /// <summary>Puts a list, whose signature was checked, in place of an older one of the same authority.</summary>
    /// <returns>Why not, in a sentence; null where it is there now.</returns>
    public static string? TryReplace(StoreTransaction store, RevocationList list)
    {
        byte[] issuer = Encoding.ASCII.GetBytes(list.AuthorityKeyIdentifier);
        byte[]? present = store.First($"SELECT list FROM revocation_list WHERE issuer = {issuer}", row => row.Bytes(0));
        if (present is not null && RevocationList.TryParse(present, out RevocationList? earlier, out _))
        {
            if (earlier.Number >= list.Number)
                return $"The list has the number {list.Number}, but number {earlier.Number} is here already: lists count upwards.";
            if (earlier.Entries.FirstOrDefault(entry => !list.Contains(entry.Serial)) is { } missing)
            {
                return $"List {list.Number} does not name certificate {missing.Serial}, which list {earlier.Number} here revokes, and what is revoked stays revoked. "
                    + "Is the folder of the master key an old copy? Put its newest revoked.pem back, and revoke again with 'kedge ca revoke'.";
            }
        }
        store.Execute(
            $"""
            INSERT INTO revocation_list (issuer, list, imported_at) VALUES ({issuer}, {list.Der.ToArray()}, {store.Now})
            ON CONFLICT (issuer) DO UPDATE SET list = excluded.list, imported_at = excluded.imported_at
            """);
        return null;
    }
}
