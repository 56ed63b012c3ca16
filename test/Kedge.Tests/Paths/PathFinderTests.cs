using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Paths;

public sealed class PathFinderTests : IDisposable
{
    private readonly PathWorld _world = new();

    public void Dispose() => _world.Dispose();

    public static TheoryData<Filtering, bool, Filtering, bool, bool> Pairs()
    {
        var data = new TheoryData<Filtering, bool, Filtering, bool, bool>();
        foreach (Filtering a in Enum.GetValues<Filtering>())
        {
            foreach (Filtering b in Enum.GetValues<Filtering>())
            {
                data.Add(a, false, b, false, true);
                // Nobody can guess the port that a symmetric NAT gives to the peer, so the peer's must not care about it.
                data.Add(a, true, b, false, b != Filtering.AddressAndPortDependent);
                data.Add(a, false, b, true, a != Filtering.AddressAndPortDependent);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Two_nats_are_opened_from_both_sides(Filtering a, bool isSymmetricA, Filtering b, bool isSymmetricB, bool isDirect)
    {
        (PathNode from, PathNode to) = BehindNats(new VirtualNat(At("198.51.100.1"), a, isSymmetricA), new VirtualNat(At("198.51.100.2"), b, isSymmetricB));
        from.Send(to, 1);
        _world.Run(TimeSpan.FromSeconds(1.5));

        Assert.Equal(isDirect, to.Delivered.Count == 1);
        Assert.Equal(isDirect, from.FinderOf(to).State == PathState.Direct);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void A_router_that_takes_what_it_does_not_let_in_for_its_own_is_opened_too(bool isFirst, bool isSecond)
    {
        (PathNode a, PathNode b) = BehindNats(
            new VirtualNat(At("198.51.100.1"), Filtering.AddressAndPortDependent, acceptsInput: isFirst),
            new VirtualNat(At("198.51.100.2"), Filtering.AddressAndPortDependent, acceptsInput: isSecond));
        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(1.5));

        Assert.Single(b.Delivered);
    }

    [Theory]
    [InlineData(30)]
    [InlineData(150)]
    [InlineData(900)]
    public void An_answer_to_an_introduction_that_did_not_say_where_the_node_is_opens_nothing(int seenAfter)
    {
        var natA = new VirtualNat(At("198.51.100.1"), Filtering.AddressAndPortDependent, acceptsInput: true);
        var natB = new VirtualNat(At("198.51.100.2"), Filtering.AddressAndPortDependent, acceptsInput: true);
        PathNode a = _world.AddNode("a", "192.168.1.2:7000", natA), b = _world.AddNode("b", "192.168.2.2:7001", natB);
        a.SetSeen(false);
        PathWorld.Connect(a, b);
        a.Send(b, 1);
        _world.After(TimeSpan.FromMilliseconds(seenAfter), () => a.SetSeen(true));
        _world.Run(TimeSpan.FromSeconds(2));

        Assert.Single(b.Delivered);
    }

    [Fact]
    public void A_peer_in_common_introduces_where_nobody_else_does()
    {
        (PathNode a, PathNode b) = BehindNats(Strict(1, acceptsInput: true), Strict(2, acceptsInput: true));
        PathNode c = _world.AddNode("c", "203.0.113.3:7000"), other = _world.AddNode("other", "203.0.113.4:7000");
        foreach (PathNode node in (PathNode[])[a, b])
            PathWorld.Connect(node, c);
        PathWorld.Connect(a, other);
        a.IsIntroduced = b.IsIntroduced = c.IsIntroduced = false;
        a.Send(c, 1);
        b.Send(c, 2);
        a.Send(other, 3);
        _world.Run(TimeSpan.FromSeconds(5));
        Assert.Equal(2, c.Delivered.Count);

        a.Send(b, 4);
        _world.Run(TimeSpan.FromSeconds(1.5));

        Assert.Single(b.Delivered);
    }

    [Fact]
    public void Both_may_begin_at_once()
    {
        (PathNode a, PathNode b) = BehindNats(Strict(1, acceptsInput: true), Strict(2, acceptsInput: true));
        a.Send(b, 1);
        b.Send(a, 1);
        _world.Run(TimeSpan.FromSeconds(1.5));

        Assert.Single(a.Delivered);
        Assert.Single(b.Delivered);
    }

    [Theory]
    [InlineData(5, 0)]
    [InlineData(50, 0)]
    [InlineData(50, 40)]
    [InlineData(50, 80)]
    [InlineData(150, 0)]
    public void Without_nats_both_may_begin_while_the_others_pings_are_under_way(int delay, int later)
    {
        PathNode a = _world.AddNode("a", "203.0.113.1:7000"), b = _world.AddNode("b", "198.51.100.2:7000");
        _world.Delay = TimeSpan.FromMilliseconds(delay);
        a.IsIntroduced = b.IsIntroduced = false;
        PathWorld.Connect(a, b);
        a.Send(b, 1);
        _world.After(TimeSpan.FromMilliseconds(later), () => b.Send(a, 1));
        _world.Run(TimeSpan.FromMilliseconds(later + 8 * delay));

        Assert.Single(a.Delivered);
        Assert.Single(b.Delivered);
    }

    [Fact]
    public void No_handshake_is_sent_before_a_path_has_answered()
    {
        (PathNode a, PathNode b) = BehindNats(Strict(1), Strict(2));
        a.IsIntroduced = b.IsIntroduced = false;
        _world.Loses = (_, _) => true;
        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(60));

        Assert.Equal(DatagramKind.Probe, Assert.Single(a.Log.Select(sent => sent.Kind).Distinct()));
        Assert.Equal(PathState.Waiting, a.FinderOf(b).State is PathState.Idle ? PathState.Waiting : a.FinderOf(b).State);
        Assert.Null(a.TunnelTo(b).Path);
    }

    [Fact]
    public void Nodes_on_one_link_are_each_others_neighbours_although_they_are_seen_under_one_address()
    {
        VirtualNat nat = Strict(1);
        PathNode a = _world.AddNode("a", "192.168.1.2:7000", nat), b = _world.AddNode("b", "192.168.1.3:7000", nat);
        PathWorld.Connect(a, b);
        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(0.5));

        Assert.Single(b.Delivered);
        Assert.Equal(b.Address, a.TunnelTo(b).Path!.Remote);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Loss_and_disorder_delay_a_path_and_do_not_prevent_it(int seed)
    {
        using var world = new PathWorld(seed) { Loss = 0.3, Jitter = TimeSpan.FromMilliseconds(200) };
        PathNode a = world.AddNode("a", "192.168.1.2:7000", Strict(1)), b = world.AddNode("b", "192.168.2.2:7000", Strict(2));
        PathWorld.Connect(a, b);
        world.Every(TimeSpan.FromSeconds(0.2), 250, number => a.Send(b, number));

        // Of WireGuard's handshakes, which are five seconds apart, every other one is lost as well.
        world.RunUntil(() => b.Delivered.Count > 0, TimeSpan.FromSeconds(50));
    }

    [Fact]
    public void An_end_that_only_receives_finds_out_by_itself_that_its_nat_has_other_ports()
    {
        VirtualNat natA = Strict(1), natB = Strict(2);
        (PathNode a, PathNode b) = BehindNats(natA, natB);
        _world.Every(TimeSpan.FromSeconds(0.1), 300, number => a.Send(b, number));
        _world.Run(TimeSpan.FromSeconds(5));
        a.IsIntroduced = false; // the connection of b's link has died with the ports
        natB.Reboot();
        Instant rebooted = _world.Now;

        _world.RunUntil(() => b.Delivered.Any(packet => packet.Time > rebooted), TimeSpan.FromSeconds(5));
    }

    [Fact]
    public void A_dead_path_is_left_within_two_seconds_when_another_is_known()
    {
        PathNode a = _world.AddNode("a", "203.0.113.1:7000"), b = _world.AddNode("b", "203.0.113.2:7000");
        Endpoint other = Endpoint.Parse("203.0.113.77:7000");
        PathWorld.Connect(a, b);
        Traffic(a, b, TimeSpan.FromSeconds(30));
        _world.Run(TimeSpan.FromSeconds(5));

        // b has moved, and says so to nobody but the controller.
        b.MoveTo(other, null);
        a.Paths.Offer(_world.Now, b.Key, b.Told);
        Instant moved = _world.Now;
        _world.RunUntil(() => b.Delivered.Any(packet => packet.Time > moved), TimeSpan.FromSeconds(2));
        Assert.Equal(other, a.TunnelTo(b).Path!.Remote);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_nat_that_has_forgotten_its_ports_is_found_again_within_five_seconds(bool isSenders)
    {
        VirtualNat natA = Strict(1), natB = Strict(2);
        (PathNode a, PathNode b) = BehindNats(natA, natB);
        Traffic(a, b, TimeSpan.FromSeconds(60));
        _world.Run(TimeSpan.FromSeconds(5));
        (isSenders ? natA : natB).Reboot();
        Instant rebooted = _world.Now;

        _world.RunUntil(() => b.Delivered.Any(packet => packet.Time > rebooted), TimeSpan.FromSeconds(5));
        _world.RunUntil(() => a.Delivered.Any(packet => packet.Time > rebooted), TimeSpan.FromSeconds(5));
    }

    [Fact]
    public void One_way_traffic_notices_a_path_that_has_died_too()
    {
        VirtualNat natB = Strict(2);
        (PathNode a, PathNode b) = BehindNats(Strict(1), natB);
        _world.Every(TimeSpan.FromSeconds(0.1), 600, number => a.Send(b, number));
        _world.Run(TimeSpan.FromSeconds(20));
        natB.Reboot();
        Instant rebooted = _world.Now;

        _world.RunUntil(() => b.Delivered.Any(packet => packet.Time > rebooted), TimeSpan.FromSeconds(5));
    }

    [Fact]
    public void An_idle_path_through_nats_is_kept_open_for_a_while_and_then_given_up()
    {
        (PathNode a, PathNode b) = BehindNats(Strict(1), Strict(2));
        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(5));
        a.Log.Clear();

        _world.Run(PathFinder.IdleTime);
        Instant last = a.Log[^1].Time;
        Assert.InRange(a.Log.Count(sent => sent.Kind == DatagramKind.Probe), 6, 30);
        _world.Run(TimeSpan.FromMinutes(10));

        Assert.Equal(PathState.Idle, a.FinderOf(b).State);
        Assert.InRange(a.Log[^1].Time - last, TimeSpan.Zero, TimeSpan.FromMinutes(1));
        a.Send(b, 2);
        _world.Run(TimeSpan.FromSeconds(1.5));
        Assert.Equal(2, b.Delivered.Count);
    }

    [Fact]
    public void A_path_that_only_was_heard_of_lasts_and_costs_few_wake_ups()
    {
        (PathNode a, PathNode b) = BehindNats(
            new VirtualNat(At("198.51.100.1"), Filtering.EndpointIndependent), new VirtualNat(At("198.51.100.2"), Filtering.EndpointIndependent, isSymmetric: true));
        _world.Every(TimeSpan.FromSeconds(10), 12, number => a.Send(b, number));
        _world.Run(TimeSpan.FromSeconds(5));
        a.Polls = 0;

        _world.Run(TimeSpan.FromMinutes(10));

        Assert.Equal(12, b.Delivered.Count);
        Assert.InRange(a.Polls, 1, 3_000);
    }

    [Fact]
    public void A_replayed_or_reflected_probe_moves_nothing()
    {
        PathNode a = _world.AddNode("a", "203.0.113.1:7000"), b = _world.AddNode("b", "203.0.113.2:7000");
        PathWorld.Connect(a, b);
        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(3));
        PeerPath pathToA = b.TunnelTo(a).Path!;
        Endpoint elsewhere = Endpoint.Parse("203.0.113.99:1");

        foreach (Sent sent in a.Log.Concat(b.Log).Where(sent => sent.Kind == DatagramKind.Probe).ToArray())
        {
            b.Receive([.. sent.Bytes], elsewhere);
            a.Receive([.. sent.Bytes], elsewhere);
        }
        _world.Run(TimeSpan.FromSeconds(3));

        Assert.Equal(pathToA, b.TunnelTo(a).Path);
        Assert.Equal(b.Address, a.TunnelTo(b).Path!.Remote);
    }

    [Fact]
    public void A_peer_that_floods_pings_gets_few_answers_and_few_pings_are_sent_on_its_behalf()
    {
        PathNode a = _world.AddNode("a", "203.0.113.1:7000"), b = _world.AddNode("b", "203.0.113.2:7000");
        PathWorld.Connect(a, b);
        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(3));
        byte[] ping = a.Log.First(sent => sent.Kind == DatagramKind.Probe && sent.Bytes[0] == Datagram.Ping).Bytes;
        b.Log.Clear();

        for (int i = 0; i < 10_000; i++)
            b.Receive([.. ping], new Endpoint(IpAddress.IPv4(0xCB_00_71_00 + (uint)(i % 200)), (ushort)(1000 + i)));
        _world.Run(TimeSpan.FromSeconds(10));

        Assert.InRange(b.Log.Count, 1, 200);
    }

    [Fact]
    public void A_peer_that_names_one_victim_as_thousands_of_endpoints_has_it_sent_little()
    {
        PathNode a = _world.AddNode("a", "203.0.113.1:7000"), b = _world.AddNode("b", "203.0.113.2:7000");
        PeerEndpoint[] victim = [.. Enumerable.Range(1, 5000).Select(port => new PeerEndpoint(new Endpoint(At("203.0.113.200"), (ushort)port), PeerEndpointKind.Fixed))];
        a.AddPeer(b, victim);
        _world.Every(TimeSpan.FromSeconds(0.1), 600, number => a.Send(b, number));
        _world.Every(TimeSpan.FromSeconds(0.1), 600, _ => a.Paths.Introduced(_world.Now, b.Key, victim, opened: false));
        _world.Run(TimeSpan.FromSeconds(60));

        Assert.InRange(a.Log.Count, 1, 60 * PathProtocol.ProbesPerAddress + 2 * PathProtocol.ProbesPerAddress);
    }

    [Fact]
    public void What_was_tried_is_counted_for_each_endpoint_and_in_all()
    {
        PathNode a = _world.AddNode("a", "203.0.113.1:7000"), b = _world.AddNode("b", "203.0.113.2:7000"), gone = _world.AddNode("gone", "203.0.113.3:7000");
        PathWorld.Connect(a, b);
        a.AddPeer(gone);
        _world.Loses = (_, to) => to == gone.Address;
        a.Send(b, 1);
        a.Send(gone, 1);
        _world.Run(TimeSpan.FromSeconds(7));

        CandidateStatus silent = Assert.Single(a.FinderOf(gone).Status(_world.Now).Candidates);
        Assert.Equal((CandidateResult.Silent, Candidate.Opening.Length, 0, null), (silent.Result, silent.Pings, silent.Pongs, silent.RoundTrip));
        CandidateStatus good = Assert.Single(a.FinderOf(b).Status(_world.Now).Candidates);
        Assert.Equal((CandidateResult.Answered, Candidate.EnoughPongs), (good.Result, good.Pongs));
        Assert.Equal((1, 1, 0), (a.Paths.Count(PathState.Direct), a.Paths.Count(PathState.Waiting), a.Paths.Count(PathState.Idle)));
        Assert.Equal(a.Log.Count(sent => sent.Kind == DatagramKind.Probe && sent.Bytes[0] == Datagram.Ping), a.Paths.Pings);
        Assert.Equal(1, a.Paths.Changes);
        Assert.InRange(a.Paths.IntroductionsSent, 2, 10);
    }

    [Fact]
    public void An_introduction_too_many_and_one_of_a_stranger_are_counted_as_refused()
    {
        PathNode a = _world.AddNode("a", "203.0.113.1:7000"), b = _world.AddNode("b", "203.0.113.2:7000");
        PathWorld.Connect(a, b);
        a.Paths.Introduced(_world.Now, a.Key, b.Told, opened: true);
        for (int i = 0; i < 10; i++)
            a.Paths.Introduced(_world.Now, b.Key, b.Told, opened: true);

        Assert.Equal((11, 5), (a.Paths.IntroductionsReceived, a.Paths.IntroductionsRefused));
    }

    [Fact]
    public void What_is_no_peers_is_dropped_before_it_is_looked_at()
    {
        PathNode a = _world.AddNode("a", "203.0.113.1:7000");
        byte[] junk = new byte[Probe.Size];
        junk[0] = Datagram.Ping;

        Assert.Equal(DropReason.UnexpectedProbe, a.Paths.Check(junk, a.Address));
    }

    private static VirtualNat Strict(int number, bool acceptsInput = false) =>
        new(IpAddress.IPv4(0xC6_33_64_00 + (uint)number), Filtering.AddressAndPortDependent, acceptsInput: acceptsInput);

    private static IpAddress At(string text) => IpAddress.Parse(text);

    private (PathNode A, PathNode B) BehindNats(VirtualNat natA, VirtualNat natB)
    {
        PathNode a = _world.AddNode("a", "192.168.1.2:7000", natA), b = _world.AddNode("b", "192.168.2.2:7001", natB);
        PathWorld.Connect(a, b);
        return (a, b);
    }

    // Answered, as TCP and pings are.
    private void Traffic(PathNode a, PathNode b, TimeSpan time)
    {
        int times = (int)(time / TimeSpan.FromSeconds(0.1));
        _world.Every(TimeSpan.FromSeconds(0.1), times, number => a.Send(b, number));
        _world.Every(TimeSpan.FromSeconds(0.1), times, number => b.Send(a, number));
    }
}
