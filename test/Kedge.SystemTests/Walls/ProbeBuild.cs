using System.Text.RegularExpressions;
using System.Xml.Linq;
using Kedge.Demo;

namespace Kedge.SystemTests.Walls;

/// <summary>
/// Compiles the probes as if they were the sources of an assembly of ours, with its settings and references; once for all tests and apart
/// from every other build. Keeps the errors.
/// </summary>
public sealed partial class ProbeBuild
{
    private static readonly (string Project, string[] Probes)[] Compilations =
    [
        ("src/Kedge.Protocol", ["Kedge.Protocol", "Native"]),
        ("src/Kedge.Node", ["Kedge.Node", "Native"]),
        ("src/Kedge.Control", ["Kedge.Control", "Native"]),
        ("src/Kedge.Warp", ["Kedge.Warp", "Native"]),
        ("src/Kedge", ["Native"]),
        ("test/Kedge.SystemTests", ["Kedge.SystemTests", "Native"]),
        // What the compiler refuses in a declaration hides what analyzers would say: hence a compilation of its own. One is enough, because
        // it hangs on the same setting as the unsafe block in Native, which all have.
        ("src/Kedge.Protocol", ["Unsafe"]),
    ];

    private readonly ILookup<(string Project, string Probe), Refusal> _refusals;

    public ProbeBuild()
    {
        using var net = Topology.Create(); // for its folder alone
        string folder = net.TempFolder;
        File.Copy(Repository.PathOf(".editorconfig"), Path.Combine(folder, ".editorconfig")); // The severity of RS0030 is set there.
        string project = Path.Combine(folder, "Walls.proj");
        Describe(folder).Save(project);
        var build = new Command("dotnet", "msbuild", project, "-noLogo", "-maxCpuCount:2", "-nodeReuse:false", "-verbosity:quiet")
        {
            // Some 15 s of processor time, of which a crowded machine may give little. Below the limit of script/test.
            Timeout = TimeSpan.FromMinutes(9),
            Environment = new Dictionary<string, string> { ["DOTNET_TieredPGO"] = "0" }, // which does not pay within seconds
        };
        using RunningProcess process = RunningProcess.Start(build);
        Output = process.WaitForExit(build.Timeout).Output;
        _refusals = Refusals(folder).ToLookup(found => found.Key, found => found.Refusal);
    }

    /// <summary>What the build said.</summary>
    public string Output { get; }

    /// <summary>Each project with each of its probes.</summary>
    public static TheoryData<string, string> Cases()
    {
        TheoryData<string, string> cases = [];
        foreach ((string project, string[] probes) in Compilations)
        {
            foreach (string probe in probes)
                cases.Add(project, probe);
        }
        return cases;
    }

    /// <summary>The errors at the lines of a probe, compiled into a project.</summary>
    internal IEnumerable<Refusal> RefusalsOf(string project, string probe) => _refusals[(project, probe)];

    /// <summary>A project that compiles all, side by side.</summary>
    private static XElement Describe(string folder)
    {
        // What is on, is on as in every build. What is off has nothing to do with walls, and would complain about the probes' form.
        string options = string.Join(
            ';',
            $"Configuration={Repository.Configuration}",
            "BuildProjectReferences=false", "ProduceReferenceAssembly=false", "UseSharedCompilation=false",
            "OutputType=Library", "GenerateDocumentationFile=false", "EnableNETAnalyzers=false", "EnforceCodeStyleInBuild=false");
        var compilations = new XElement("ItemGroup");
        foreach ((string project, string[] probes) in Compilations)
        {
            string own = Directory.CreateDirectory(Path.Combine(folder, $"{project}.{probes[0]}")).FullName;
            foreach (string probe in probes)
                File.Copy(Probe.Read(probe).Path, Path.Combine(own, probe + ".cs"));
            string files = string.Join("%3B", probes.Select(probe => Path.Combine(own, probe + ".cs")));
            compilations.Add(new XElement(
                "Compilation",
                new XAttribute("Include", Repository.PathOf($"{project}/{Path.GetFileName(project)}.csproj")),
                new XElement("AdditionalProperties", $"WallProbe={files};IntermediateOutputPath={own}/obj/")));
        }
        return new XElement(
            "Project",
            compilations,
            new XElement(
                "Target",
                new XAttribute("Name", "Build"),
                new XElement(
                    "MSBuild",
                    new XAttribute("Projects", "@(Compilation)"),
                    new XAttribute("Targets", "Compile"),
                    new XAttribute("Properties", options),
                    new XAttribute("BuildInParallel", "true"),
                    new XAttribute("ContinueOnError", "true"))));
    }

    private IEnumerable<((string Project, string Probe) Key, Refusal Refusal)> Refusals(string folder) =>
        from match in ErrorAtLine().Matches(Output)
        let path = match.Groups["path"].Value
        where path.StartsWith(folder, StringComparison.Ordinal)
        let own = Path.GetRelativePath(folder, Path.GetDirectoryName(path)!)
        let compilation = Compilations.Single(one => own == $"{one.Project}.{one.Probes[0]}")
        select (
            (compilation.Project, Path.GetFileNameWithoutExtension(path)),
            new Refusal(int.Parse(match.Groups["line"].ValueSpan), match.Groups["code"].Value, match.Groups["message"].Value));

    [GeneratedRegex(@"^\s*(?<path>/[^(\n]+)\((?<line>\d+),\d+\): error (?<code>\w+): (?<message>.*)$", RegexOptions.Multiline)]
    private static partial Regex ErrorAtLine();
}

/// <summary>An error of the compiler or of an analyzer.</summary>
/// <param name="Line">The line's number, from 1.</param>
/// <param name="Diagnostic">The diagnostic's code.</param>
/// <param name="Message">What it says.</param>
internal sealed record Refusal(int Line, string Diagnostic, string Message);
