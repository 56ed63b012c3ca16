using System.Reflection;
using System.Text.RegularExpressions;

namespace Kedge.Commands.Man;

/// <summary>
/// What a person has written of a page, in a file of <c>docs/man</c>: sections that begin with <c># HEADING</c>. In them are paragraphs;
/// lists, whose items are a line with a tag and then lines that begin with <c>: </c>; and lines indented by four, which stay as they are.
/// </summary>
internal sealed partial class ManText
{
    private const string ResourcePrefix = "man/";

    private readonly Dictionary<string, string[]> _sections = new(StringComparer.Ordinal);

    private ManText(string text)
    {
        string? heading = null;
        List<string> lines = [];
        foreach (string line in text.Split('\n').Append("# "))
        {
            if (!line.StartsWith("# ", StringComparison.Ordinal))
            {
                lines.Add(line.TrimEnd());
                continue;
            }
            if (heading is not null)
                _sections.Add(heading, [.. lines]);
            heading = line[2..].Trim();
            lines.Clear();
        }
    }

    /// <summary>The sections, in the order of the file.</summary>
    public IEnumerable<string> Headings => _sections.Keys;

    /// <summary>The names of all pages of which something is written.</summary>
    public static IEnumerable<string> Names =>
        from name in typeof(ManText).Assembly.GetManifestResourceNames()
        where name.StartsWith(ResourcePrefix, StringComparison.Ordinal)
        select name[ResourcePrefix.Length..];

    /// <summary>What is written of a page; empty where nothing is.</summary>
    /// <param name="page">The page's name, such as <c>kedge-up</c>.</param>
    public static ManText Read(string page)
    {
        using Stream? file = Assembly.GetExecutingAssembly().GetManifestResourceStream(ResourcePrefix + page);
        if (file is null)
            return new ManText("");
        using var reader = new StreamReader(file);
        return new ManText(reader.ReadToEnd());
    }

    /// <summary>The lines of all examples, comments and output included.</summary>
    public IEnumerable<string> ExampleLines() =>
        _sections.Values.SelectMany(lines => lines).Where(IsVerbatim).Select(line => line[4..]);

    /// <summary>Writes a section's contents; nothing where there is no such section.</summary>
    /// <returns>Whether there is.</returns>
    public bool TryWrite(string heading, RoffWriter page)
    {
        if (!_sections.TryGetValue(heading, out string[]? lines))
            return false;
        foreach (string block in Blocks().Split(string.Join('\n', lines).Trim('\n')))
            WriteBlock(block.Split('\n'), page);
        return true;
    }

    private static bool IsVerbatim(string line) => line.StartsWith("    ", StringComparison.Ordinal);

    private static void WriteBlock(string[] lines, RoffWriter page)
    {
        if (IsVerbatim(lines[0]))
        {
            page.Verbatim(lines.Select(line => line.Length < 4 ? "" : line[4..]));
            return;
        }
        if (lines.Length == 1 || !lines[1].StartsWith(": ", StringComparison.Ordinal))
        {
            page.Paragraph();
            page.Text(string.Join(' ', lines));
            return;
        }
        for (int i = 0; i < lines.Length;)
        {
            page.Item(lines[i++]);
            int start = i;
            while (i < lines.Length && lines[i].StartsWith(": ", StringComparison.Ordinal))
                i++;
            page.Text(string.Join(' ', lines[start..i].Select(line => line[2..])));
        }
    }

    // Blank lines part blocks, but not where the lines around them stay as they are.
    [GeneratedRegex(@"\n\n+(?!    )|(?<!\n    [^\n]*)\n\n+")]
    private static partial Regex Blocks();
}
