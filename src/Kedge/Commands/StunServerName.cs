using System.Globalization;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;

namespace Kedge.Commands;

/// <summary>A STUN server as people name it: a name or an address, and a port where it is not the registered one.</summary>
internal static class StunServerName
{
    /// <summary>What it must be, for an error.</summary>
    public static readonly string Form =
        $"must be a name or an address, and a port where it is not {StunServer.DefaultPort}, such as stun.example.net:3478.";

    /// <summary>Reads one; returns it with its port, such as <c>stun.example.net:3478</c> or <c>[2001:db8::1]:3478</c>, or null.</summary>
    public static string? Read(string text)
    {
        if (Endpoint.TryParse(text, out Endpoint endpoint) && endpoint is { ScopeId: 0, Port: > 0 })
            return endpoint.ToString();
        if (IpAddress.TryParse(text.Trim('[', ']'), out IpAddress address))
            return new Endpoint(address, StunServer.DefaultPort).ToString();
        string[] parts = text.Split(':');
        bool isServer = parts.Length <= 2
            && Uri.CheckHostName(parts[0]) == UriHostNameType.Dns
            && (parts.Length == 1 || (ushort.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) && port > 0));
        return !isServer ? null : parts.Length == 2 ? text : $"{text}:{StunServer.DefaultPort}";
    }
}
