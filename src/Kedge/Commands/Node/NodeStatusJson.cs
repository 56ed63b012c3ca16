using System.Text.Json;
using Kedge.Node.ControlLink;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Commands.Node;

/// <summary>
/// A joined interface as a program reads it: the device's object, as of any WireGuard device, with a member <c>node</c> beside. Where the
/// node process does not run there are only <c>interface</c> and <c>node</c>.
/// </summary>
internal static class NodeStatusJson
{
    /// <summary>Writes it as an object.</summary>
    public static void Write(Utf8JsonWriter json, NodeView view, DateTimeOffset now)
    {
        if (view.Device is { } device)
        {
            StatusJson.Write(
                json, view.Place.Interface, device, KeyExchangeAges.Read(view.Place), now, () => WriteNode(json, view, now));
            return;
        }
        json.WriteStartObject();
        json.WriteString("interface", view.Place.Interface);
        WriteNode(json, view, now);
        json.WriteEndObject();
    }

    private static void WriteNode(Utf8JsonWriter json, NodeView view, DateTimeOffset now)
    {
        (Membership membership, LinkStatus? link) = (view.Membership, view.Link);
        json.WriteStartObject("node");
        json.WriteString("name", membership.Name);
        json.WriteString("id", membership.NodeId);
        json.WriteString("status", membership.Status);
        json.WriteString("identityKeyHash", view.IdentityKeyHash);
        json.WriteString("network", membership.Network);
        json.WriteString("zone", link?.Zone ?? membership.ZoneName);
        Write(json, "zonePrefixes", link?.ZonePrefixes ?? membership.ZonePrefixes);
        Write(json, "addresses", membership.Addresses);
        Write(json, "childPrefixes", membership.ChildPrefixes);
        Write(json, "waitingPrefixes", membership.WaitingPrefixes);
        json.WriteString("networkNamespace", membership.Settings.NetworkNamespace);
        json.WriteBoolean("nodeProcessRuns", view.Device is not null);
        json.WriteBoolean("controlLinkRuns", link is not null);
        json.WriteStartObject("controller");
        json.WriteString("url", membership.Controller);
        json.WriteBoolean("connected", link?.Controller.Connected ?? false);
        WriteTime(json, "since", link?.Controller.Since);
        json.WriteString("lastError", link?.Controller.LastError);
        json.WriteEndObject();
        json.WriteNumber("revision", link?.Revision ?? 0);
        WriteTime(json, "certificateExpiresAt", link?.CertificateExpiresAt);
        WriteTime(json, "certificateRenewsAt", link?.CertificateRenewsAt);
        Write(json, "endpoints", link?.Endpoints ?? []);
        json.WriteBoolean("behindNat", link?.BehindNat ?? false);
        json.WriteString("natMapping", NatMapping(link?.NatMapping));
        json.WriteString("portMapping", link?.PortMapping);
        json.WriteStartObject("introductions");
        json.WriteNumber("passedOn", link?.Introductions.PassedOn ?? 0);
        json.WriteNumber("refused", link?.Introductions.Refused ?? 0);
        json.WriteEndObject();
        json.WriteStartArray("peers");
        foreach (LinkPeer peer in view.Peers)
            Write(json, view, peer, now);
        json.WriteEndArray();
        json.WriteStartArray("refused");
        foreach (LinkRefusal refusal in link?.Refused ?? [])
        {
            json.WriteStartObject();
            json.WriteString("resource", refusal.Resource);
            json.WriteString("reason", refusal.Reason);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        Write(json, "problems", view.ProblemsAndLimits());
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, NodeView view, LinkPeer peer, DateTimeOffset now)
    {
        PeerStatus? seen = view.DevicePeer(peer);
        json.WriteStartObject();
        json.WriteString("name", peer.Name);
        json.WriteString("id", peer.Id);
        json.WriteString("publicKey", peer.PublicKey);
        Write(json, "addresses", peer.Addresses);
        Write(json, "prefixes", peer.Prefixes);
        WritePath(json, view, peer, seen, now);
        WriteTime(json, "lastHandshake", seen?.LastHandshake);
        Write(json, "candidates", peer.Candidates);
        json.WriteBoolean("mayRelay", seen?.MayRelay ?? false);
        json.WriteNumber("relayedBytes", seen?.RelayedBytes ?? 0);
        json.WriteEndObject();
    }

    private static void WritePath(Utf8JsonWriter json, NodeView view, LinkPeer peer, PeerStatus? seen, DateTimeOffset now)
    {
        json.WriteStartObject("path");
        json.WriteString("state", PathExplanation.StateOf(seen, now));
        json.WriteString("endpoint", seen is null || seen.Endpoint.IsNone ? null : seen.Endpoint.ToString());
        json.WriteString("relay", PathExplanation.RelayOf(view, seen));
        WriteRoundTrip(json, seen?.RoundTrip);
        if (seen?.PathMtu is { } mtu)
            json.WriteNumber("mtu", mtu);
        else
            json.WriteNull("mtu");
        WriteTime(json, "since", seen?.PathSince);
        json.WriteStartArray("candidates");
        foreach (CandidateStatus candidate in seen?.Candidates ?? [])
        {
            json.WriteStartObject();
            json.WriteString("endpoint", candidate.Endpoint.Address.ToString());
            json.WriteString("kind", candidate.Endpoint.Kind.ToText());
            json.WriteString("result", PathText.Of(candidate.Result));
            json.WriteNumber("pings", candidate.Pings);
            json.WriteNumber("pongs", candidate.Pongs);
            WriteRoundTrip(json, candidate.RoundTrip);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        Write(json, "reasons", PathExplanation.ReasonsFor(view, peer, seen));
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (string value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }

    // As the node process writes it: endpoint-independent, endpoint-dependent; null while it is not known.
    private static string? NatMapping(string? name) =>
        name is null or nameof(Protocol.Stun.NatMapping.Unknown) ? null : JsonNamingPolicy.KebabCaseLower.ConvertName(name);

    private static void WriteRoundTrip(Utf8JsonWriter json, TimeSpan? time)
    {
        if (time is { } value)
            json.WriteNumber("roundTripMilliseconds", Math.Round(value.TotalMilliseconds, 3));
        else
            json.WriteNull("roundTripMilliseconds");
    }

    private static void WriteTime(Utf8JsonWriter json, string name, DateTimeOffset? time)
    {
        if (time is { } value)
            json.WriteString(name, value);
        else
            json.WriteNull(name);
    }
}
