using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Globalization;
using System.Text;

namespace Kedge.Protocol.Certificates;

/// <summary>A distinguished name that is a single common name (X.520 section 6.2.2), which is all that Kedge's certificates have.</summary>
internal static class CommonName
{
    /// <summary>The longest name in characters (ub-common-name of RFC 5280 appendix A.1).</summary>
    public const int MaximumLength = 64;

    /// <summary>The DER form of the Name.</summary>
    /// <exception cref="ArgumentException"><paramref name="name"/> is no name.</exception>
    public static byte[] Encode(string name)
    {
        if (!IsName(name))
            throw new ArgumentException($"A name has 1 to {MaximumLength} printable characters and neither begins nor ends with a blank.", nameof(name));
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        using (writer.PushSetOf())
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(ObjectIdentifiers.CommonName);
            writer.WriteCharacterString(UniversalTagNumber.UTF8String, name);
        }
        return writer.Encode();
    }

    /// <summary>Reads the DER form of a Name.</summary>
    /// <exception cref="AsnContentException">It is no Name.</exception>
    public static bool TryDecode(ReadOnlyMemory<byte> der, [NotNullWhen(true)] out string? name)
    {
        name = null;
        var reader = new AsnReader(der, AsnEncodingRules.DER);
        AsnReader sets = reader.ReadSequence();
        reader.ThrowIfNotEmpty();
        if (!sets.HasData)
            return false;
        AsnReader set = sets.ReadSetOf();
        AsnReader attribute = set.ReadSequence();
        if (sets.HasData || set.HasData || attribute.ReadObjectIdentifier() != ObjectIdentifiers.CommonName)
            return false;
        var type = (UniversalTagNumber)attribute.PeekTag().TagValue;
        if (attribute.PeekTag().TagClass != TagClass.Universal || type is not UniversalTagNumber.UTF8String and not UniversalTagNumber.PrintableString)
            return false;
        string text = attribute.ReadCharacterString(type);
        attribute.ThrowIfNotEmpty();
        name = IsName(text) ? text : null;
        return name is not null;
    }

    /// <summary>Whether all of <paramref name="text"/> can be shown on a line: no control, format, private or unassigned characters.</summary>
    public static bool IsName(string text) =>
        text.Length is > 0 and <= MaximumLength && text[0] != ' ' && text[^1] != ' ' && text.EnumerateRunes().All(IsNameCharacter);

    /// <summary>Whether <paramref name="text"/> is a DNS label (RFC 1123 section 2.1) in lower case: 1 to 63 of a-z, 0-9 and inner hyphens.</summary>
    public static bool IsLabel(string text) =>
        text.Length is > 0 and <= 63
        && text[0] != '-' && text[^1] != '-'
        && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');

    /// <summary>A text from a stranger as it can be put into a message: short, and without what cannot be shown.</summary>
    public static string Show(string text)
    {
        const int Longest = 100;
        string shown = text.Length <= Longest ? text : text[..Longest];
        return PrintableText.Clean(shown);
    }

    // Of blanks there is one only, so that no two names look the same.
    private static bool IsNameCharacter(Rune rune) =>
        rune == new Rune(' ') || (PrintableText.IsPrintable(rune) && Rune.GetUnicodeCategory(rune) is not UnicodeCategory.SpaceSeparator);
}
