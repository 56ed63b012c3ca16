using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Node.ControlLink;

/// <summary>Where a node tells the others that it can be reached.</summary>
public static class OwnEndpoints
{
    /// <summary>
    /// What a person has said comes first and in place of what the gateway maps and what STUN sees; then these; then the machine's own addresses
    /// with the device's port.
    /// </summary>
    /// <param name="device">The node's device; without a port it can be reached nowhere.</param>
    /// <param name="settings">What a person has said.</param>
    /// <param name="mapped">From where the gateway maps the device's port; none where it does not.</param>
    /// <param name="addresses">The machine's own addresses that are worth telling.</param>
    public static IReadOnlyList<PeerEndpoint> Find(DeviceStatus device, NodeSettings settings, Endpoint mapped, IReadOnlyCollection<IpAddress> addresses)
    {
        if (device.ListenPort == 0)
            return [];
        List<PeerEndpoint> own = [];
        foreach (string text in settings.LocalEndpointAddresses)
        {
            if (Endpoint.TryParse(text, out Endpoint endpoint))
                own.Add(new PeerEndpoint(endpoint, PeerEndpointKind.Fixed));
            else if (IpAddress.TryParse(text, out IpAddress address))
                own.Add(new PeerEndpoint(new Endpoint(address, device.ListenPort), PeerEndpointKind.Fixed));
        }
        if (settings.LocalEndpointAddresses.Count == 0)
        {
            if (!mapped.IsNone)
                own.Add(new PeerEndpoint(mapped, PeerEndpointKind.Mapped));
            own.AddRange(
                from result in device.StunResults
                where !result.Reflexive.IsNone
                select new PeerEndpoint(result.Reflexive, PeerEndpointKind.Reflexive));
            own.AddRange(
                from seen in device.PeerReflexive
                where !addresses.Contains(seen.Address)
                select new PeerEndpoint(seen, PeerEndpointKind.Reflexive));
        }
        own.AddRange(addresses.Select(address => new PeerEndpoint(new Endpoint(address, device.ListenPort), PeerEndpointKind.Local)));
        return [.. own.Distinct()];
    }

    /// <summary>The relay where what is for this node is passed on: itself if it is one, otherwise the one that its device has chosen.</summary>
    /// <param name="device">The node's device.</param>
    /// <param name="own">The node's certificate.</param>
    public static IEnumerable<PeerEndpoint> FindRelays(DeviceStatus device, NodeCertificate own)
    {
        if (device.ListenPort != 0 && device.IsRelay)
            return [Relay(own.Addresses[0])];
        IEnumerable<IpPrefix> addresses = device.Peers.FirstOrDefault(peer => peer.PublicKey == device.RelayHome)?.AllowedIps ?? [];
        return addresses.Where(prefix => prefix.Length == 8 * prefix.Address.Size).Take(1).Select(prefix => Relay(prefix.Address));

        PeerEndpoint Relay(IpAddress address) => new(new Endpoint(address, device.ListenPort), PeerEndpointKind.Relay);
    }

    /// <summary>The stream to the controller by which this node is reached, where its device has one.</summary>
    /// <param name="device">The node's device.</param>
    public static IEnumerable<PeerEndpoint> FindStreams(DeviceStatus device) =>
        device is { HasStream: true, PublicKey: { } key } ? [new PeerEndpoint(StreamAddress.Of(key), PeerEndpointKind.Stream)] : [];

    /// <summary>An endpoint as the controller is told of it.</summary>
    public static NodeEndpoint ToText(PeerEndpoint endpoint) => new(endpoint.Address.ToString(), endpoint.Kind.ToText());

    /// <summary>An endpoint as a person is told of it.</summary>
    public static string Describe(PeerEndpoint endpoint) => $"{endpoint.Address} ({ToText(endpoint).Kind})";
}
