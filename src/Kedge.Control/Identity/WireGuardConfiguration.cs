using System.Text;
using Kedge.Control.Store;
using Kedge.Protocol.Api;
using Kedge.Protocol.Ip;

namespace Kedge.Control.Identity;

/// <summary>
/// What a stock WireGuard peer needs to know of its zone, as a file for <c>wg-quick</c>: a picture of one moment, because nobody tells such a peer
/// what changes.
/// </summary>
internal sealed class WireGuardConfiguration(SqliteStore store, ReachedAddresses reached)
{
    /// <summary>The file of a peer. It lacks the private key, which only its owner has; <c>wg</c> refuses it until that is there.</summary>
    /// <exception cref="Refusal">There is no such node, or it is not a stock peer, or not certified yet.</exception>
    public string Of(string nameOrId, string? zoneName) => store.Read(reader =>
    {
        StoredNode node = Nodes.Find(reader, nameOrId, zoneName is null ? null : Zones.Find(reader, zoneName));
        if (node.Kind != StoredNode.WireGuard)
            throw Refusal.Conflict($"Node {node.Name} runs Kedge, which is told by the controller itself: only a stock WireGuard peer has such a file.");
        if (node.Certificate is null)
            throw Refusal.Conflict($"Node {node.Name} is pending: the others do not know it yet.");
        StoredZone zone = Zones.Find(reader, node.Zone);
        var text = new StringBuilder();
        text.Append($"# {node.Name} in zone {zone.Name}, as of {reader.Now:u}. It does not change by itself: fetch it again when nodes come or go.\n");
        text.Append($"[Interface]\n{PrivateKeyPlaceholder.HintFor(node.Name)}\n");
        text.Append($"PrivateKey = {PrivateKeyPlaceholder.Of(node.WireGuardKey)}\n");
        text.Append($"Address = {string.Join(", ", Certification.Parse(node.Certificate).Addresses.Select(address => $"{address}/{address.Size * 8}"))}\n");
        if (node.FixedEndpoint is { } own)
            text.Append($"ListenPort = {own[(own.LastIndexOf(':') + 1)..]}\n");
        ILookup<Guid, string> endpoints = reached.EndpointsOf(zone.Id);
        var peers = Nodes.List(reader, zone.Id).Where(peer => peer.Id != node.Id && peer.Status == StoredNode.Active)
            .Select(peer => (Node: peer, Certification.Parse(peer.Certificate!).Prefixes)).ToList();
        PrefixTrie<string> routed = PrefixTrie<string>.Empty;
        foreach (IpPrefix prefix in peers.SelectMany(peer => peer.Prefixes))
            routed = routed.With(prefix, prefix.ToString());
        foreach ((StoredNode peer, IReadOnlyList<IpPrefix> prefixes) in peers)
        {
            text.Append($"\n[Peer]\n# {peer.Name}\nPublicKey = {peer.WireGuardKey}\nAllowedIPs = {string.Join(", ", prefixes)}\n");
            IEnumerable<string> known = endpoints[peer.Id];
            AppendEndpoint(text, peer.FixedEndpoint is { } told ? known.Prepend(told) : known, routed);
        }
        return text.ToString();
    });

    // wg-quick routes what the peers are allowed to the interface, and datagrams to their endpoints are no exception from that.
    private static void AppendEndpoint(StringBuilder text, IEnumerable<string> known, PrefixTrie<string> routed)
    {
        foreach (Endpoint endpoint in known.Select(told => Endpoint.Parse(told)))
        {
            if (routed.FindLongest(endpoint.Address) is not { } prefix)
            {
                text.Append($"Endpoint = {endpoint}\nPersistentKeepalive = 25\n");
                return;
            }
            text.Append($"# No Endpoint = {endpoint}: it is in {prefix}, which leads into the tunnel.\n");
        }
    }
}
