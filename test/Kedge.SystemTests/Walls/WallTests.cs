using System.Xml.Linq;

namespace Kedge.SystemTests.Walls;

/// <summary>Each wall stands: what an assembly must not do, the build refuses.</summary>
public class WallTests(ProbeBuild build) : IClassFixture<ProbeBuild>
{
    [Theory]
    [MemberData(nameof(ProbeBuild.Cases), MemberType = typeof(ProbeBuild))]
    public void Every_forbidden_use_is_refused_and_for_its_own_reason(string project, string probe)
    {
        IReadOnlyList<ForbiddenUse> uses = Probe.Read(probe).Uses;
        Refusal[] refusals = [.. build.RefusalsOf(project, probe)];

        Assert.NotEmpty(uses);
        Assert.True(refusals.Length > 0, $"{project} was built with {probe}.\n{build.Output}");
        Assert.Equal(
            uses.Select(use => $"{probe}.txt({use.Line}): {use.Diagnostic}"),
            refusals.Select(refusal => (refusal.Line, refusal.Diagnostic)).Distinct().Order().Select(one => $"{probe}.txt({one.Line}): {one.Diagnostic}"));
        Assert.All(
            uses.Where(use => use.Diagnostic == "RS0030"),
            use => Assert.Contains(refusals, one => one.Line == use.Line && one.Message.Contains(BannedSymbols.ReasonFor(use.Subject)!, StringComparison.Ordinal)));
    }

    [Fact]
    public void Every_banned_symbol_is_tried_by_a_probe()
    {
        HashSet<string> tried = [.. Probe.ReadAll().SelectMany(probe => probe.Uses).Select(use => use.Subject)];

        Assert.All(BannedSymbols.Lists.SelectMany(BannedSymbols.Read), entry => Assert.Contains(entry.Symbol, tried));
    }

    [Fact]
    public void What_an_assembly_must_not_see_is_there_to_be_seen()
    {
        IEnumerable<string> hidden = Probe.ReadAll().SelectMany(probe => probe.Uses).Where(use => use.Diagnostic == "CS0234").Select(use => use.Subject);
        string[] assemblies =
        [
            "Microsoft.AspNetCore", "Microsoft.AspNetCore.Http.Abstractions",
            .. Directory.GetFiles(AppContext.BaseDirectory, "*edge*.dll").Select(path => Path.GetFileNameWithoutExtension(path)),
        ];

        Assert.All(hidden.Distinct(), name => Assert.Contains(assemblies, assembly => Type.GetType($"{name}, {assembly}") is not null));
    }

    [Theory]
    [InlineData("Kedge.Crypto")]
    [InlineData("Kedge.Protocol", "Kedge.Crypto")]
    [InlineData("Kedge.Linux", "Kedge.Protocol")]
    [InlineData("Kedge.Node", "Kedge.Linux", "Kedge.Protocol")]
    [InlineData("Kedge.Control", "Kedge.Protocol")]
    [InlineData("Kedge", "Kedge.Control", "Kedge.Node")]
    public void An_assembly_refers_only_to_those_below_it(string assembly, params string[] below)
    {
        XDocument project = XDocument.Load(Repository.PathOf($"src/{assembly}/{assembly}.csproj"));

        Assert.Equal(
            below,
            project.Descendants("ProjectReference").Select(reference => Path.GetFileNameWithoutExtension((string)reference.Attribute("Include")!)).Order(StringComparer.Ordinal));
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
