namespace Kedge.SystemTests.Walls;

public class BannedSymbolsTests
{
    [Fact]
    public void Every_banned_symbol_is_tried_by_a_probe()
    {
        HashSet<string> tried = [.. Probe.ReadAll().SelectMany(probe => probe.Uses).Select(use => use.Subject)];

        Assert.All(BannedSymbols.Lists.SelectMany(BannedSymbols.Read), entry => Assert.Contains(entry.Symbol, tried));
    }

    [Fact]
    public void Every_probe_is_compiled()
    {
        HashSet<string> compiled = [.. ProbeBuild.Cases().Select(row => row.Data.Item2)];

        Assert.All(Probe.ReadAll(), probe => Assert.Contains(probe.Name, compiled));
    }

    [Fact]
    public void No_source_file_takes_a_wall_down_for_itself()
    {
        IEnumerable<string> files = Directory.EnumerateFiles(Repository.PathOf("src"), "*", SearchOption.AllDirectories)
            .Where(path => Path.GetExtension(path) is ".cs" or ".csproj" or ".props" or ".targets" or ".editorconfig" or ".globalconfig")
            .Where(path => !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal));

        Assert.DoesNotContain(files, path => File.ReadAllText(path).Contains("RS0030", StringComparison.Ordinal));
    }

    [Fact]
    public void One_file_may_say_which_library_SQLite_is_and_does_nothing_else_that_is_banned()
    {
        string[] lines = File.ReadAllLines(Repository.PathOf(".editorconfig"));
        string[] exceptions = [.. lines.Index().Where(line => line.Item.Contains("RS0030", StringComparison.Ordinal)).Select(line => $"{lines[line.Index - 1]} {line.Item}")];
        string code = File.ReadAllText(Repository.PathOf("src/Kedge.Control/Store/SqliteLibrary.cs"));

        Assert.Equal(
            ["# A banned API is a broken wall. dotnet_diagnostic.RS0030.severity = error", "[src/Kedge.Control/Store/SqliteLibrary.cs] dotnet_diagnostic.RS0030.severity = none"],
            exceptions);
        Assert.Equal(
            ["NativeLibrary"],
            BannedSymbols.Read("Native").Select(entry => entry.Symbol.Split('.')[^1].Split('(', '`')[0]).Distinct()
                .Where(name => code.Contains(name, StringComparison.Ordinal) || code.Contains(name.Replace("Attribute", "("), StringComparison.Ordinal)));
    }
}
