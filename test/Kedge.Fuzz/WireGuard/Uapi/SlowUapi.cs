using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.RegularExpressions;
using Kedge.Fuzz.Ip;
using Kedge.Protocol.Ip;

namespace Kedge.Fuzz.WireGuard.Uapi;

/// <summary>The requests of the configuration protocol, read as a whole, line by line, with strings and regular expressions.</summary>
internal static partial class SlowUapi
{
    private const string Invalid = "Error 22";
    private const string NoProtocol = "Violation 71";

    private const int LongestLine = 2560;

    /// <summary>What a connection that sends these bytes brings about, an entry an event.</summary>
    public static List<string> Read(byte[] bytes)
    {
        List<string> events = [];
        string[] lines = Encoding.Latin1.GetString(bytes).Split('\n');
        int next = 0;
        while (next < lines.Length - 1 && lines[next].Length <= LongestLine)
        {
            string operation = lines[next++];
            if (operation is not ("get=1" or "kedge_get=1" or "set=1"))
            {
                events.Add(NoProtocol);
                return events;
            }
            int first = next;
            while (next < lines.Length - 1 && lines[next].Length is > 0 and <= LongestLine)
                next++;
            bool isComplete = next < lines.Length - 1 && lines[next].Length == 0;
            string? failure = operation == "set=1" ? Set(lines[first..next], out string change) : Get(next - first, operation, out change);
            if (failure is not null)
                events.Add(failure);
            if (failure == NoProtocol)
                return events;
            if (!isComplete)
                break;
            if (failure is null)
                events.Add(change);
            next++;
        }
        if (next < lines.Length && lines[next].Length > LongestLine)
            events.Add(NoProtocol);
        return events;
    }

    /// <summary>Adds a line of a change's description, unless there is no value.</summary>
    public static void Line(StringBuilder text, string key, string? value)
    {
        if (value is not null)
            text.Append(CultureInfo.InvariantCulture, $"{key}={value}\n");
    }

    private static string? Get(int lines, string operation, out string change)
    {
        change = operation == "get=1" ? "Get" : "KedgeGet";
        return lines > 0 ? Invalid : null;
    }

    private static string? Set(string[] lines, out string change)
    {
        List<Dictionary<string, string>> sections = [[]];
        List<List<string>> allowed = [[]];
        List<string> stunServers = [];
        change = "";
        foreach (string line in lines)
        {
            if (line.Any(c => c is < ' ' or > '~') || !line.Contains('='))
                return NoProtocol;
            (string key, string value) = (line[..line.IndexOf('=')], line[(line.IndexOf('=') + 1)..]);
            if (key == "public_key")
            {
                sections.Add([]);
                allowed.Add([]);
            }
            if (Meaning(key, value, sections.Count > 1) is not { } meaning)
                return Invalid;
            if (key == "allowed_ip")
                allowed[^1].Add(meaning);
            else if (key == "stun_server")
                stunServers.Add(meaning);
            else
                sections[^1][key] = meaning;
            if (key == "replace_allowed_ips")
                allowed[^1].Clear();
            if (key == "replace_stun_servers")
                stunServers.Clear();
            if (stunServers.Count > 8)
                return Invalid;
        }
        var text = new StringBuilder("Set\n");
        string[] order =
        [
            "private_key", "listen_port", "fwmark", "replace_peers", "replace_stun_servers",
            "public_key", "remove", "update_only", "preshared_key", "endpoint", "persistent_keepalive_interval", "replace_allowed_ips",
        ];
        foreach ((Dictionary<string, string> section, List<string> prefixes) in sections.Zip(allowed))
        {
            foreach (string key in order)
                Line(text, key, section.GetValueOrDefault(key));
            foreach (string server in stunServers)
                Line(text, "stun_server", server);
            stunServers.Clear(); // they are the device's, which is the first section
            foreach (string prefix in prefixes)
                Line(text, "allowed_ip", prefix);
        }
        change = text.ToString();
        return null;
    }

    /// <summary>A value in its plainest form; null where the key does not exist there or cannot have it.</summary>
    private static string? Meaning(string key, string value, bool isPeer) => (isPeer, key) switch
    {
        (_, "public_key") => Key(value),
        (false, "private_key") => Key(value),
        (false, "listen_port") => Number(value, 65535),
        (false, "fwmark") => Number(value, uint.MaxValue),
        (false, "replace_peers" or "replace_stun_servers") => True(value),
        (false, "stun_server") => StunServer(value),
        (true, "preshared_key") => Key(value),
        (true, "persistent_keepalive_interval") => Number(value, 65535),
        (true, "protocol_version") => value == "1" ? value : null,
        (true, "replace_allowed_ips" or "remove" or "update_only") => True(value),
        (true, "endpoint") => EndpointOf(value),
        (true, "allowed_ip") => AllowedIp(value),
        _ => null,
    };

    private static string? Key(string value) => SixtyFourDigits().IsMatch(value) ? value.ToLowerInvariant() : null;

    private static string? Number(string value, BigInteger maximum) =>
        Digits().IsMatch(value) && BigInteger.Parse(value, CultureInfo.InvariantCulture) is var number && number <= maximum
            ? number.ToString(CultureInfo.InvariantCulture)
            : null;

    private static string? True(string value) => value == "true" ? value : null;

    private static string? AllowedIp(string value)
    {
        string sign = value.StartsWith('-') ? "-" : "";
        string[] parts = value[sign.Length..].Split('/', 2);
        return parts.Length == 2 && SlowText.Address(parts[0]) is { } address && SlowText.Number(parts[1], 8 * (ulong)address.Length) is { } length
            ? sign + new IpPrefix(IpAddress.FromBytes(address), (int)length)
            : null;
    }

    // A port that is not 0, and an address that is not multicast and not of the network 0.
    private static string? StunServer(string value) =>
        SlowText.IsEndpoint(value) && Endpoint.Parse(value) is { Port: not 0 } server
            && server.Address.ToIPAddress().GetAddressBytes() is var bytes
            && (bytes.Length == 4 ? bytes[0] is not 0 and < 224 : bytes[0] != 255 && bytes.Any(part => part != 0))
            ? server.ToString()
            : null;

    private static string? EndpointOf(string value)
    {
        Match scoped = Scoped().Match(value);
        if (!scoped.Success)
            return !value.Contains('%') && SlowText.IsEndpoint(value) ? Endpoint.Parse(value).ToString() : null;
        string name = scoped.Groups[2].Value;
        string bare = scoped.Groups[1].Value + scoped.Groups[3].Value;
        string? scope = Number(name, uint.MaxValue) ?? UapiRequestTarget.InterfaceIndex(name).ToString(CultureInfo.InvariantCulture);
        return scope != "0" && bare.StartsWith('[') && SlowText.IsEndpoint(bare)
            ? (Endpoint.Parse(bare) with { ScopeId = uint.Parse(scope, CultureInfo.InvariantCulture) }).ToString()
            : null;
    }

    [GeneratedRegex(@"\A[0-9a-fA-F]{64}\z")]
    private static partial Regex SixtyFourDigits();

    [GeneratedRegex(@"\A[0-9]+\z")]
    private static partial Regex Digits();

    [GeneratedRegex(@"\A([^%]*)%([^\]]*)(\].*)\z", RegexOptions.Singleline)]
    private static partial Regex Scoped();
}
