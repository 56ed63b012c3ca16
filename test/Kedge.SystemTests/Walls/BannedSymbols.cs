namespace Kedge.SystemTests.Walls;

/// <summary>The lists of <c>build/BannedSymbols.*.txt</c>.</summary>
internal static class BannedSymbols
{
    /// <summary>The lists' names, such as <c>Protocol</c>.</summary>
    public static IEnumerable<string> Lists =>
        Directory.GetFiles(Repository.PathOf("build"), "BannedSymbols.*.txt").Select(path => Path.GetFileName(path).Split('.')[1]);

    /// <summary>A list's entries: the symbol's documentation id, such as <c>T:System.Threading.Thread</c>, and why it is banned.</summary>
    public static IEnumerable<(string Symbol, string Reason)> Read(string list) =>
        from line in File.ReadAllLines(Repository.PathOf($"build/BannedSymbols.{list}.txt"))
        where line.Length > 0
        let parts = line.Split(';', 2)
        select (parts[0], parts[1]);

    /// <summary>Why a symbol is banned, in any list; null where it is not.</summary>
    public static string? ReasonFor(string symbol) => Lists.SelectMany(Read).FirstOrDefault(entry => entry.Symbol == symbol).Reason;
}
