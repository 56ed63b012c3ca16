using System.Globalization;

namespace Kedge.Protocol.Ip;

/// <summary>Where a UDP datagram comes from or goes to. The default value is no endpoint.</summary>
/// <param name="Address">The address; none for no endpoint.</param>
/// <param name="Port">The UDP port.</param>
/// <param name="ScopeId">
/// The index of the interface: needed for an IPv6 link-local address, and used with a local address for the interface that a datagram
/// came in by. 0 where neither matters.
/// </param>
public readonly record struct Endpoint(IpAddress Address, ushort Port, uint ScopeId = 0)
{
    /// <summary>Whether this is no endpoint at all.</summary>
    public bool IsNone => Address.IsNone;

    /// <summary>Reads <c>1.2.3.4:51820</c>, <c>[2001:db8::1]:51820</c> or <c>[fe80::1%3]:51820</c> (the scope as an interface's index).</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Endpoint endpoint)
    {
        endpoint = default;
        int colon = text.LastIndexOf(':');
        if (colon < 0 || !ushort.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
            return false;
        ReadOnlySpan<char> host = text[..colon];
        bool bracketed = host.Length > 2 && host[0] == '[' && host[^1] == ']';
        if (bracketed)
            host = host[1..^1];
        uint scope = 0;
        int percent = host.IndexOf('%');
        if (percent >= 0)
        {
            if (!uint.TryParse(host[(percent + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out scope))
                return false;
            host = host[..percent];
        }
        if (!IpAddress.TryParse(host, out IpAddress address) || address.IsIPv6 != bracketed || (scope != 0 && !address.IsIPv6))
            return false;
        endpoint = new Endpoint(address, port, scope);
        return true;
    }

    /// <summary>Reads an endpoint.</summary>
    /// <exception cref="FormatException">The text is no endpoint.</exception>
    public static Endpoint Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out Endpoint endpoint)
            ? endpoint
            : throw new FormatException($"'{text}' is not an endpoint such as 192.0.2.1:51820 or [2001:db8::1]:51820.");

    /// <summary>The endpoint in the notation that <see cref="Parse"/> reads.</summary>
    public override string ToString() => Address.IsIPv6
        ? ScopeId == 0 ? $"[{Address}]:{Port}" : $"[{Address}%{ScopeId}]:{Port}"
        : $"{Address}:{Port}";
}
