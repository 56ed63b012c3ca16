namespace Kedge.Protocol.Ip;

/// <summary>
/// The strict textual forms of addresses and of the numbers beside them. Nothing is allocated, nothing throws, and a text has at most one
/// reading: what other parsers take for octal, hexadecimal, abbreviated or padded is refused, because two programs that read a rule
/// differently make a hole.
/// </summary>
internal static class AddressText
{
    /// <summary>Four decimal octets (RFC 6943 section 3.1.1, the strict form).</summary>
    public static bool TryParseIPv4(ReadOnlySpan<char> text, out uint bits)
    {
        bits = 0;
        for (int octets = 1; octets <= 4; octets++)
        {
            int end = octets == 4 ? text.Length : text.IndexOf('.');
            if (end < 0 || !TryParseDecimal(text[..end], byte.MaxValue, out uint octet))
                return false;
            bits = (bits << 8) | octet;
            text = octets == 4 ? default : text[(end + 1)..];
        }
        return true;
    }

    /// <summary>
    /// RFC 4291 section 2.2: eight groups of up to four hexadecimal digits, at most one run of zero groups written as <c>::</c>, the
    /// last two groups perhaps as IPv4.
    /// </summary>
    public static bool TryParseIPv6(ReadOnlySpan<char> text, out UInt128 bits)
    {
        bits = default;
        UInt128 value = default; // the groups read so far, without those that :: stands for
        int groups = 0;
        int before = -1; // how many groups stand before the ::
        if (text.StartsWith("::"))
        {
            before = 0;
            text = text[2..];
        }
        while (!text.IsEmpty)
        {
            int end = text.IndexOf(':');
            if (end < 0 && text.Contains('.'))
            {
                if (!TryParseIPv4(text, out uint low))
                    return false;
                value = (value << 32) | low;
                groups += 2;
                break;
            }
            if (!TryParseGroup(end < 0 ? text : text[..end], out uint group))
                return false;
            value = (value << 16) | group;
            groups++;
            if (end < 0)
                break;
            text = text[(end + 1)..];
            if (text.IsEmpty)
                return false; // a single colon at the end
            if (text[0] != ':')
                continue;
            if (before >= 0)
                return false; // a second ::
            before = groups;
            text = text[1..];
        }
        if (before < 0)
        {
            bits = value;
            return groups == 8;
        }
        if (groups > 7)
            return false; // :: stands for one group at least
        int after = 16 * (groups - before);
        UInt128 head = value >> after;
        UInt128 tail = value ^ (head << after);
        bits = (head << (128 - 16 * before)) | tail; // with nothing before it, head is zero whatever the shift
        return true;
    }

    /// <summary>A decimal number of at most <paramref name="maximum"/>: digits alone, and no leading zero.</summary>
    public static bool TryParseDecimal(ReadOnlySpan<char> text, uint maximum, out uint value)
    {
        value = 0;
        if (text.IsEmpty || text.Length > 10 || (text[0] == '0' && text.Length > 1))
            return false;
        ulong number = 0;
        foreach (char c in text)
        {
            if (!char.IsAsciiDigit(c))
                return false;
            number = number * 10 + (uint)(c - '0');
        }
        value = (uint)number;
        return number <= maximum;
    }

    private static bool TryParseGroup(ReadOnlySpan<char> text, out uint group)
    {
        group = 0;
        if (text.Length is 0 or > 4)
            return false;
        foreach (char c in text)
        {
            if (!char.IsAsciiHexDigit(c))
                return false;
            group = (group << 4) | (uint)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        }
        return true;
    }
}
