using System.Globalization;
using System.Text;

namespace Kedge.Protocol;

/// <summary>Texts that others have written, as a terminal, a log or a sentence can show them.</summary>
public static class PrintableText
{
    /// <summary>
    /// Whether a character can be shown: it does not move a terminal's cursor, begin another line or turn the direction of writing, and has
    /// a meaning of its own.
    /// </summary>
    public static bool IsPrintable(Rune rune) => rune != Rune.ReplacementChar && Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.PrivateUse or UnicodeCategory.Surrogate or UnicodeCategory.OtherNotAssigned);

    /// <summary>The text with U+FFFD in place of each character that cannot be shown.</summary>
    public static string Clean(string text)
    {
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (!IsPrintable(rune))
                return string.Concat(text.EnumerateRunes().Select(one => IsPrintable(one) ? one : Rune.ReplacementChar));
        }
        return text;
    }
}
