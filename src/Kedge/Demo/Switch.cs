namespace Kedge.Demo;

/// <summary>
/// A switch of a <see cref="Topology"/>: a bridge in a namespace of its own, to which any number of hosts are attached. Any thread may use
/// it.
/// </summary>
public sealed class Switch
{
    private const string Bridge = "switch0";
    private readonly Host _host;

    internal Switch(Host host)
    {
        _host = host;
        // Bridged frames are no business of the host's packet filter.
        host.TrySetSetting("net.bridge.bridge-nf-call-iptables", "0");
        host.TrySetSetting("net.bridge.bridge-nf-call-ip6tables", "0");
        host.Ip("link", "add", "name", Bridge, "mtu", "65535", "type", "bridge");
        host.Ip("link", "set", Bridge, "up");
    }

    /// <summary>The namespace of the bridge, for capturing and filtering what passes.</summary>
    public Host Host => _host;

    /// <summary>
    /// Makes the switch a router as well, for both families: between those on it and whatever else its namespace is linked to.
    /// </summary>
    /// <param name="addresses">Its own addresses, with prefix lengths.</param>
    /// <exception cref="CommandException">The kernel refused an address.</exception>
    public void EnableRouting(string[] addresses)
    {
        ArgumentNullException.ThrowIfNull(addresses);
        _host.EnableForwarding();
        foreach (string address in addresses)
            _host.AddAddress(Bridge, address);
    }

    /// <summary>Plugs a host in.</summary>
    /// <param name="host">A host of the same network.</param>
    /// <param name="addresses">Addresses with prefix lengths, IPv4 and IPv6, for the host's end.</param>
    /// <param name="mtu">Bytes of the longest IP packet, 68 to 65535.</param>
    /// <returns>The cable; its first end is at the host.</returns>
    /// <exception cref="CommandException">The kernel refused a link or an address.</exception>
    public Link Attach(Host host, string[] addresses, int mtu = 1500)
    {
        Link link = _host.Topology.Connect(host, _host, addresses, [], mtu);
        _host.Ip("link", "set", link.InterfaceOfB, "master", Bridge);
        return link;
    }
}
