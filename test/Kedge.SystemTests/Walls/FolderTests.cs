namespace Kedge.SystemTests.Walls;

/// <summary>No two folders of an assembly use each other.</summary>
public class FolderTests
{
    // Those that still do. A pair that no longer does has to go from here, so that it does not come back.
    private static readonly string[] s_known =
    [
        "Kedge.Commands <-> Kedge.Commands.Admin",
        "Kedge.Commands <-> Kedge.Commands.Ca",
        "Kedge.Commands <-> Kedge.Commands.Controller",
        "Kedge.Commands <-> Kedge.Commands.Man",
        "Kedge.Commands <-> Kedge.Commands.Node",
        "Kedge.Commands <-> Kedge.Commands.Rosenpass",
        "Kedge.Commands <-> Kedge.Commands.Rp",
        "Kedge.Commands <-> Kedge.Commands.Service",
        "Kedge.Commands <-> Kedge.Commands.Warp",
        "Kedge.Control <-> Kedge.Control.Endpoints",
        "Kedge.Control <-> Kedge.Control.Identity",
        "Kedge.Control <-> Kedge.Control.Push",
        "Kedge.Control <-> Kedge.Control.Store",
        "Kedge.Control.Push <-> Kedge.Control.Store",
        "Kedge.Crypto <-> Kedge.Crypto.Simd",
        "Kedge.Crypto.Kem <-> Kedge.Crypto.Kem.Kyber",
        "Kedge.Crypto.Kem <-> Kedge.Crypto.Kem.McEliece",
        "Kedge.Linux <-> Kedge.Linux.Interop",
        "Kedge.Linux <-> Kedge.Linux.Tun",
        "Kedge.Linux <-> Kedge.Linux.Udp",
    ];

    [Fact]
    public void No_two_folders_use_each_other()
    {
        IReadOnlyList<SourceFolder> folders = SourceFolder.ReadAll();

        Assert.Equal(
            s_known.Order(StringComparer.Ordinal),
            (from one in folders
             from other in folders
             where string.CompareOrdinal(one.Namespace, other.Namespace) < 0 && one.Uses(other) && other.Uses(one)
             select $"{one.Namespace} <-> {other.Namespace}").Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("using Kedge.Sails.Rig;", true)]
    [InlineData("using static Kedge.Sails.Rig.Mast;", true)]
    [InlineData("Rig.Mast mast;", true)]
    [InlineData("// Rig.Mast", false)]
    [InlineData("""string text = "Rig.Mast";""", false)]
    [InlineData("using Kedge.Sails.Rigging;", false)]
    public void A_use_is_found_in_the_source(string line, bool isUse)
    {
        SourceFolder other = SourceFolder.Of("Kedge.Sails", "namespace Kedge.Sails.Rig;\npublic sealed class Mast\n{\n}\n");
        SourceFolder one = SourceFolder.Of("Kedge.Sails", $"{line}\nnamespace Kedge.Sails.Hull;\n");

        Assert.Equal(isUse, one.Uses(other));
    }

    [Fact]
    public void A_type_of_an_enclosing_namespace_is_used_by_its_name_alone()
    {
        SourceFolder other = SourceFolder.Of("Kedge.Sails", "namespace Kedge.Sails;\ninternal static class Mast\n{\n}\n");

        Assert.True(SourceFolder.Of("Kedge.Sails", "namespace Kedge.Sails.Hull;\nMast mast;\n").Uses(other));
        Assert.False(SourceFolder.Of("Kedge.Sails", "namespace Kedge.Sails.Hull;\nmain.Mast mast;\n").Uses(other));
        Assert.False(SourceFolder.Of("Kedge.Oars", "namespace Kedge.Sails.Hull;\nMast mast;\n").Uses(other));
    }
}
