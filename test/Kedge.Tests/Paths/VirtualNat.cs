using Kedge.Protocol.Ip;

namespace Kedge.Tests.Paths;

/// <summary>Which datagrams from outside a NAT lets in (RFC 4787, section 5).</summary>
public enum Filtering
{
    /// <summary>All that come to a mapped port.</summary>
    EndpointIndependent,

    /// <summary>Those from an address that was sent to.</summary>
    AddressDependent,

    /// <summary>Those from an endpoint that was sent to.</summary>
    AddressAndPortDependent,
}

/// <summary>A NAT between one inside network and the rest of a <see cref="PathWorld"/>.</summary>
/// <param name="outside">Its outer address.</param>
/// <param name="filtering">What it lets in.</param>
/// <param name="isSymmetric">Whether each destination gets a port of its own.</param>
/// <param name="acceptsInput">
/// Whether a datagram that it does not let in is taken for its own: it then keeps the outer port from the inside for that remote endpoint.
/// </param>
internal sealed class VirtualNat(IpAddress outside, Filtering filtering, bool isSymmetric = false, bool acceptsInput = false)
{
    private readonly Dictionary<(Endpoint Inside, Endpoint Remote), ushort> _ports = [];
    private readonly Dictionary<ushort, Endpoint> _owners = [];
    private readonly HashSet<(ushort Port, Endpoint Remote)> _sentTo = [];
    private readonly HashSet<(ushort Port, Endpoint Remote)> _taken = [];
    private ushort _next = 40_000;

    /// <summary>Its outer address.</summary>
    public IpAddress Outside => outside;

    /// <summary>Where a datagram from inside seems to come from.</summary>
    public Endpoint Leave(Endpoint inside, Endpoint remote)
    {
        (Endpoint, Endpoint) key = (inside, isSymmetric || _taken.Contains((PreferredPort(inside), remote)) ? remote : default);
        if (!_ports.TryGetValue(key, out ushort port))
        {
            port = isSymmetric || key.Item2 != default || (_owners.TryGetValue(PreferredPort(inside), out Endpoint owner) && owner != inside)
                ? _next++
                : PreferredPort(inside);
            _ports[key] = port;
            _owners[port] = inside;
        }
        _sentTo.Add((port, remote));
        return new Endpoint(outside, port);
    }

    /// <summary>Where a datagram from outside goes inside; null for nowhere.</summary>
    public Endpoint? Enter(ushort port, Endpoint remote)
    {
        bool isAllowed = filtering switch
        {
            Filtering.EndpointIndependent => true,
            Filtering.AddressDependent => _sentTo.Any(sent => sent.Port == port && sent.Remote.Address == remote.Address),
            _ => _sentTo.Contains((port, remote)),
        };
        if (isAllowed && _owners.TryGetValue(port, out Endpoint inside))
            return inside;
        if (acceptsInput)
            _taken.Add((port, remote));
        return null;
    }

    /// <summary>Forgets all mappings; the next ones have other ports.</summary>
    public void Reboot()
    {
        _ports.Clear();
        _owners.Clear();
        _sentTo.Clear();
        _taken.Clear();
        _reboots++;
    }

    private int _reboots;

    private ushort PreferredPort(Endpoint inside) => (ushort)(inside.Port + _reboots);
}
