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

    /// <summary>
    /// Reads <c>192.0.2.1:51820</c>, <c>[2001:db8::1]:51820</c> or <c>[fe80::1%3]:51820</c>. The scope is an interface's index; a name
    /// must be replaced by it first, since only the kernel knows which it is.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Endpoint endpoint)
    {
        endpoint = default;
        int colon = text.LastIndexOf(':');
        if (colon < 0 || !AddressText.TryParseDecimal(text[(colon + 1)..], ushort.MaxValue, out uint port))
            return false;
        ReadOnlySpan<char> host = text[..colon];
        bool bracketed = host is ['[', .., ']'];
        uint scope = 0;
        if (bracketed)
        {
            host = host[1..^1];
            int percent = host.IndexOf('%');
            if (percent >= 0)
            {
                if (!AddressText.TryParseDecimal(host[(percent + 1)..], uint.MaxValue, out scope))
                    return false;
                host = host[..percent];
            }
        }
        if (!IpAddress.TryParse(host, out IpAddress address) || address.IsIPv6 != bracketed)
            return false;
        endpoint = new Endpoint(address, (ushort)port, scope);
        return true;
    }

    /// <summary>Reads an endpoint.</summary>
    /// <exception cref="FormatException">The text is no endpoint.</exception>
    public static Endpoint Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out Endpoint endpoint)
            ? endpoint
            : throw new FormatException($"'{text}' is not an endpoint such as 192.0.2.1:51820 or [2001:db8::1]:51820.");

    /// <summary>The endpoint in the notation that <see cref="Parse"/> reads.</summary>
    public override string ToString()
    {
        if (IsNone)
            return "none";
        if (Address.IsIPv4)
            return $"{Address}:{Port}";
        return ScopeId == 0 ? $"[{Address}]:{Port}" : $"[{Address}%{ScopeId}]:{Port}";
    }
}
