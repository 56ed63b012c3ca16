using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;

namespace Kedge.Tests.Stun;

/// <summary>
/// A NAT by the definitions of RFC 4787, sections 4.1, 5 and 6: which external port a datagram leaves by, and which ones are let in. It
/// forgets nothing.
/// </summary>
internal sealed class SimulatedNat(NatDependence mapping, NatDependence filtering, bool hairpins)
{
    private readonly Dictionary<(Endpoint Inside, Endpoint Key), ushort> _ports = [];
    private readonly Dictionary<ushort, Endpoint> _inside = [];
    private readonly HashSet<(ushort Port, Endpoint Key)> _spokenTo = [];

    /// <summary>Its address outside.</summary>
    public IpAddress Outside { get; } = IpAddress.Parse("203.0.113.9");

    /// <summary>Sends a datagram out; returns the endpoint that it comes from outside.</summary>
    public Endpoint Leave(Endpoint inside, Endpoint destination)
    {
        (Endpoint, Endpoint) key = (inside, KeyOf(mapping, destination));
        if (!_ports.TryGetValue(key, out ushort port))
        {
            _ports[key] = port = (ushort)(40000 + _ports.Count);
            _inside[port] = inside;
        }
        _spokenTo.Add((port, KeyOf(filtering, destination)));
        return new Endpoint(Outside, port);
    }

    /// <summary>Lets a datagram in that is for one of its endpoints, or not; returns for whom it is.</summary>
    public Endpoint? Enter(Endpoint source, Endpoint destination) =>
        source.Address == Outside && !hairpins ? null
        : _spokenTo.Contains((destination.Port, KeyOf(filtering, source))) ? _inside[destination.Port]
        : filtering == NatDependence.EndpointIndependent && _inside.TryGetValue(destination.Port, out Endpoint inside) ? inside
        : null;

    private static Endpoint KeyOf(NatDependence dependence, Endpoint endpoint) => dependence switch
    {
        NatDependence.EndpointIndependent => default,
        NatDependence.AddressDependent => endpoint with { Port = 0 },
        _ => endpoint,
    };
}
