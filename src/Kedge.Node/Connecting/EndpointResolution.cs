using System.Net;
using System.Net.Sockets;
using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Ip;

namespace Kedge.Node.Connecting;

/// <summary>What stands behind an <see cref="EndpointName"/> now.</summary>
public static class EndpointResolution
{
    /// <summary>Finds out where somebody is to be reached.</summary>
    /// <returns>At least one endpoint.</returns>
    /// <exception cref="SocketException">The name has no address, or nobody can be asked.</exception>
    /// <exception cref="LinuxException">The interface is not there.</exception>
    public static async Task<Endpoint[]> ResolveAsync(this EndpointName name, CancellationToken ending)
    {
        if (IpAddress.TryParse(name.Host, out IpAddress address))
            return [new Endpoint(address, name.Port, ScopeId(name))];
        IPAddress[] found = await Dns.GetHostAddressesAsync(name.Host, ending);
        return found.Length > 0
            ? [.. found.Select(one => new Endpoint(IpAddress.FromBytes(one.GetAddressBytes()), name.Port))]
            : throw new SocketException((int)SocketError.NoData);
    }

    /// <summary>Finds out where to receive.</summary>
    /// <param name="name">What <see cref="EndpointName.TryParseLocal"/> has read.</param>
    /// <exception cref="UserError">The interface is not there.</exception>
    public static Endpoint ResolveLocal(this EndpointName name)
    {
        try
        {
            return new Endpoint(IpAddress.Parse(name.Host), name.Port, ScopeId(name));
        }
        catch (LinuxException e)
        {
            throw new UserError(
                $"Nothing can be received at {name}: there is no interface '{name.Scope}'; 'ip link' shows those that there are.", e);
        }
    }

    private static uint ScopeId(EndpointName name) =>
        name.Scope.Length == 0 ? 0 : uint.TryParse(name.Scope, out uint index) ? index : InterfaceName.ToIndex(name.Scope);
}
