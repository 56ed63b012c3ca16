using System.Globalization;
using System.Text;
using Kedge.Node.ControlLink;
using Kedge.Protocol.Paths;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Commands.Node;

/// <summary>A joined interface as a person reads it.</summary>
internal static class NodeText
{
    /// <summary>Puts it in lines and tables, without secrets.</summary>
    public static string Format(NodeView view, DateTimeOffset now)
    {
        var text = new StringBuilder();
        StatusText.AppendTable(text, "", Rows(view, now));
        IReadOnlyList<LinkPeer> peers = view.Peers;
        if (peers.Count > 0)
        {
            text.Append('\n');
            StatusText.AppendTable(text, "", peers.Select(peer => PeerRow(view, peer, now)).Prepend(
                ["PEER", "ADDRESS", "PATH", "SINCE", "ENDPOINT", "ROUND TRIP", "HANDSHAKE", "RECEIVED", "SENT", "NETWORKS"]));
            AppendList(text, "relayed for", peers.Select(peer => RelayedFor(view, peer)).OfType<string>());
            AppendList(text, "not direct", peers.SelectMany(peer => WhyNotDirect(view, peer, now)));
        }
        AppendList(text, "refused", view.Link?.Refused.Select(refusal => $"{refusal.Resource}: {refusal.Reason}") ?? []);
        AppendList(text, "problems", view.ProblemsAndLimits());
        return text.ToString();
    }

    private static IEnumerable<string[]> Rows(NodeView view, DateTimeOffset now)
    {
        Membership membership = view.Membership;
        yield return ["interface", membership.Settings.NetworkNamespace is { } name ? $"{view.Place.Interface} in namespace {name}" : view.Place.Interface];
        string down = view.IsDown ? $", not running: 'kedge up --interface {view.Place.Interface}' starts it" : "";
        yield return ["node", $"{membership.Name} ({membership.Status}){down}"];
        yield return ["zone", $"{view.Link?.Zone ?? membership.ZoneName}: {string.Join(", ", view.Link?.ZonePrefixes ?? membership.ZonePrefixes)}"];
        yield return ["addresses", membership.Addresses.Count == 0 ? "none yet" : string.Join(", ", membership.Addresses)];
        if (view.IdentityKeyHash is { } hash)
            yield return ["identity key", hash];
        if (membership.ChildPrefixes.Count > 0)
            yield return ["networks behind it", string.Join(", ", membership.ChildPrefixes)];
        if (membership.Status != Membership.Pending && string.Join(", ", membership.WaitingPrefixes) is { Length: > 0 } waiting)
            yield return ["waits for approval", waiting];
        yield return ["controller", Controller(view, now)];
        if (view.Link is not { } link)
            yield break;
        yield return ["map", $"revision {Number(link.Revision)}, peers: {Number(link.Peers.Count)}, refused: {Number(link.Refused.Count)}"];
        if (link.CertificateExpiresAt is { } end)
            yield return ["certificate", $"until {end:u}{(link.CertificateRenewsAt is { } at ? $", renewed about {at:u}" : "")}"];
        yield return ["reachable at", link.Endpoints.Count == 0 ? "no known endpoint" : string.Join(", ", link.Endpoints)];
        yield return ["behind a NAT", link.BehindNat ? $"yes{(link.NatMapping == "EndpointDependent" ? ", one that maps every peer differently" : "")}" : "no"];
        if (link is { BehindNat: true, PortMapping: { } mapping })
            yield return ["port mapping", mapping];
        if (view.Device is { IsRelay: true } relay)
            yield return ["relay", $"for others, at {(relay.RelayRate == 0 ? "any rate" : $"{Number(relay.RelayRate / 1_000_000)} Mbit/s each two")}"];
        else if (view.Device?.RelayHome is { } home)
            yield return ["relay", $"{PathExplanation.RelayName(view, home)} passes on what does not arrive directly"];
    }

    private static string Controller(NodeView view, DateTimeOffset now) => view.Link?.Controller switch
    {
        _ when !view.Membership.HasController => "none: nodes introduce themselves, see 'kedge knock'",
        null when view.Membership.Status == Membership.Pending => $"{view.Membership.Controller}: asked from time to time, while 'kedge up' runs",
        null => $"{view.Membership.Controller}: unknown, the control link does not run",
        { Connected: true, Since: { } since } one => $"{one.Url}: connected since {StatusText.Age(now - since)}",
        { LastError: { } error } one => $"{one.Url}: not connected. {error}",
        var one => $"{one.Url}: connecting",
    };

    private static string[] PeerRow(NodeView view, LinkPeer peer, DateTimeOffset now)
    {
        PeerStatus? seen = view.DevicePeer(peer);
        IEnumerable<string> networks = peer.Prefixes.Where(prefix => !peer.Addresses.Any(address => prefix.StartsWith($"{address}/", StringComparison.Ordinal)));
        return
        [
            peer.Name,
            string.Join(", ", peer.Addresses),
            $"{PathExplanation.StateOf(seen, now)}{(PathExplanation.SmallMtu(view, seen) is { } mtu ? $", MTU {Number(mtu)}" : "")}",
            seen?.PathSince is { } since ? StatusText.Age(now - since) : "unknown",
            PathExplanation.WayOf(view, seen),
            seen?.RoundTrip is { } time ? PathExplanation.Milliseconds(time) : "unknown",
            seen?.LastHandshake is { } last ? StatusText.Age(now - last) : "never",
            StatusText.Bytes(seen?.ReceivedBytes ?? 0),
            StatusText.Bytes(seen?.SentBytes ?? 0),
            string.Join(", ", networks) is { Length: > 0 } list ? list : "none",
        ];
    }

    private static string? RelayedFor(NodeView view, LinkPeer peer) =>
        view.DevicePeer(peer) is { RelayedBytes: > 0 and var bytes } ? $"{peer.Name}: {StatusText.Bytes(bytes)}" : null;

    private static IEnumerable<string> WhyNotDirect(NodeView view, LinkPeer peer, DateTimeOffset now)
    {
        PeerStatus? seen = view.DevicePeer(peer);
        if (seen is null || !PathExplanation.IsNeeded(seen))
            yield break;
        string next = seen.PathState == PathState.Waiting ? ", tried again while packets are sent to it" : "";
        string by = seen.PathRelay is null && !PathExplanation.IsByStream(seen) ? "" : $" {PathExplanation.WayOf(view, seen)}";
        yield return $"{peer.Name}: {PathExplanation.StateOf(seen, now)}{by}{next}";
        foreach (string line in seen.Candidates.Select(PathExplanation.Describe).Concat(PathExplanation.ReasonsFor(view, peer, seen)))
            yield return $"  {line}";
    }

    private static void AppendList(StringBuilder text, string title, IEnumerable<string> lines)
    {
        string[] all = [.. lines];
        if (all.Length == 0)
            return;
        text.Append('\n').Append(title).Append('\n');
        foreach (string line in all)
            text.Append("  ").Append(line).Append('\n');
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
