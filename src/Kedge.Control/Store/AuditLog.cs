using System.Globalization;

namespace Kedge.Control.Store;

/// <summary>
/// Keeps the audit log within bounds, in days and in entries, so that nobody can fill the disk with it. When entries are removed, an entry says
/// so.
/// </summary>
/// <param name="MostDays">After how many days an entry is removed; 0 for never.</param>
/// <param name="MostEntries">How many entries are kept.</param>
internal sealed record AuditLog(int MostDays, int MostEntries)
{
    /// <summary>How many of the latest entries stay, however old they are: a clock set to a wrong year cannot empty the log.</summary>
    public const int AlwaysKept = 1000;

    // Entries are removed in bulk, or the log would be full of entries about its own trimming.
    private const int Slack = 20;
    private static readonly TimeSpan AgeSlack = TimeSpan.FromDays(1);

    /// <summary>Removes what is too old or too much, if that is worth it.</summary>
    public void Trim(StoreTransaction store)
    {
        long first = store.Number($"SELECT COALESCE(MIN(sequence), 0) FROM audit");
        long last = store.Number($"SELECT COALESCE(MAX(sequence), 0) FROM audit");
        if (first == 0)
            return;
        long count = last - first + 1;
        if (count > MostEntries + Math.Max(1, MostEntries / Slack))
            Remove(store, last - MostEntries, $"more than {MostEntries} entries");
        else if (MostDays > 0 && FirstSince(store, last, MostDays * TimeSpan.FromDays(1) + AgeSlack) > first)
            Remove(store, FirstSince(store, last, TimeSpan.FromDays(MostDays)) - 1, $"older than {MostDays} days");
    }

    /// <summary>The first entry that stays if nothing older does.</summary>
    private static long FirstSince(StoreTransaction store, long last, TimeSpan age)
    {
        long recent = store.Number($"SELECT COALESCE(MIN(sequence), {last + 1}) FROM audit WHERE at >= {store.Now - age}");
        return Math.Min(recent, last - AlwaysKept + 1);
    }

    private static void Remove(StoreTransaction store, long upTo, string why)
    {
        string? until = store.First($"SELECT at FROM audit WHERE sequence <= {upTo} ORDER BY sequence DESC LIMIT 1", row => row.Time(0).ToString("u", CultureInfo.InvariantCulture));
        int removed = store.Execute($"DELETE FROM audit WHERE sequence <= {upTo}");
        if (removed > 0)
            store.Audit(Actor.Controller, "audit.trim", "audit", null, $"{removed} entries, up to number {upTo} of {until}, removed: {why}");
    }
}
