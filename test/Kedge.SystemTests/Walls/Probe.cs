using System.Text.RegularExpressions;

namespace Kedge.SystemTests.Walls;

/// <summary>
/// One file of forbidden uses. A line that must be refused ends in a comment that names the diagnostic, and what it is about:
/// <c>// RS0030 T:System.Threading.Thread</c> an entry of the lists in <c>build/</c>,
/// <c>// CS0234 Kedge.Linux.IPacketQueue</c> a type that exists but is out of sight, <c>// CS0227</c> nothing but the diagnostic.
/// </summary>
internal sealed partial class Probe
{
    private Probe(string name, IReadOnlyList<ForbiddenUse> uses)
    {
        Name = name;
        Uses = uses;
    }

    /// <summary>The file's name without extension.</summary>
    public string Name { get; }

    /// <summary>The lines that must be refused.</summary>
    public IReadOnlyList<ForbiddenUse> Uses { get; }

    /// <summary>The file in the tree.</summary>
    public string Path => PathOf(Name);

    /// <summary>Reads a file of this folder.</summary>
    public static Probe Read(string name)
    {
        List<ForbiddenUse> uses = [];
        foreach ((int index, string line) in File.ReadAllLines(PathOf(name)).Index())
        {
            if (Expectation().Match(line) is { Success: true } match)
                uses.Add(new(index + 1, match.Groups[1].Value, match.Groups[2].Value));
        }
        return new Probe(name, uses);
    }

    /// <summary>All files of this folder.</summary>
    public static IEnumerable<Probe> ReadAll() =>
        Directory.GetFiles(Folder, "*.txt").Select(path => Read(System.IO.Path.GetFileNameWithoutExtension(path)));

    private static string Folder => Repository.PathOf("test/Kedge.SystemTests/Walls");

    private static string PathOf(string name) => System.IO.Path.Combine(Folder, name + ".txt");

    [GeneratedRegex(@" // ([A-Z]+[0-9]+)(?: (\S+))?$")]
    private static partial Regex Expectation();
}

/// <summary>A line that the build must refuse.</summary>
/// <param name="Line">Its number, from 1.</param>
/// <param name="Diagnostic">The diagnostic's code.</param>
/// <param name="Subject">The entry of a list, or the hidden type; empty for neither.</param>
internal sealed record ForbiddenUse(int Line, string Diagnostic, string Subject);
