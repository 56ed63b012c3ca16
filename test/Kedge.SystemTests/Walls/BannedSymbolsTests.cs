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
}
