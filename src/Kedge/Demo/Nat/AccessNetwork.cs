using System.Globalization;

namespace Kedge.Demo.Nat;

/// <summary>
/// A network that gateways have their line to: the <see cref="Internet"/>, or another gateway, as behind a carrier's NAT.
/// </summary>
public abstract class AccessNetwork
{
    private readonly int _firstByte, _secondByte;
    private int _lines;

    /// <summary>Makes the network of a router.</summary>
    /// <param name="router">Where the lines end.</param>
    /// <param name="firstByte">The first byte of the IPv4 addresses of all lines.</param>
    /// <param name="secondByte">The second byte of those of line number 0; the next line has the next one.</param>
    private protected AccessNetwork(Host router, int firstByte, int secondByte) =>
        (Router, _firstByte, _secondByte) = (router, firstByte, secondByte);

    /// <summary>Where the lines end.</summary>
    public Host Router { get; }

    /// <summary>Whether a line has IPv6.</summary>
    private protected abstract bool HasIpv6 { get; }

    /// <summary>Adds a gateway with a line of its own.</summary>
    /// <param name="label">What to call it: letters, digits and hyphens, unique in the topology.</param>
    /// <param name="settings">What it does; null for a port-restricted NAT.</param>
    /// <exception cref="ArgumentException">It is to have IPv6, and this network has none.</exception>
    /// <exception cref="CommandException">The kernel refused something.</exception>
    public Gateway AddGateway(string label, GatewaySettings? settings = null)
    {
        settings ??= new GatewaySettings();
        if (settings.HasIpv6 && !HasIpv6)
            throw new ArgumentException($"{label} cannot have IPv6 from {Router}, which has none.");
        Host host = Router.Topology.AddHost(label);
        return new Gateway(host, Lay(host, settings), settings);
    }

    /// <summary>
    /// Lays a line: links in a row, each a network of its own, with a router between two. Link 0 is the last one, at the gateway.
    /// </summary>
    private Line Lay(Host gateway, GatewaySettings settings)
    {
        int number = Interlocked.Increment(ref _lines);
        string ipv4 = string.Create(CultureInfo.InvariantCulture, $"{_firstByte}.{_secondByte + number}");
        string ipv6 = string.Create(CultureInfo.InvariantCulture, $"2001:db8:{number:x}");
        Host upstream = Router;
        for (int hop = 1; hop <= settings.Hops; hop++)
        {
            Host router = Router.Topology.AddHost(string.Create(CultureInfo.InvariantCulture, $"{gateway.Label}-hop{hop}"));
            router.EnableForwarding();
            Connect(upstream, router, hop);
            upstream = router;
        }
        return new Line(Connect(upstream, gateway, 0).InterfaceOfB, $"{ipv4}.0", $"{ipv6}:ff", number);

        Link Connect(Host above, Host below, int segment)
        {
            string v4 = string.Create(CultureInfo.InvariantCulture, $"{ipv4}.{segment}");
            string v6 = string.Create(CultureInfo.InvariantCulture, $"{ipv6}:{segment:x}:");
            string[] Addresses(int end) =>
                [.. settings.HasIpv4 ? [$"{v4}.{end}/24"] : (string[])[], .. settings.HasIpv6 ? [$"{v6}:{end}/64"] : (string[])[]];
            string[] Routes(string prefix4, string prefix6, int end) =>
            [
                .. settings.HasIpv4 ? [$"route add {prefix4} via {v4}.{end}"] : (string[])[],
                .. settings.HasIpv6 ? [$"route add {prefix6} via {v6}:{end}"] : (string[])[],
            ];
            Link link = Router.Topology.Connect(above, below, Addresses(1), Addresses(2));
            above.IpBatch(Routes($"{ipv4}.0.0/16", $"{ipv6}::/48", 2));
            below.IpBatch(Routes("0.0.0.0/0", "::/0", 1));
            return link;
        }
    }
}

/// <summary>The gateway's end of a line.</summary>
/// <param name="Interface">The interface towards the network outside.</param>
/// <param name="Ipv4Network">The first three bytes of the line's IPv4 addresses; the router outside is number 1.</param>
/// <param name="Ipv6Network">The first 64 bits of the IPv6 addresses that are routed to the gateway, without colons at the end.</param>
/// <param name="Number">The line's number in its network, from 1.</param>
internal sealed record Line(string Interface, string Ipv4Network, string Ipv6Network, int Number);
