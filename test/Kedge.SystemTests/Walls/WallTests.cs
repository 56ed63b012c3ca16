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
            uses.Select(use => At(use.Line, use.Diagnostic)),
            refusals.Select(refusal => (refusal.Line, refusal.Diagnostic)).Distinct().Order().Select(one => At(one.Line, one.Diagnostic)));
        foreach (ForbiddenUse use in uses.Where(use => use.Diagnostic == "RS0030"))
        {
            string reason = BannedSymbols.ReasonFor(use.Subject)!;
            Assert.Contains(refusals, one => one.Line == use.Line && one.Message.Contains(reason, StringComparison.Ordinal));
        }

        string At(int line, string diagnostic) => $"{probe}.txt({line}): {diagnostic}";
    }
}
