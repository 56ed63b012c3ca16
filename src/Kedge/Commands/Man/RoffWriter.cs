using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Kedge.Commands.Man;

/// <summary>
/// Writes a page in the language of man(7). In the text that it takes, <c>`code`</c> and what stands in single quotes become bold, and
/// <c>*word*</c> italic.
/// </summary>
internal sealed partial class RoffWriter
{
    private readonly StringBuilder _page = new();
    private bool _atSection;

    /// <summary>Begins the page.</summary>
    /// <param name="title">Its name, such as <c>kedge-up</c>.</param>
    /// <param name="date">The day at its foot, as <c>yyyy-MM-dd</c>; empty for none.</param>
    /// <param name="source">What it comes with, such as <c>Kedge 0.1.0</c>.</param>
    public void Title(string title, string date, string source) =>
        Line($".TH \"{Escape(title.ToUpperInvariant())}\" \"1\" \"{date}\" \"{Escape(source)}\" \"Kedge manual\"");

    /// <summary>Begins a section.</summary>
    public void Section(string heading) =>
        Line(heading.Contains(' ', StringComparison.Ordinal) ? $".SH \"{Escape(heading)}\"" : $".SH {Escape(heading)}");

    /// <summary>Begins a paragraph. The first one of a section has begun already.</summary>
    public void Paragraph()
    {
        if (!_atSection)
            Line(".PP");
    }

    /// <summary>Begins an item of a list.</summary>
    /// <param name="tag">What stands before it, marked up.</param>
    public void Item(string tag)
    {
        Line(".TP");
        Text(tag);
    }

    /// <summary>Writes text, each sentence on a line of its own.</summary>
    public void Text(string text)
    {
        foreach (string sentence in Sentences().Split(text.ReplaceLineEndings(" ").Trim()))
            Line(Protect(Markup(sentence)));
    }

    /// <summary>Writes lines as they stand, in a paragraph of their own.</summary>
    public void Verbatim(IEnumerable<string> lines)
    {
        Paragraph();
        Line(".RS 4");
        Line(".nf");
        foreach (string line in lines)
            Line(Protect(Escape(line)));
        Line(".fi");
        Line(".RE");
    }

    /// <summary>The page so far.</summary>
    public override string ToString() => _page.ToString();

    private static string Markup(string text)
    {
        var marked = new StringBuilder();
        int done = 0;
        foreach (Match match in Marks().Matches(text))
        {
            marked.Append(Escape(text[done..match.Index]));
            string font = match.Groups["emphasis"].Success ? "\\fI" : "\\fB";
            marked.Append(font).Append(Escape(match.Groups.Values.Skip(1).First(group => group.Success).Value)).Append("\\fR");
            done = match.Index + match.Length;
        }
        return marked.Append(Escape(text[done..])).ToString();
    }

    // The characters that roff would take for something else: groff_char(7), "Fundamental character set".
    private static string Escape(string text)
    {
        var escaped = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            _ = rune.Value switch
            {
                '\\' => escaped.Append("\\e"),
                '-' => escaped.Append("\\-"),
                '\'' => escaped.Append("\\(aq"),
                '"' => escaped.Append("\\(dq"),
                '`' => escaped.Append("\\(ga"),
                '^' => escaped.Append("\\(ha"),
                '~' => escaped.Append("\\(ti"),
                > 126 => escaped.Append(CultureInfo.InvariantCulture, $"\\[u{rune.Value:X4}]"),
                _ => escaped.Append(rune),
            };
        }
        return escaped.ToString();
    }

    // A dot at the start of a line would make it a request.
    private static string Protect(string line) => line.StartsWith('.') ? "\\&" + line : line;

    private void Line(string line)
    {
        _page.Append(line).Append('\n');
        _atSection = line.StartsWith(".SH ", StringComparison.Ordinal);
    }

    [GeneratedRegex(
        @"`(?<code>[^`]+)`|(?<![\w*])\*(?<emphasis>[^*\s][^*]*)\*(?!\w)|(?<![\w'])'(?<quoted>[^']+)'(?!\w)",
        RegexOptions.ExplicitCapture)]
    private static partial Regex Marks();

    [GeneratedRegex(@"(?<=[.!?]['`)]?) (?=[A-Z'`(])")]
    private static partial Regex Sentences();
}
