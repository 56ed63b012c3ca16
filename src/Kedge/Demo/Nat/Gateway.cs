using System.Globalization;
using Kedge.Linux.Netlink;

namespace Kedge.Demo.Nat;

/// <summary>
/// A home's router, or a carrier's: a NAT and a firewall of nftables, with any number of machines on one network inside, and other gateways
/// behind it. All homes have the same private addresses, 192.168.1.0/24, as homes do. The topology removes it. Any thread may use it, but
/// one at a time change it.
/// </summary>
public sealed class Gateway : AccessNetwork
{
    private const string Lan = "lan", Ipv4Lan = "192.168.1";
    private const int FirstOutside = 2; // the last byte of the address outside; 1 is the router there

    private GatewaySettings _settings;
    private readonly Line _line;
    private readonly Dictionary<Host, Link> _inside = [];
    private RunningProcess? _miniupnpd;
    private string? _ports;
    private int _outside = FirstOutside;
    private int _portChanges;
    private int _lastInside;

    internal Gateway(Host host, Line line, GatewaySettings settings) : base(host, firstByte: 100, secondByte: 64)
    {
        if (settings.Hairpins && settings.Kind is NatKind.SymmetricRandom or NatKind.SymmetricSequential)
            throw new ArgumentException($"{host} cannot hairpin: a symmetric NAT has no one mapping that others could send to.");
        (_line, _settings) = (line, settings);
        _ports = settings.Kind == NatKind.PortRestrictedRemapping ? Ruleset.OtherPorts : null;
        _lastInside = 10 + line.Number * 8 % 200; // machines of two homes seldom have the same address, as in life
        host.EnableForwarding();
        host.SetSetting($"net.ipv6.conf.{line.Interface}.keep_addr_on_down", "1");
        // Bridged frames are no business of the packet filter.
        host.TrySetSetting("net.bridge.bridge-nf-call-iptables", "0");
        host.TrySetSetting("net.bridge.bridge-nf-call-ip6tables", "0");
        host.IpBatch(
        [
            $"link add name {Lan} type bridge", $"link set {Lan} up",
            .. settings.HasIpv4 ? [$"address add {Ipv4Lan}.1/24 dev {Lan}"] : (string[])[],
            .. settings.HasIpv6 ? [$"address add {line.Ipv6Network}::1/64 dev {Lan} nodad"] : (string[])[],
        ]);
        LoadRules();
        host.SetSetting("net.netfilter.nf_conntrack_udp_timeout", Seconds(settings.UdpTimeout));
        host.SetSetting("net.netfilter.nf_conntrack_udp_timeout_stream", Seconds(settings.UdpStreamTimeout));
    }

    /// <summary>Its IPv4 address outside.</summary>
    public string Address => string.Create(CultureInfo.InvariantCulture, $"{_line.Ipv4Network}.{_outside}");

    private protected override bool HasIpv6 => false;

    /// <summary>Adds a machine inside.</summary>
    /// <param name="label">What to call it: letters, digits and hyphens, unique in the topology.</param>
    public Host AddHost(string label)
    {
        Host host = Router.Topology.AddHost(label);
        Attach(host);
        return host;
    }

    /// <summary>Plugs a machine in, which gets addresses and default routes.</summary>
    /// <param name="host">A host of the same topology, not inside yet.</param>
    /// <param name="metric">The metric of the default routes: of several, the lowest is used.</param>
    /// <exception cref="CommandException">The kernel refused something.</exception>
    public void Attach(Host host, int metric = 1)
    {
        ArgumentNullException.ThrowIfNull(host);
        int number = ++_lastInside;
        string ipv4 = string.Create(CultureInfo.InvariantCulture, $"{Ipv4Lan}.{number}/24");
        string ipv6 = string.Create(CultureInfo.InvariantCulture, $"{_line.Ipv6Network}::{number}/64");
        string[] addresses = [.. _settings.HasIpv4 ? [ipv4] : (string[])[], .. _settings.HasIpv6 ? [ipv6] : (string[])[]];
        Link link = Router.Topology.Connect(host, Router, addresses, []);
        Router.Ip("link", "set", link.InterfaceOfB, "master", Lan);
        string end = string.Create(CultureInfo.InvariantCulture, $"dev {link.InterfaceOfA} metric {metric}");
        host.IpBatch(
        [
            .. _settings.HasIpv4 ? [$"route add 0.0.0.0/0 via {Ipv4Lan}.1 {end}"] : (string[])[],
            .. _settings.HasIpv6 ? [$"route add ::/0 via {_line.Ipv6Network}::1 {end}"] : (string[])[],
        ]);
        _inside.Add(host, link);
    }

    /// <summary>Unplugs a machine: its interface, addresses and routes here are gone.</summary>
    public void Detach(Host host)
    {
        ArgumentNullException.ThrowIfNull(host);
        if (_inside.Remove(host, out Link? link))
            host.Ip("link", "delete", link.InterfaceOfA);
    }

    /// <summary>Switches it off and on again, which takes no time here: all mappings are gone.</summary>
    /// <param name="keepsPorts">
    /// Whether the same local ports get the same mapped ones again, where <see cref="NatKind"/> allows; else they get others.
    /// </param>
    public void Reboot(bool keepsPorts)
    {
        const int Size = 4000, First = 10000, Ranges = 5;
        if (!keepsPorts)
        {
            int first = First + _portChanges++ % Ranges * Size;
            _ports = string.Create(CultureInfo.InvariantCulture, $"{first}-{first + Size - 1}");
        }
        LoadRules();
        ConnectionTracking.Flush(Router.Namespace);
    }

    /// <summary>Gives it another address outside, as a provider does from time to time: all mappings are gone.</summary>
    public void ChangeAddress()
    {
        string old = Address;
        _outside++;
        Router.IpBatch(
            $"address delete {old}/24 dev {_line.Interface}", $"address add {Address}/24 dev {_line.Interface}",
            $"route replace 0.0.0.0/0 via {_line.Ipv4Network}.1");
        LoadRules();
        ConnectionTracking.Flush(Router.Namespace);
    }

    /// <summary>Cuts the line, or restores it. The NAT forgets its mappings meanwhile.</summary>
    public void SetLine(bool isUp)
    {
        if (!isUp)
        {
            Router.Ip("link", "set", _line.Interface, "down");
            return;
        }
        string ipv6Router = $"{_line.Ipv6Network[..^"ff".Length]}0::1"; // segment 0 of the line
        Router.IpBatch(
        [
            $"link set {_line.Interface} up",
            .. _settings.HasIpv4 ? [$"route replace 0.0.0.0/0 via {_line.Ipv4Network}.1"] : (string[])[],
            .. _settings.HasIpv6 ? [$"route replace ::/0 via {ipv6Router}"] : (string[])[],
        ]);
    }

    /// <summary>Lets UDP through from now on, where it was blocked.</summary>
    /// <exception cref="CommandException">The kernel refused something.</exception>
    public void AllowUdp() => UseUdp(isBlocked: false);

    /// <summary>Lets nothing but TCP to port 443 through from now on.</summary>
    /// <exception cref="CommandException">The kernel refused something.</exception>
    public void BlockUdp() => UseUdp(isBlocked: true);

    private void UseUdp(bool isBlocked)
    {
        _settings = _settings with { BlocksUdp = isBlocked };
        LoadRules();
    }

    private void LoadRules()
    {
        Router.Run(new Command("nft", "-f", "-") { Input = new Ruleset(_settings, _line.Interface, Address, _ports).ToString() });
        _miniupnpd?.Stop();
        _miniupnpd = _settings.MapsPorts ? Miniupnpd.Start(Router, _line.Interface, Lan, $"{Ipv4Lan}.0/24") : null;
    }

    private static string Seconds(TimeSpan time) => ((int)time.TotalSeconds).ToString(CultureInfo.InvariantCulture);
}
