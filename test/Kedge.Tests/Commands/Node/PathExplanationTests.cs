using Kedge.Commands.Node;
using Kedge.Node.ControlLink;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Tests.Commands.Node;

public sealed class PathExplanationTests
{
    private const string ReflexiveText = "198.51.100.7:41641";

    private static readonly PublicKey Key = PublicKey.FromBytes([.. Enumerable.Range(1, 32).Select(number => (byte)number)]);
    private static readonly LinkPeer Peer = new(Guid.NewGuid(), "gamma", Key.ToString(), ["10.1.0.3"], [], [$"{ReflexiveText} (reflexive)"]);

    [Theory]
    [InlineData(CandidateResult.Silent, 7, 0, "no answer to 7 pings")]
    [InlineData(CandidateResult.Silent, 1, 0, "no answer to 1 ping")]
    [InlineData(CandidateResult.Trying, 2, 0, "no answer yet to 2 pings")]
    [InlineData(CandidateResult.Trying, 0, 0, "no ping has been sent yet")]
    [InlineData(CandidateResult.Untried, 0, 0, "not tried yet")]
    [InlineData(CandidateResult.Answered, 3, 3, "answers within 1.50 ms")]
    public void The_result_of_an_endpoint_is_put_in_words(CandidateResult result, int pings, int pongs, string words)
    {
        var candidate = new CandidateStatus(
            Reflexive(ReflexiveText), result, pings, pongs, pongs == 0 ? null : TimeSpan.FromMilliseconds(1.5));

        Assert.Equal($"{ReflexiveText} (as seen from outside): {words}", PathExplanation.Describe(candidate));
    }

    [Theory]
    [InlineData("EndpointDependent", "This node's NAT gives each destination another port")]
    [InlineData("EndpointIndependent", "This node's NAT uses one port for all destinations")]
    [InlineData("Unknown", "This node is behind a NAT of unknown kind")]
    public void The_NAT_on_this_side_is_named(string mapping, string beginning)
    {
        Assert.StartsWith(beginning, Assert.Single(Reasons(Link() with { BehindNat = true, NatMapping = mapping }, Peer, Waiting())), StringComparison.Ordinal);
    }

    [Fact]
    public void The_peers_NAT_that_shows_two_ports_at_one_address_is_named()
    {
        LinkPeer peer = Peer with { Candidates = [$"{ReflexiveText} (reflexive)", "198.51.100.7:5 (reflexive)"] };
        PeerStatus seen = Waiting();
        seen.Candidates.Add(new CandidateStatus(Reflexive("198.51.100.7:5"), CandidateResult.Silent, 7, 0, null));

        Assert.StartsWith("The peer's NAT gives each destination another port", Assert.Single(Reasons(Link(), peer, seen)), StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_peer_tells_and_is_not_tried_from_here_is_named_and_also_that_it_tells_nothing()
    {
        LinkPeer more = Peer with { Candidates = [.. Peer.Candidates, "192.168.1.9:7 (local)"] }, nothing = Peer with { Candidates = [] };

        Assert.EndsWith(": 192.168.1.9:7 (local).", Assert.Single(Reasons(Link(), more, Waiting())), StringComparison.Ordinal);
        Assert.StartsWith("It does not tell where it can be reached.", Assert.Single(Reasons(Link(), nothing, Waiting())), StringComparison.Ordinal);
    }

    [Fact]
    public void Why_nobody_introduces_the_two_is_told()
    {
        LinkPeer refused = Peer with { IntroductionRefusal = "it is not connected to the controller" };
        LinkStatus alone = Link() with { Controller = new ControllerConnection("https://192.0.2.1", Connected: false, Since: null, LastError: null) };

        Assert.Equal("The peer could not be introduced: it is not connected to the controller.", Assert.Single(Reasons(Link(), refused, Waiting())));
        Assert.Contains("not connected to the controller, so nobody introduces it", Assert.Single(Reasons(alone, refused, Waiting())), StringComparison.Ordinal);
        Assert.StartsWith("The control link does not run", Assert.Single(Reasons(null, Peer, Waiting())), StringComparison.Ordinal);
    }

    [Fact]
    public void STUN_servers_none_of_which_has_answered_are_told_of()
    {
        using var device = new DeviceStatus();
        device.StunResults.Add(new StunResult(Endpoint.Parse("192.0.2.1:3478"), default));

        Assert.StartsWith("No STUN server has answered", Assert.Single(Reasons(Link(), Peer, Waiting(), device)), StringComparison.Ordinal);
        device.StunResults.Add(new StunResult(Endpoint.Parse("192.0.2.2:3478"), Endpoint.Parse("198.51.100.1:9")));
        Assert.Empty(Reasons(Link(), Peer, Waiting(), device));
    }

    [Theory]
    [InlineData(PathState.Direct)]
    [InlineData(PathState.Idle)]
    public void Nothing_is_explained_of_a_peer_that_is_reached_or_that_nobody_wants_to_reach(PathState state)
    {
        PeerStatus seen = Waiting();
        seen.PathState = state;

        Assert.Empty(Reasons(null, Peer, seen));
    }

    [Fact]
    public void A_person_is_shown_each_endpoint_and_each_reason_below_the_table()
    {
        using var device = new DeviceStatus();
        PeerStatus seen = Waiting();
        seen.PathSince = DateTimeOffset.UnixEpoch;
        device.Peers.Add(seen);
        LinkStatus link = Link() with { BehindNat = true, NatMapping = "EndpointDependent", Peers = [Peer] };
        using NodeView view = View(link, device);

        string text = NodeText.Format(view, DateTimeOffset.UnixEpoch + TimeSpan.FromSeconds(12));

        Assert.Contains("  waiting  12 s ago  none", text, StringComparison.Ordinal);
        Assert.Contains(
            $"\nnot direct\n  gamma: waiting, tried again while packets are sent to it\n    {ReflexiveText} (as seen from outside): no answer to 7 pings\n    This node's NAT",
            text, StringComparison.Ordinal);
    }

    private static string[] Reasons(LinkStatus? link, LinkPeer peer, PeerStatus seen, DeviceStatus? device = null) =>
        [.. PathExplanation.ReasonsFor(View(link, device), peer, seen)];

    private static NodeView View(LinkStatus? link, DeviceStatus? device) => new(NodePlace.Default("kedge0"), Joined(), link, device);

    private static Membership Joined() => new()
    {
        Controller = "https://192.0.2.1",
        Network = "",
        Pin = "",
        Settings = new NodeSettings(),
        Status = Membership.Active,
        Name = "alpha",
        NodeId = Guid.NewGuid(),
        ZoneId = Guid.NewGuid(),
        ZoneName = "default",
        ZonePrefixes = ["10.1.0.0/24"],
    };

    private static LinkStatus Link() => new()
    {
        Interface = "kedge0",
        Name = "alpha",
        NodeId = Guid.NewGuid(),
        Network = "",
        Zone = "default",
        ZonePrefixes = ["10.1.0.0/24"],
        Addresses = ["10.1.0.2"],
        ChildPrefixes = [],
        Controller = new ControllerConnection("https://192.0.2.1", Connected: true, Since: DateTimeOffset.UnixEpoch, LastError: null),
    };

    private static PeerStatus Waiting()
    {
        var seen = new PeerStatus(Key) { PathState = PathState.Waiting };
        seen.Candidates.Add(new CandidateStatus(Reflexive(ReflexiveText), CandidateResult.Silent, Pings: 7, Pongs: 0, RoundTrip: null));
        return seen;
    }

    private static PeerEndpoint Reflexive(string text) => new(Endpoint.Parse(text), PeerEndpointKind.Reflexive);
}
