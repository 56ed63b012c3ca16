using System.Diagnostics.CodeAnalysis;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Warp;

/// <summary>Where a connector connects to: an address, or a name that the connector resolves, and a TCP port.</summary>
public sealed record WarpTarget
{
    /// <summary>Bytes of the longest host.</summary>
    public const int MaximumHostLength = 253;

    private WarpTarget(string host, ushort port) => (Host, Port) = (host, port);

    /// <summary>The address, without brackets, or the name.</summary>
    public string Host { get; }

    /// <summary>The TCP port.</summary>
    public ushort Port { get; }

    /// <summary>The address, if the host is one; none if it is a name.</summary>
    public IpAddress Address => IpAddress.TryParse(Host, out IpAddress address) ? address : default;

    /// <summary>Makes a target of its parts.</summary>
    /// <returns>False if the host is neither an address nor a name of letters, digits, hyphens, underscores and dots, or the port is 0.</returns>
    public static bool TryCreate(string host, int port, [NotNullWhen(true)] out WarpTarget? target)
    {
        target = null;
        if (port is < 1 or > ushort.MaxValue || host.Length is 0 or > MaximumHostLength)
            return false;
        bool isName = host.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') && host[0] is not ('.' or '-');
        if (!isName && !IpAddress.TryParse(host, out _))
            return false;
        target = new WarpTarget(host, (ushort)port);
        return true;
    }

    /// <summary>Reads <c>HOST:PORT</c> or <c>[IPV6]:PORT</c>.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out WarpTarget? target)
    {
        target = null;
        return EndpointName.TryParse(text) is { Scope.Length: 0 } name && TryCreate(name.Host, name.Port, out target);
    }

    /// <inheritdoc/>
    public override string ToString() => new EndpointName(Host, Scope: "", Port).ToString();
}
