using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Paths;

/// <summary>Which of two paths is taken that both work.</summary>
public sealed class PathChoiceTests : IDisposable
{
    private readonly PathWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Theory]
    [InlineData(20, 16)] // by a fifth, but not by 5 ms
    [InlineData(6, 2)]
    [InlineData(100, 92)] // by 8 ms, but not by a tenth
    [InlineData(250, 230)]
    public void A_path_that_is_hardly_better_is_not_taken(int roundTrip, int other)
    {
        (PathNode a, PathNode b, PathDelays delays) = WithTwoPaths(ipv4: roundTrip, ipv6: roundTrip);
        Assert.Equal(b.Ipv6, a.TunnelTo(b).Path!.Remote);
        long before = a.Paths.Changes;
        delays.Ipv4 = other;
        _world.Run(TimeSpan.FromSeconds(30));

        Assert.Equal(TimeSpan.FromMilliseconds(other), StatusOf(a, b, b.Address).RoundTrip);
        Assert.Equal((b.Ipv6, before), (a.TunnelTo(b).Path!.Remote, a.Paths.Changes));
    }

    [Theory]
    [InlineData(20, 14)]
    [InlineData(12, 4)]
    [InlineData(100, 88)]
    [InlineData(250, 220)]
    public void A_path_that_is_clearly_better_in_three_pongs_is_taken_once(int roundTrip, int other)
    {
        (PathNode a, PathNode b, PathDelays delays) = WithTwoPaths(ipv4: roundTrip, ipv6: roundTrip);
        long before = a.Paths.Changes;
        delays.Ipv4 = other;
        _world.RunUntil(() => a.Paths.Changes > before, TimeSpan.FromSeconds(3));

        Assert.Equal(b.Address, a.TunnelTo(b).Path!.Remote);
        CandidateStatus taken = StatusOf(a, b, b.Address);
        Assert.Equal((3, TimeSpan.FromMilliseconds(other)), (taken.Pongs, taken.RoundTrip));
        _world.Run(TimeSpan.FromSeconds(60));
        Assert.Equal((b.Address, before + 1), (a.TunnelTo(b).Path!.Remote, a.Paths.Changes));
    }

    [Fact]
    public void Two_pongs_that_are_clearly_better_are_not_enough()
    {
        (PathNode a, PathNode b, PathDelays delays) = WithTwoPaths(ipv4: 40, ipv6: 40);
        long before = a.Paths.Changes;
        delays.Ipv4 = 10;
        int pings = 0, lost = 0;
        _world.Loses = (from, to) =>
        {
            bool isPing = from == a && to == b.Address && a.Log[^1].Bytes[0] == Datagram.Ping;
            bool isLost = isPing && pings++ % 3 == 2; // of the three that are sent each time
            lost += isLost ? 1 : 0;
            return isLost;
        };
        _world.Run(TimeSpan.FromSeconds(30));

        Assert.InRange(lost, 10, 30);
        Assert.Equal(TimeSpan.FromMilliseconds(10), StatusOf(a, b, b.Address).RoundTrip);
        Assert.Equal((b.Ipv6, before), (a.TunnelTo(b).Path!.Remote, a.Paths.Changes));
    }

    [Theory]
    [InlineData(20, 24, true)] // by less than 5 ms
    [InlineData(100, 108, true)] // by less than a tenth
    [InlineData(20, 26, false)]
    [InlineData(100, 115, false)]
    public void At_a_tie_and_only_then_IPv6_is_taken(int ipv4, int ipv6, bool isTaken)
    {
        (PathNode a, PathNode b, _) = WithTwoPaths(ipv4, ipv6);
        _world.Run(TimeSpan.FromSeconds(30));

        Assert.Equal(isTaken ? b.Ipv6 : b.Address, a.TunnelTo(b).Path!.Remote);
        Assert.Equal(isTaken ? 2 : 1, a.Paths.Changes);
    }

    [Theory]
    [InlineData(20, 4, 1)]
    [InlineData(20, 4, 2)]
    [InlineData(60, 4, 3)]
    [InlineData(200, 18, 4)]
    public void Paths_whose_round_trips_wobble_around_each_other_do_not_flap(int roundTrip, int wobble, int seed)
    {
        (PathNode a, PathNode b, PathDelays delays) = WithTwoPaths(ipv4: roundTrip, ipv6: roundTrip);
        long before = a.Paths.Changes;
        var random = new Random(seed);
        TestContext.Current.TestOutputHelper?.WriteLine($"Seed {seed}.");
        int isIpv4Better = 0, isIpv6Better = 0;
        _world.Every(TimeSpan.FromSeconds(0.9), 600, _ =>
        {
            (delays.Ipv4, delays.Ipv6) = (roundTrip + random.Next(wobble + 1), roundTrip + random.Next(wobble + 1));
            _ = delays.Ipv4 < delays.Ipv6 ? isIpv4Better++ : isIpv6Better++;
        });
        _world.Run(TimeSpan.FromMinutes(9));

        Assert.InRange(Math.Min(isIpv4Better, isIpv6Better), 100, 600);
        Assert.InRange(StatusOf(a, b, b.Address).Pongs, 1, 3);
        Assert.Equal(before, a.Paths.Changes);
    }

    // One sends and the other never answers, so that the path and what else is known is asked each second.
    private (PathNode A, PathNode B, PathDelays Delays) WithTwoPaths(int ipv4, int ipv6)
    {
        var delays = new PathDelays { Ipv4 = ipv4, Ipv6 = ipv6 };
        _world.Delay = TimeSpan.Zero;
        _world.Detour = (_, to) => TimeSpan.FromMilliseconds(to.Address.IsIPv6 ? delays.Ipv6 : delays.Ipv4) / 2;
        PathNode a = _world.AddNode("a", "203.0.113.1:7000"), b = _world.AddNode("b", "198.51.100.2:7000");
        a.AddIpv6(Endpoint.Parse("[2001:db8:1::1]:7000"));
        b.AddIpv6(Endpoint.Parse("[2001:db8:2::2]:7000"));
        PathWorld.Connect(a, b);
        _world.Every(TimeSpan.FromSeconds(0.1), 10_000, number => a.Send(b, number));
        _world.Run(TimeSpan.FromSeconds(5));
        return (a, b, delays);
    }

    private CandidateStatus StatusOf(PathNode node, PathNode peer, Endpoint endpoint) =>
        node.FinderOf(peer).Status(_world.Now).Candidates.Single(candidate => candidate.Endpoint.Address == endpoint);

    /// <summary>How long a datagram and its answer take together on either path, in milliseconds.</summary>
    private sealed class PathDelays
    {
        public int Ipv4 { get; set; }

        public int Ipv6 { get; set; }
    }
}
