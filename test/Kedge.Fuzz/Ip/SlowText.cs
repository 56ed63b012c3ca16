using System.Globalization;

namespace Kedge.Fuzz.Ip;

/// <summary>The textual forms of addresses, read and written in the plainest way: lists of strings instead of arithmetic.</summary>
internal static class SlowText
{
    /// <summary>The bytes of an address; null where the text is none.</summary>
    public static byte[]? Address(string text) => text.Contains(':') ? IPv6(text) : IPv4(text);

    /// <summary>A decimal number without leading zeros, up to <paramref name="maximum"/>; null where the text is none.</summary>
    public static ulong? Number(string text, ulong maximum) =>
        text.Length is >= 1 and <= 19 && text.All(c => c is >= '0' and <= '9') && (text == "0" || text[0] != '0')
        && ulong.Parse(text, CultureInfo.InvariantCulture) is var number && number <= maximum ? number : null;

    /// <summary>Whether a text is an endpoint.</summary>
    public static bool IsEndpoint(string text)
    {
        string[] parts = text.Split(':');
        if (parts.Length < 2 || Number(parts[^1], 65535) is null)
            return false;
        string host = string.Join(':', parts[..^1]);
        if (!host.StartsWith('['))
            return IPv4(host) is not null;
        if (!host.EndsWith(']') || host.Length < 2)
            return false;
        string[] scoped = host[1..^1].Split('%', 2);
        return IPv6(scoped[0]) is not null && (scoped.Length == 1 || Number(scoped[1], uint.MaxValue) is not null);
    }

    /// <summary>The bit at <paramref name="index"/>, from the most significant one.</summary>
    public static bool Bit(ReadOnlySpan<byte> bytes, int index) => (bytes[index / 8] >> (7 - index % 8) & 1) != 0;

    /// <summary>IPv4 in decimal; IPv6 as RFC 5952 section 4 says, all groups in hexadecimal.</summary>
    public static string Write(ReadOnlySpan<byte> address)
    {
        if (address.Length == 4)
            return string.Join('.', address.ToArray());
        var groups = new string[8];
        for (int i = 0; i < 8; i++)
            groups[i] = (address[2 * i] * 256 + address[2 * i + 1]).ToString("x", CultureInfo.InvariantCulture);

        (int Start, int Length) longest = (0, 1); // a single zero group is written out
        for (int start = 0; start < 8; start++)
        {
            int length = groups.Skip(start).TakeWhile(group => group == "0").Count();
            if (length > longest.Length)
                longest = (start, length); // and of two that are as long the first one counts
        }
        return longest.Length == 1
            ? string.Join(':', groups)
            : string.Join(':', groups[..longest.Start]) + "::" + string.Join(':', groups[(longest.Start + longest.Length)..]);
    }

    private static byte[]? IPv4(string text)
    {
        ulong?[] octets = [.. text.Split('.').Select(octet => Number(octet, 255))];
        return octets.Length == 4 && octets.All(octet => octet is not null) ? [.. octets.Select(octet => (byte)octet!)] : null;
    }

    private static byte[]? IPv6(string text)
    {
        int gap = text.IndexOf("::", StringComparison.Ordinal);
        if (gap < 0)
            return Groups(text, mayEndInIPv4: true) is { Length: 16 } all ? all : null;
        byte[]? before = gap == 0 ? [] : Groups(text[..gap], mayEndInIPv4: false);
        byte[]? after = gap + 2 == text.Length ? [] : Groups(text[(gap + 2)..], mayEndInIPv4: true);
        return before is null || after is null || before.Length + after.Length > 14
            ? null
            : [.. before, .. new byte[16 - before.Length - after.Length], .. after];
    }

    private static byte[]? Groups(string text, bool mayEndInIPv4)
    {
        List<byte> bytes = [];
        string[] groups = text.Split(':');
        for (int i = 0; i < groups.Length; i++)
        {
            if (mayEndInIPv4 && i == groups.Length - 1 && IPv4(groups[i]) is { } ipv4)
                bytes.AddRange(ipv4);
            else if (groups[i].Length is >= 1 and <= 4 && groups[i].All(char.IsAsciiHexDigit))
                bytes.AddRange(Convert.FromHexString(groups[i].PadLeft(4, '0')));
            else
                return null;
        }
        return [.. bytes];
    }
}
