using System.Xml.Linq;

namespace Kedge.SystemTests.Walls;

/// <summary>The arrows of ARCHITECTURE.md: what an assembly can see.</summary>
public class ReferenceTests
{
    [Theory]
    [InlineData("Kedge.Crypto")]
    [InlineData("Kedge.Threading")]
    [InlineData("Kedge.Protocol", "Kedge.Crypto")]
    [InlineData("Kedge.Linux", "Kedge.Linux.Core", "Kedge.Protocol", "Kedge.Threading")]
    [InlineData("Kedge.Linux.Core", "Kedge.Protocol")]
    [InlineData("Kedge.Relaying", "Kedge.Protocol")]
    [InlineData("Kedge.Node", "Kedge.Linux", "Kedge.Protocol", "Kedge.Relaying", "Kedge.Threading")]
    [InlineData("Kedge.Control", "Kedge.Linux.Core", "Kedge.Protocol", "Kedge.Relaying", "Kedge.Threading")]
    [InlineData("Kedge.Warp", "Kedge.Linux", "Kedge.Linux.Core", "Kedge.Node", "Kedge.Protocol", "Kedge.Threading")]
    [InlineData("Kedge", "Kedge.Control", "Kedge.Node", "Kedge.Warp")]
    public void An_assembly_refers_only_to_those_below_it(string assembly, params string[] below)
    {
        XDocument project = XDocument.Load(Repository.PathOf($"src/{assembly}/{assembly}.csproj"));

        Assert.Equal(
            below,
            from reference in project.Descendants("ProjectReference")
            let name = Path.GetFileNameWithoutExtension((string)reference.Attribute("Include")!)
            orderby name
            select name);
    }

    [Fact]
    public void What_a_probe_expects_to_be_out_of_sight_exists()
    {
        string[] assemblies =
        [
            "Microsoft.AspNetCore", "Microsoft.AspNetCore.Http.Abstractions",
            .. Directory.GetFiles(AppContext.BaseDirectory, "*edge*.dll").Select(path => Path.GetFileNameWithoutExtension(path)),
        ];
        IEnumerable<string> hidden =
            from probe in Probe.ReadAll()
            from use in probe.Uses
            where use.Diagnostic == "CS0234"
            select use.Subject;

        Assert.All(hidden.Distinct(), name => Assert.Contains(assemblies, assembly => Type.GetType($"{name}, {assembly}") is not null));
    }
}
