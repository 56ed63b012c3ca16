using Kedge.Protocol.Mesh;

namespace Kedge.Node.ControlLink;

/// <summary>Puts in words what a control link knows about its zone.</summary>
internal static class ZoneReport
{
    /// <summary>Records that are not used, and why, in order of their names.</summary>
    public static IEnumerable<LinkRefusal> Refusals(NetworkMap map, ZonePeers peers) =>
        map.Refused.Select(refused => new LinkRefusal(refused.Resource, refused.Reason))
            .Concat(peers.Refused.Select(refused => new LinkRefusal(MapResource.Peer(refused.Key), refused.Value)))
            .OrderBy(refusal => refusal.Resource, StringComparer.Ordinal);

    /// <summary>That other machines use this node's keys at the same time, as a sentence; null where none does.</summary>
    public static string? DuplicatesOf(NetworkMap map, NodeFolder folder) => map.DuplicatesFrom is not { } from
        ? null
        : $"Another machine uses this node's keys at the same time, perhaps a copy of its disk: it is connected to the controller from {from}. Both "
        + $"have the same addresses, so neither is reached reliably. Run 'kedge down --interface {folder.InterfaceName}' on one of them. To keep both, "
        + $"also remove {folder.Path} there and join again with a token of its own.";

    /// <summary>The zone's state; what is not part of the zone is the caller's to add.</summary>
    public static LinkStatus Status(
        string interfaceName, Membership membership, CertificateFile certificate, NetworkMap map, ZonePeers peers) => new()
        {
            Interface = interfaceName,
            Name = membership.Name,
            NodeId = membership.NodeId,
            Network = membership.Network,
            Zone = map.Zone?.Name ?? membership.ZoneName,
            ZonePrefixes = map.Zone?.Prefixes ?? membership.ZonePrefixes,
            Addresses = certificate.Addresses,
            ChildPrefixes = certificate.ChildPrefixes,
            NetworkNamespace = membership.Settings.NetworkNamespace,
            Controller = new ControllerConnection(membership.Controller, Connected: false, Since: null, LastError: null),
            Revision = map.Position.Revision,
            CertificateExpiresAt = certificate.Node.NotAfter,
            Endpoints = [.. peers.Endpoints.Own.Select(OwnEndpoints.Describe)],
            BehindNat = peers.Endpoints.IsBehindNat,
            Peers =
            [
                .. from peer in peers.Admitted
                   orderby peer.Certificate.Name
                   select ToStatus(peer, peers),
            ],
            Refused = [.. Refusals(map, peers)],
        };

    private static LinkPeer ToStatus(ZonePeer peer, ZonePeers peers) => new(
        peer.Id,
        peer.Certificate.Name,
        peer.Certificate.WireGuardKey.ToString(),
        [.. peer.Certificate.Addresses.Select(address => address.ToString())],
        [.. peer.Certificate.Prefixes.Select(prefix => prefix.ToString())],
        [.. peers.Endpoints.CandidatesOf(peer.Certificate.WireGuardKey).Select(OwnEndpoints.Describe)]);
}
