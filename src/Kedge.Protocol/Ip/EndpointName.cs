using System.Globalization;

namespace Kedge.Protocol.Ip;

/// <summary>
/// An endpoint as a person writes it: <c>server.example:9999</c>, <c>192.0.2.1:9999</c>, <c>[2001:db8::1]:9999</c>,
/// <c>[fe80::1%eth0]:9999</c>. What stands behind it may change: a name's addresses, and the index of an interface that comes and goes.
/// </summary>
/// <param name="Host">A name or an address, without brackets and scope.</param>
/// <param name="Scope">The interface of a link-local address, by name or index; empty for none.</param>
/// <param name="Port">The UDP port.</param>
public sealed record EndpointName(string Host, string Scope, ushort Port)
{
    private const int MaximumNameLength = 253; // RFC 1035, section 2.3.4, without the dot at the end

    /// <summary>
    /// Reads where somebody is to be reached. An IPv6 address needs its brackets, unless a scope says where it ends.
    /// </summary>
    /// <returns>Null where the text is no such thing.</returns>
    public static EndpointName? TryParse(string text) => Read(text) is { Port: > 0 } name ? name : null;

    /// <inheritdoc cref="TryParse"/>
    /// <exception cref="FormatException">The text is no such thing; the message says so.</exception>
    public static EndpointName Parse(string text) => TryParse(text)
        ?? throw new FormatException($"'{text}' is no host and port such as server.example:9999 or [fe80::1%eth0]:9999.");

    /// <summary>Reads where to receive: an address and no name; port 0 is one of the system's choice.</summary>
    /// <returns>Null where the text is no such thing.</returns>
    public static EndpointName? TryParseLocal(string text) => Read(text) is { } name && IpAddress.TryParse(name.Host, out _) ? name : null;

    /// <inheritdoc cref="TryParseLocal"/>
    /// <exception cref="FormatException">The text is no such thing; the message says so.</exception>
    public static EndpointName ParseLocal(string text) => TryParseLocal(text)
        ?? throw new FormatException($"'{text}' is no address and port such as 192.0.2.1:9999, [::]:9999 or [fe80::1%eth0]:9999.");

    /// <summary>The name in the notation that <see cref="TryParse"/> reads.</summary>
    public override string ToString() =>
        (Host.Contains(':'), Scope.Length > 0) switch
        {
            (true, true) => $"[{Host}%{Scope}]:{Port}",
            (true, false) => $"[{Host}]:{Port}",
            _ => $"{Host}:{Port}",
        };

    private static EndpointName? Read(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int colon = text.LastIndexOf(':');
        if (colon < 1 || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
            return null;
        string host = text[..colon];
        bool isBracketed = host is ['[', .., ']'];
        if (isBracketed)
            host = host[1..^1];
        string scope = "";
        int percent = host.IndexOf('%');
        if (percent >= 0)
            (host, scope) = (host[..percent], host[(percent + 1)..]);
        bool isIPv6 = host.Contains(':');
        bool isWrong = host.Length is 0 or > MaximumNameLength
            || host.Any(char.IsWhiteSpace)
            || (isIPv6 && !IpAddress.TryParse(host, out _))
            || (isIPv6 && !isBracketed && percent < 0)
            || (!isIPv6 && (isBracketed || percent >= 0))
            || (percent >= 0 && scope.Length == 0);
        return isWrong ? null : new EndpointName(host, scope, port);
    }
}
