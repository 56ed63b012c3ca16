using System.Globalization;
using Kedge.Node.ControlLink;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Commands.Node;

/// <summary>Says how a peer is reached, and why it is not reached directly, to somebody who wants to do something about it.</summary>
internal static class PathExplanation
{
    /// <summary>How a peer is reached, in a word; a stock peer <c>direct</c> while a session with it is alive.</summary>
    public static string StateOf(PeerStatus? seen, DateTimeOffset now) => seen switch
    {
        null => "not installed",
        { PathState: PathState.Direct } when IsByStream(seen) => PathText.Of(PathState.Relayed),
        { PathState: { } state } => PathText.Of(state),
        { LastHandshake: { } last } when now - last < NodeView.SessionLifetime => "direct",
        { Endpoint.IsNone: true } => "unknown",
        _ => "idle",
    };

    /// <summary>Where a peer is reached: its endpoint, or its relay.</summary>
    public static string WayOf(NodeView view, PeerStatus? seen) =>
        seen?.PathRelay is { } relay ? $"by {RelayName(view, relay)}"
        : seen is null || seen.Endpoint.IsNone ? "none"
        : IsByStream(seen) ? StreamWay(view)
        : seen.Endpoint.ToString();

    /// <summary>Who passes on what is for a peer: a relay's name, or <c>controller</c>; null if nobody does.</summary>
    public static string? RelayOf(NodeView view, PeerStatus? seen) =>
        seen?.PathRelay is { } relay ? RelayName(view, relay)
        : !IsByStream(seen) ? null
        : StreamRelayOf(view) ?? "controller";

    /// <summary>Whether a peer is reached by a stream.</summary>
    public static bool IsByStream(PeerStatus? seen) => seen is not null && StreamAddress.IsStream(seen.Endpoint.Address);

    /// <summary>The name of a relay; its key where it is not known.</summary>
    public static string RelayName(NodeView view, PublicKey relay) =>
        view.Peers.FirstOrDefault(peer => peer.PublicKey == relay.ToString())?.Name ?? relay.ToString();

    /// <summary>The path's MTU in bytes, where it carries less than the interface's longest packet needs; null otherwise.</summary>
    public static int? SmallMtu(NodeView view, PeerStatus? seen) =>
        seen is { PathMtu: { } mtu, Endpoint.IsNone: false } && view.Device is { } device
        && mtu < device.Mtu + PeerPath.OverheadTo(seen.Endpoint.Address)
            ? mtu
            : null;

    /// <summary>Whether somebody wants to reach a peer to which there is no direct path.</summary>
    public static bool IsNeeded(PeerStatus? seen) =>
        seen?.PathState is PathState.Connecting or PathState.Waiting or PathState.Relayed || IsByStream(seen);

    /// <summary>What came of trying an endpoint, such as <c>192.0.2.7:41641 (as seen from outside): no answer to 7 pings</c>.</summary>
    public static string Describe(CandidateStatus candidate) =>
        StreamAddress.IsStream(candidate.Endpoint.Address.Address) ? $"by a stream (TLS): {Outcome(candidate)}"
        : $"{candidate.Endpoint.Address} ({Origin(candidate.Endpoint.Kind)}): {Outcome(candidate)}";

    /// <summary>
    /// What is known of the reasons beside the endpoints' results, as sentences: what the peer does not tell, NATs and firewalls on this side,
    /// and why nobody introduces the two. Empty for a peer that is reached or that nobody wants to reach.
    /// </summary>
    public static IEnumerable<string> ReasonsFor(NodeView view, LinkPeer peer, PeerStatus? seen)
    {
        if (!IsNeeded(seen))
            return [];
        return FromEndpoints(peer, seen!).Concat(FromThisSide(view)).Concat(FromIntroductions(view, peer));
    }

    private static string StreamWay(NodeView view) => $"by {StreamRelayOf(view) ?? "the controller"} (TLS)";

    // Null for the controller. To a relay itself, whoever has a stream has it to this node.
    private static string? StreamRelayOf(NodeView view) =>
        view.Device?.StreamRelay is { } relay ? RelayName(view, relay)
        : view.Device is { IsRelay: true } ? view.Link?.Name ?? "this node"
        : null;

    private static IEnumerable<string> FromEndpoints(LinkPeer peer, PeerStatus seen)
    {
        if (peer.Candidates.Count == 0)
            yield return "It does not tell where it can be reached. It does once it is connected to the controller.";
        HashSet<string> tried = [.. seen.Candidates.Select(candidate => candidate.Endpoint.Address.ToString())];
        string[] others = [.. peer.Candidates.Where(told => !tried.Contains(told.Split(' ')[0]) && !IsPassedOn(told))];
        if (others.Length > 0)
            yield return $"Not tried, because they lead nowhere from this machine's networks: {string.Join(", ", others)}.";
        IEnumerable<Endpoint> reflexive = seen.Candidates.Where(one => one.Endpoint.Kind == PeerEndpointKind.Reflexive).Select(one => one.Endpoint.Address);
        if (reflexive.GroupBy(endpoint => endpoint.Address).Any(ports => ports.Count() > 1))
            yield return "The peer's NAT gives each destination another port, so the one that this node would need is not known.";
    }

    private static IEnumerable<string> FromThisSide(NodeView view)
    {
        if (view.Device is { StunResults: { Count: > 0 } asked } && asked.All(result => result.Reflexive.IsNone))
            yield return "No STUN server has answered this node: a firewall may let no UDP through. Peers are then reached by the controller or a relay, over TLS. "
                + "'kedge netcheck' looks closer.";
        if (view.Link is not { BehindNat: true } link)
            yield break;
        yield return link.NatMapping switch
        {
            "EndpointDependent" =>
                "This node's NAT gives each destination another port: only a peer whose own NAT lets in any port of it can be reached.",
            "EndpointIndependent" => "This node's NAT uses one port for all destinations, so it should not be what is in the way.",
            _ => "This node is behind a NAT of unknown kind. 'kedge netcheck' looks closer.",
        };
    }

    private static IEnumerable<string> FromIntroductions(NodeView view, LinkPeer peer)
    {
        if (view.Link is null)
            yield return "The control link does not run, so nobody introduces this node to the peer.";
        else if (view.Link.Controller is { Connected: false, Url.Length: > 0 })
            yield return "This node is not connected to the controller, so nobody introduces it to the peer.";
        else if (peer.IntroductionRefusal is { } refusal)
            yield return $"The peer could not be introduced: {refusal}.";
    }

    private static bool IsPassedOn(string told) => EndpointKinds.PassedOn.Any(kind => told.EndsWith($"({kind})", StringComparison.Ordinal));

    private static string Origin(PeerEndpointKind kind) => kind switch
    {
        PeerEndpointKind.Fixed => "configured",
        PeerEndpointKind.Reflexive => "as seen from outside",
        PeerEndpointKind.Mapped => "mapped by its gateway",
        PeerEndpointKind.Heard => "heard from there",
        _ => "its machine's own",
    };

    private static string Outcome(CandidateStatus candidate) => candidate.Result switch
    {
        CandidateResult.Answered when candidate.RoundTrip is { } time => $"answers within {Milliseconds(time)}",
        CandidateResult.Answered => "answers",
        CandidateResult.Untried => "not tried yet",
        _ when candidate.Pings == 0 => "no ping has been sent yet",
        CandidateResult.Trying => $"no answer yet to {Pings(candidate.Pings)}",
        _ => $"no answer to {Pings(candidate.Pings)}",
    };

    /// <summary>A round trip in milliseconds, such as <c>0.42 ms</c> or <c>37 ms</c>.</summary>
    public static string Milliseconds(TimeSpan time) => time.TotalMilliseconds switch
    {
        < 10 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.00} ms"),
        var all => string.Create(CultureInfo.InvariantCulture, $"{all:0} ms"),
    };

    private static string Pings(int count) => string.Create(CultureInfo.InvariantCulture, $"{count} {(count == 1 ? "ping" : "pings")}");
}
