using System.Text.RegularExpressions;

namespace Kedge.SystemTests;

/// <summary>Documents must not name files that do not exist.</summary>
public partial class DocumentTests
{
    public static TheoryData<string> Documents() =>
    [
        .. Directory.GetFiles(Repository.Root, "*.md").Select(path => Path.GetFileName(path)),
        .. Directory.GetFiles(Repository.PathOf("docs"), "*.md").Select(path => $"docs/{Path.GetFileName(path)}"),
    ];

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_path_that_a_document_names_exists(string document)
    {
        string text = File.ReadAllText(Repository.PathOf(document));
        string folder = Path.GetDirectoryName(document)!;
        IEnumerable<string> links = Links().Matches(text).Select(match => Path.Combine(folder, match.Groups[1].Value));

        Assert.All(PathsIn(text).Concat(links), path => Assert.True(Exists(path), $"{document} names {path}, which does not exist."));
    }

    [Fact]
    public void The_page_on_the_architecture_names_paths_and_the_readme_its_commands()
    {
        Assert.True(PathsIn(File.ReadAllText(Repository.PathOf("ARCHITECTURE.md"))).Distinct().Count() > 20);
        string[] commands = ["script/demo", "script/test"];
        Assert.All(commands, command => Assert.Contains(command, PathsIn(File.ReadAllText(Repository.PathOf("README.md")))));
    }

    private static IEnumerable<string> PathsIn(string text) => Paths().Matches(text).Select(match => match.Value.TrimEnd('.'));

    private static bool Exists(string path)
    {
        string full = Repository.PathOf(path);
        if (!path.Contains('*', StringComparison.Ordinal))
            return Path.Exists(full);
        string folder = Path.GetDirectoryName(full)!;
        return Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder, Path.GetFileName(full)).Any();
    }

    /// <summary>What starts in a folder of this tree, or is one of the files beside them; not what is built, below out/.</summary>
    [GeneratedRegex(
        @"(?<![\w./-])((src|test|bench|script|build|docs|deploy|\.ci)/[\w./*-]*|[A-Z]+\.md|Kedge\.slnx|Directory\.\w+\.(props|targets))")]
    private static partial Regex Paths();

    /// <summary>What a link to another file of this tree points to.</summary>
    [GeneratedRegex(@"\]\((?!https?:|#)([^)#]+)")]
    private static partial Regex Links();
}
