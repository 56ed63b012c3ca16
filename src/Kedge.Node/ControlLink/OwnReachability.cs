using Kedge.Node.PortMapping;
using Kedge.Node.Routing;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard.Uapi;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// Finds out where this node can be reached, which the others are told. One thread at a time.
/// </summary>
/// <param name="endpoints">Receives where this node can be reached.</param>
/// <param name="portMapper">Has the node's port mapped; stays the caller's.</param>
/// <param name="log">Receives where the node can be reached, when that changes.</param>
internal sealed class OwnReachability(ZoneEndpoints endpoints, PortMapper portMapper, ILogger log)
{
    /// <summary>How the NAT in front of this node maps, as STUN found out.</summary>
    public NatMapping NatMapping { get; private set; }

    /// <summary>What the gateway maps, for people.</summary>
    public string PortMapping => portMapper.State.Summary;

    /// <summary>Where the others are told to reach this node.</summary>
    public EndpointReport Report => new([.. Endpoints.Select(OwnEndpoints.ToText)]);

    /// <summary>Where this node can be reached, as far as others are told.</summary>
    public IReadOnlyList<PeerEndpoint> Endpoints => [.. endpoints.Own.Take(EndpointReport.MaximumEndpoints)];

    /// <summary>This machine's addresses.</summary>
    public IReadOnlyCollection<IpAddress> MachineAddresses =>
        [.. endpoints.Own.Where(own => own.Kind == PeerEndpointKind.Local).Select(own => own.Address.Address)];

    /// <summary>Where STUN servers see this node.</summary>
    public IReadOnlyCollection<Endpoint> Reflexive =>
        [.. endpoints.Own.Where(own => own.Kind == PeerEndpointKind.Reflexive).Select(own => own.Address)];

    /// <summary>Looks at the device, the gateway and the machine's addresses.</summary>
    /// <param name="status">What the device shows.</param>
    /// <param name="settings">What a person has said.</param>
    /// <param name="certificate">The node's certificate.</param>
    public void Look(DeviceStatus status, NodeSettings settings, NodeCertificate certificate)
    {
        if (status.ListenPort == 0 && status.PortProblem is null)
            return; // it has just started
        portMapper.Port = settings.MapsPort ? status.ListenPort : (ushort)0;
        IReadOnlyList<PeerEndpoint> own =
        [
            .. OwnEndpoints.FindRelays(status, certificate),
            .. OwnEndpoints.FindStreams(status),
            .. OwnEndpoints.Find(status, settings, portMapper.State.External, LocalAddresses.Find()),
        ];
        NatMapping = status.NatMapping;
        if (own.SequenceEqual(endpoints.Own))
            return;
        endpoints.Own = own;
        Log.Reachable(log, own.Count == 0 ? "no known address" : string.Join(", ", own.Select(OwnEndpoints.Describe)));
    }
}
