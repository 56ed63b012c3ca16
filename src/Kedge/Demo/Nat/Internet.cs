namespace Kedge.Demo.Nat;

/// <summary>
/// The network between all others: a switch with servers that have public addresses, which is also the router that the lines of gateways
/// end at. So there is a router between any two gateways, and more where <see cref="GatewaySettings.Hops"/> says so.
/// <para>
/// Gateways have addresses in 5.0.0.0/8, which mean nothing but look public: miniupnpd maps no port where the address outside is a private
/// or a reserved one.
/// </para>
/// </summary>
public sealed class Internet : AccessNetwork
{
    private const string Ipv4 = "192.0.2.254", Ipv6 = "2001:db8::fe";
    private readonly Switch _switch;

    /// <summary>Makes a switch the internet.</summary>
    /// <param name="servers">The switch, on which 192.0.2.254 and 2001:db8::fe are free, of 192.0.2.0/24 and 2001:db8::/64.</param>
    public Internet(Switch servers) : base(HostOf(servers), firstByte: 5, secondByte: 0)
    {
        _switch = servers;
        servers.EnableRouting([$"{Ipv4}/24", $"{Ipv6}/64"]);
    }

    private protected override bool HasIpv6 => true;

    /// <summary>Plugs a machine into the switch, with public addresses and default routes.</summary>
    /// <param name="host">A host of the same topology.</param>
    /// <param name="number">Its number, 1 to 253: it gets 192.0.2.NUMBER, and 2001:db8:: with the same decimal digits at the end.</param>
    public void Attach(Host host, int number)
    {
        _switch.Attach(host, [FormattableString.Invariant($"192.0.2.{number}/24"), FormattableString.Invariant($"2001:db8::{number}/64")]);
        AddRoutes(host);
    }

    /// <summary>Gives a machine that is on the switch with its first interface other addresses, in place of those that it has.</summary>
    /// <param name="host">The machine.</param>
    /// <param name="number">Its new number, as in <see cref="Attach"/>.</param>
    public static void Move(Host host, int number)
    {
        ArgumentNullException.ThrowIfNull(host);
        host.IpBatch(
        [
            "address flush dev eth0 scope global",
            FormattableString.Invariant($"address add 192.0.2.{number}/24 dev eth0"),
            FormattableString.Invariant($"address add 2001:db8::{number}/64 dev eth0 nodad"),
            $"route replace 0.0.0.0/0 via {Ipv4}",
            $"route replace ::/0 via {Ipv6}",
        ]);
    }

    /// <summary>Gives default routes to a machine that is on the switch already, with an address of each family.</summary>
    public static void AddRoutes(Host host)
    {
        ArgumentNullException.ThrowIfNull(host);
        host.IpBatch([$"route add 0.0.0.0/0 via {Ipv4}", $"route add ::/0 via {Ipv6}"]);
    }

    private static Host HostOf(Switch servers)
    {
        ArgumentNullException.ThrowIfNull(servers);
        return servers.Host;
    }
}
