using Kedge.Commands.Service;
using Kedge.Protocol;

namespace Kedge.Tests.Commands.Service;

/// <summary>Files that an installation makes, beside those of a person.</summary>
public sealed class GeneratedFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kedge-test-").FullName;

    private string File => Path.Combine(_folder, "kedge0.env");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_file_that_was_made_here_is_replaced_and_removed()
    {
        Assert.Equal(FileOrigin.Absent, GeneratedFile.OriginOf(File));
        Assert.True(GeneratedFile.Write(File, "A=1\n", GeneratedFile.Private));
        Assert.Equal(FileOrigin.Generated, GeneratedFile.OriginOf(File));
        Assert.Equal("A=1\n", GeneratedFile.ReadBody(File));
        Assert.Equal(GeneratedFile.Private, System.IO.File.GetUnixFileMode(File));

        Assert.False(GeneratedFile.Write(File, "A=1\n", GeneratedFile.Private));
        Assert.True(GeneratedFile.Write(File, "A=2\n", GeneratedFile.Private));

        Assert.Equal("A=2\n", GeneratedFile.ReadBody(File));
        Assert.True(GeneratedFile.Remove(File));
        Assert.False(System.IO.File.Exists(File));
        Assert.True(GeneratedFile.Remove(Path.Combine(_folder, "gone", "kedge0.env"))); // with its folder
    }

    [Theory]
    [InlineData("A=1\n", "A=1\nB=2\n")]
    [InlineData("A=1\n", "")]
    public void A_file_that_was_changed_since_is_neither_replaced_nor_removed(string body, string changed)
    {
        GeneratedFile.Write(File, body, GeneratedFile.Private);
        string mark = System.IO.File.ReadAllText(File)[..^body.Length];
        System.IO.File.WriteAllText(File, mark + changed);

        Assert.Equal(FileOrigin.Foreign, GeneratedFile.OriginOf(File));
        var refusal = Assert.Throws<UserError>(() => GeneratedFile.Write(File, "A=3\n", GeneratedFile.Private));
        Assert.Contains(File, refusal.Message, StringComparison.Ordinal);
        Assert.False(GeneratedFile.Remove(File));
        Assert.Equal(mark + changed, System.IO.File.ReadAllText(File));
    }

    [Fact]
    public void A_file_of_a_person_stays_as_it_is()
    {
        System.IO.File.WriteAllText(File, "A=1\n");

        Assert.False(GeneratedFile.Write(File, "A=1\n", GeneratedFile.Private)); // the same: nothing to do
        Assert.Throws<UserError>(() => GeneratedFile.Write(File, "A=2\n", GeneratedFile.Private));

        Assert.Equal("A=1\n", System.IO.File.ReadAllText(File));
        Assert.False(GeneratedFile.Remove(File));
        Assert.True(GeneratedFile.Remove(File, evenForeign: true));
    }
}
