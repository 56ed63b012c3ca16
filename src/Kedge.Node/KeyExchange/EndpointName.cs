using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Kedge.Linux;
using Kedge.Protocol.Ip;

namespace Kedge.Node.KeyExchange;

/// <summary>
/// Where a peer is, as a person writes it: <c>server.example:9999</c>, <c>192.0.2.1:9999</c>, <c>[2001:db8::1]:9999</c>,
/// <c>[fe80::1%eth0]:9999</c>. What stands behind it may change: a name's addresses, and the index of an interface that comes and goes.
/// </summary>
/// <param name="Host">A name or an address, without brackets and scope.</param>
/// <param name="Scope">The interface of a link-local address, by name or index; empty for none.</param>
/// <param name="Port">The UDP port.</param>
public sealed record EndpointName(string Host, string Scope, ushort Port)
{
    private const int MaximumNameLength = 253; // RFC 1035, section 2.3.4, without the dot at the end

    /// <summary>Reads a name. An IPv6 address needs its brackets, unless a scope says where it ends.</summary>
    /// <returns>Null where the text is none.</returns>
    public static EndpointName? TryParse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int colon = text.LastIndexOf(':');
        if (colon < 1 || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) || port == 0)
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
            || (isIPv6 && !IpAddress.TryParse(host, out _))
            || (isIPv6 && !isBracketed && percent < 0)
            || (!isIPv6 && (isBracketed || percent >= 0))
            || (percent >= 0 && scope.Length == 0);
        return isWrong ? null : new EndpointName(host, scope, port);
    }

    /// <summary>Finds out what stands behind the name now.</summary>
    /// <returns>At least one endpoint.</returns>
    /// <exception cref="SocketException">The name has no address, or nobody can be asked.</exception>
    /// <exception cref="LinuxException">The interface is not there.</exception>
    public async Task<Endpoint[]> ResolveAsync(CancellationToken ending)
    {
        if (IpAddress.TryParse(Host, out IpAddress address))
            return [new Endpoint(address, Port, ScopeId())];
        IPAddress[] found = await Dns.GetHostAddressesAsync(Host, ending);
        return found.Length > 0
            ? [.. found.Select(one => new Endpoint(IpAddress.FromBytes(one.GetAddressBytes()), Port))]
            : throw new SocketException((int)SocketError.NoData);
    }

    /// <summary>The name in the notation that <see cref="TryParse"/> reads.</summary>
    public override string ToString() =>
        (Host.Contains(':'), Scope.Length > 0) switch
        {
            (true, true) => $"[{Host}%{Scope}]:{Port}",
            (true, false) => $"[{Host}]:{Port}",
            _ => $"{Host}:{Port}",
        };

    private uint ScopeId() => Scope.Length == 0 ? 0 : uint.TryParse(Scope, out uint index) ? index : InterfaceName.ToIndex(Scope);
}
