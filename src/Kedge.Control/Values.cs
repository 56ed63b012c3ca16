using System.Text;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Control;

/// <summary>
/// Reads the values of requests. What is wrong goes to the <see cref="Faults"/>, with the value, what is wrong with it, and what would be
/// right.
/// </summary>
internal static class Values
{
    /// <summary>The longest DNS label in characters.</summary>
    public const int LongestLabel = 63;

    private const int LongestShown = 100;
    private const int LongestEndpoint = 64; // an IPv6 address, a scope and a port

    /// <summary>A DNS label (RFC 1123 section 2.1): what zones, nodes and tags are called.</summary>
    public static void CheckLabel(Faults faults, string field, string? value)
    {
        bool valid = value?.Length is >= 1 and <= LongestLabel
            && value.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')
            && value[0] != '-' && value[^1] != '-';
        if (value is null || !valid)
            faults.Add(field, $"{Show(value)} is no name: 1 to 63 of a-z, 0-9 and '-', with no '-' at either end.");
        else if (Guid.TryParse(value, out _))
            faults.Add(field, $"{Show(value)} looks like an identifier: choose another name.");
    }

    /// <summary>A list of labels, each once, at most 16.</summary>
    public static void CheckTags(Faults faults, string field, IReadOnlyList<string> values)
    {
        if (values.Count > 16)
            faults.Add(field, $"There are {values.Count} tags, but 16 is the most.");
        for (int i = 0; i < Math.Min(values.Count, 16); i++)
            CheckLabel(faults, $"{field}[{i}]", values[i]);
        if (values.Distinct().Count() != values.Count)
            faults.Add(field, "A tag is named twice: name each once.");
    }

    /// <summary>A text for people: up to 500 characters, none of them a control character.</summary>
    public static void CheckDescription(Faults faults, string field, string value)
    {
        if (value.Length > 500)
            faults.Add(field, $"The text has {value.Length} characters, but 500 is the most.");
        else if (value.Any(char.IsControl))
            faults.Add(field, "The text has a control character in it, such as a line break: write one line.");
    }

    /// <summary>Prefixes in CIDR notation, at most <paramref name="most"/>, without bits behind the prefix.</summary>
    public static List<IpPrefix> ReadPrefixes(Faults faults, string field, IReadOnlyList<string> values, int most)
    {
        List<IpPrefix> prefixes = [];
        if (values.Count > most)
            faults.Add(field, $"There are {values.Count} prefixes, but {most} is the most.");
        for (int i = 0; i < Math.Min(values.Count, most); i++)
        {
            string? value = values[i]; // a list in JSON may have null in it, whatever its type says
            if (value is null || !value.Contains('/') || !IpPrefix.TryParse(value, out IpPrefix prefix))
                faults.Add($"{field}[{i}]", $"{Show(value)} is no prefix such as 10.1.0.0/16 or fd00:1::/64.");
            else if (prefix.Address != IpAddress.Parse(value.AsSpan(0, value.IndexOf('/'))))
                faults.Add($"{field}[{i}]", $"{Show(value)} has bits behind its prefix; {prefix} would be right.");
            else if (prefix.Address.IsIPv6 && AddressRules.IsMapped(prefix.Address))
                faults.Add($"{field}[{i}]", $"{Show(value)} is IPv4 in the guise of IPv6: write it as IPv4.");
            else
                prefixes.Add(prefix);
        }
        return prefixes;
    }

    /// <summary>Addresses, at most one a family.</summary>
    public static List<IpAddress> ReadAddresses(Faults faults, string field, IReadOnlyList<string> values)
    {
        List<IpAddress> addresses = [];
        if (values.Count > 2)
            faults.Add(field, $"There are {values.Count} addresses, but one a family is the most.");
        for (int i = 0; i < Math.Min(values.Count, 2); i++)
        {
            if (!IpAddress.TryParse(values[i], out IpAddress address))
                faults.Add($"{field}[{i}]", $"{Show(values[i])} is no address such as 10.200.0.7 or fd00:1::7.");
            else if (address.IsIPv6 && AddressRules.IsMapped(address))
                faults.Add($"{field}[{i}]", $"{Show(values[i])} is IPv4 in the guise of IPv6: write it as IPv4.");
            else if (addresses.Any(other => other.Size == address.Size))
                faults.Add($"{field}[{i}]", $"{Show(values[i])} is a second address of its family, but a node has one.");
            else
                addresses.Add(address);
        }
        return addresses;
    }

    /// <summary>An endpoint that others can send to; null where it is none.</summary>
    public static Endpoint? ReadEndpoint(Faults faults, string field, string value)
    {
        if (value.Length <= LongestEndpoint && Endpoint.TryParse(value, out Endpoint endpoint) && endpoint.Port != 0 && AddressRules.CanBeSentTo(endpoint.Address) && endpoint.ScopeId == 0)
            return endpoint;
        faults.Add(field, $"{Show(value)} is no endpoint that others can reach, such as 192.0.2.1:51820 or [2001:db8::1]:51820.");
        return null;
    }

    /// <summary>A WireGuard public key.</summary>
    public static PublicKey ReadWireGuardKey(Faults faults, string field, string? value)
    {
        if (!PublicKey.TryParse(value, out PublicKey key) || key.IsZero)
            faults.Add(field, $"{Show(value)} is no WireGuard public key: 32 bytes in base64, 44 characters, as 'wg pubkey' prints them.");
        return key;
    }

    /// <summary>Bytes in base64; empty where they are not.</summary>
    public static byte[] ReadBytes(Faults faults, string field, string? value, int least, int most)
    {
        var bytes = new byte[most + 3];
        if (value?.Length <= most * 2 && Convert.TryFromBase64String(value, bytes, out int length) && length >= least && length <= most
            && Convert.ToBase64String(bytes, 0, length) == value)
            return bytes[..length];
        string size = least == most ? $"{least} bytes" : $"{least} to {most} bytes";
        faults.Add(field, $"{Show(value)} is not {size} in base64.");
        return [];
    }

    /// <summary>A whole number of a query string.</summary>
    public static long ReadNumber(Faults faults, string field, string? value, long least, long most, long otherwise)
    {
        if (value is null)
            return otherwise;
        if (value.Length <= 19 && value.All(char.IsAsciiDigit) && long.TryParse(value, out long number) && number >= least && number <= most)
            return number;
        faults.Add(field, $"{Show(value)} is no number from {least} to {most}.");
        return otherwise;
    }

    /// <summary>A yes or no of a query string.</summary>
    public static bool ReadFlag(Faults faults, string field, string? value)
    {
        if (value is not (null or "true" or "false"))
            faults.Add(field, $"{Show(value)} is neither true nor false.");
        return value == "true";
    }

    /// <summary>
    /// A value as a sentence or a log can hold it, wherever it comes from: in quotes, not endless, on one line, and with nothing in it that
    /// moves a terminal's cursor or turns the direction of writing.
    /// </summary>
    /// <param name="value">The value.</param>
    /// <param name="most">How many characters of it are shown.</param>
    public static string Show(string? value, int most = LongestShown)
    {
        if (value is null)
            return "null";
        var shown = new StringBuilder("'");
        foreach (Rune rune in value.EnumerateRunes().Take(most))
            shown.Append(PrintableText.IsPrintable(rune) ? rune.ToString() : "?");
        return shown.Append(value.Length > most ? "…'" : "'").ToString();
    }
}
