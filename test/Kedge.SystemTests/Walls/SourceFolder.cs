using System.Text.RegularExpressions;

namespace Kedge.SystemTests.Walls;

/// <summary>A folder of an assembly as its sources have it: what it declares, and which other folders of the assembly it uses.</summary>
internal sealed partial class SourceFolder
{
    private readonly HashSet<string> _types;
    private readonly HashSet<string> _usings;
    private readonly HashSet<string> _names; // not behind a dot
    private readonly HashSet<string> _qualifiedNames; // one dot

    private SourceFolder(string assembly, string folder, IReadOnlyCollection<string> sources)
    {
        Assembly = assembly;
        Namespace = folder;
        _types = Find(Declaration);
        _usings = Find(UsingLine);
        _names = Find(Name);
        _qualifiedNames = Find(QualifiedName);

        HashSet<string> Find(Regex regex) => [.. sources.SelectMany(source => regex.Matches(source)).Select(match => match.Groups["name"].Value)];
    }

    /// <summary>The assembly's name.</summary>
    public string Assembly { get; }

    /// <summary>The folder's namespace.</summary>
    public string Namespace { get; }

    [GeneratedRegex("""//[^\n]*|/\*.*?\*/|"(\\.|[^"\\\n])*"|'(\\.|[^'\\\n])'""", RegexOptions.Singleline)]
    private static partial Regex CommentOrText { get; }

    [GeneratedRegex(@"^namespace (?<name>[\w.]+);", RegexOptions.Multiline)]
    private static partial Regex NamespaceLine { get; }

    [GeneratedRegex(@"^using (static )?(?<name>[\w.]+);", RegexOptions.Multiline)]
    private static partial Regex UsingLine { get; }

    [GeneratedRegex(@"^(\w+ )*(class|struct|record|interface|enum|delegate \S+) (?<name>\w+)", RegexOptions.Multiline)]
    private static partial Regex Declaration { get; }

    [GeneratedRegex(@"(?<![\w.])(?<name>\w+)")]
    private static partial Regex Name { get; }

    [GeneratedRegex(@"\b(?=(?<name>\w+\.\w+))")]
    private static partial Regex QualifiedName { get; }

    /// <summary>All folders of <c>src</c>.</summary>
    public static IReadOnlyList<SourceFolder> ReadAll() =>
    [
        .. from project in Directory.GetFiles(Repository.PathOf("src"), "*.csproj", SearchOption.AllDirectories)
           let root = Path.GetDirectoryName(project)!
           from file in Directory.GetFiles(root, "*.cs", SearchOption.AllDirectories)
           where Path.GetRelativePath(root, file).Split('/')[0] is not ("bin" or "obj")
           let source = CommentOrText.Replace(File.ReadAllText(file), "")
           group source by (Assembly: Path.GetFileNameWithoutExtension(project), Namespace: NamespaceOf(source)) into folder
           where folder.Key.Namespace.Length > 0
           select new SourceFolder(folder.Key.Assembly, folder.Key.Namespace, [.. folder]),
    ];

    /// <summary>A folder of one file.</summary>
    public static SourceFolder Of(string assembly, string file)
    {
        string source = CommentOrText.Replace(file, "");
        return new SourceFolder(assembly, NamespaceOf(source), [source]);
    }

    /// <summary>
    /// Whether a file of this folder names another folder of the same assembly: in a using directive, in front of one of its types, or, where
    /// that one's namespace encloses this one, by one of its types alone.
    /// </summary>
    public bool Uses(SourceFolder other)
    {
        if (other.Assembly != Assembly || other == this)
            return false;
        string folder = other.Namespace.Split('.')[^1];
        bool encloses = Namespace.StartsWith(other.Namespace + ".", StringComparison.Ordinal);
        return _usings.Contains(other.Namespace)
            || other._types.Any(type =>
                _usings.Contains($"{other.Namespace}.{type}") || _qualifiedNames.Contains($"{folder}.{type}") || (encloses && _names.Contains(type)));
    }

    private static string NamespaceOf(string source) => NamespaceLine.Match(source).Groups["name"].Value;
}
