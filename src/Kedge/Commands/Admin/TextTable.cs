using System.Text;
using Kedge.Protocol;

namespace Kedge.Commands.Admin;

/// <summary>
/// Aligned columns for a person's terminal. Control characters are replaced: what strangers named must not move the cursor of an
/// administrator.
/// </summary>
internal static class TextTable
{
    /// <summary>Rows below a line of column names; a sentence where there are none.</summary>
    /// <param name="columns">The names of the columns.</param>
    /// <param name="rows">The cells, as many a row as there are columns.</param>
    /// <param name="none">What to say in place of an empty table.</param>
    public static string Format(string[] columns, IEnumerable<string[]> rows, string none)
    {
        string[][] all = [columns, .. rows];
        return all.Length == 1 ? none + "\n" : Align(all);
    }

    /// <summary>One row a property: its name and its value.</summary>
    public static string FormatProperties(IEnumerable<(string Name, string Value)> properties) =>
        Align([.. properties.Select(property => (string[])[property.Name, property.Value])]);

    /// <inheritdoc cref="PrintableText.Clean"/>
    public static string Clean(string text) => PrintableText.Clean(text);

    private static string Align(string[][] rows)
    {
        string[][] cells = [.. rows.Select(row => row.Select(Clean).ToArray())];
        int[] widths = [.. Enumerable.Range(0, cells[0].Length).Select(column => cells.Max(row => row[column].Length))];
        var text = new StringBuilder();
        foreach (string[] row in cells)
        {
            int start = text.Length;
            for (int column = 0; column < row.Length; column++)
                text.Append(row[column].PadRight(widths[column] + 2));
            while (text.Length > start && text[^1] == ' ')
                text.Length--;
            text.Append('\n');
        }
        return text.ToString();
    }
}
