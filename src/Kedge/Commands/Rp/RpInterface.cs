using Kedge.Linux;
using Kedge.Linux.Netlink;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;
using Microsoft.Extensions.Logging;

namespace Kedge.Commands.Rp;

/// <summary>What <c>rp</c> does to its interface: its address, its state, and the routes to what is behind peers.</summary>
internal static class RpInterface
{
    private static readonly IpPrefix LinkLocal = IpPrefix.Parse("fe80::/10"); // RFC 4291, section 2.5.6

    /// <summary>Gives the interface its addresses, sets it up, and adds the routes, which end with the interface.</summary>
    /// <exception cref="UserError">The kernel refuses, or a route would be in the way of another interface's.</exception>
    public static void SetUp(RpConfiguration configuration, ILogger log)
    {
        try
        {
            using RouteSocket kernel = RouteSocket.Open();
            NetworkLink link = kernel.FindLink(configuration.Device)
                ?? throw new LinuxException(Errno.ENODEV, "find interface", configuration.Device);
            foreach ((IpAddress address, int prefixLength) in configuration.Addresses)
                kernel.Add(new InterfaceAddress(link.Index, address, prefixLength) { HasPrefixRoute = true });
            kernel.SetLink(link, up: true, link.Mtu);
            IReadOnlyList<Route> others = kernel.Routes(Route.MainTable);
            foreach (IpPrefix prefix in configuration.Peers.SelectMany(peer => peer.AllowedIps).Distinct())
            {
                if (prefix.Length == 0)
                    Log.DefaultRouteLeftOut(log, prefix);
                else if (IsFree(prefix, link, others))
                    kernel.Add(new Route(prefix, Route.MainTable, Route.BootProtocol, link.Index));
            }
        }
        catch (LinuxException e)
        {
            throw new UserError($"{configuration.Device} cannot be made ready: {e.Message}.", e);
        }
    }

    /// <summary>Whether a route is needed: not where the interface's address has brought one.</summary>
    private static bool IsFree(IpPrefix prefix, NetworkLink link, IReadOnlyList<Route> others)
    {
        Route[] same = [.. others.Where(route => route.Destination == prefix && route.IsUnicast)];
        if (Array.Exists(same, route => route.Index == link.Index))
            return false;
        // Whoever sends to a link-local address names the interface, so that each may have the same ones.
        if (same.Length == 0 || LinkLocal.Contains(prefix.Address))
            return true;
        string other = InterfaceName.FromIndex((uint)same[0].Index) ?? "another interface";
        throw new UserError(
            $"{prefix} is among the allowed IPs, but {other} has a route to it already. Delete that one, or allow another prefix.");
    }
}
