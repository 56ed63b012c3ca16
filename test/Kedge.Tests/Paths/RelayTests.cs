using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Paths;

/// <summary>Two nodes that do not reach each other directly, and a relay, or two.</summary>
public sealed class RelayTests : IDisposable
{
    private readonly PathWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Fact]
    public void A_relay_passes_on_what_symmetric_nats_do_not_let_through()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();

        Instant start = _world.Now;
        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(1));
        b.Send(a, 2);
        _world.Run(TimeSpan.FromSeconds(1));

        Assert.Equal(PathState.Relayed, a.FinderOf(b).State);
        Assert.Equal(PathState.Relayed, b.FinderOf(a).State);
        Assert.Equal(relay.Key, a.FinderOf(b).RelayKey);
        Assert.True(Assert.Single(b.Delivered).Time - start < TimeSpan.FromMilliseconds(500), $"{b.Delivered[0].Time - start}");
        Assert.Single(a.Delivered);
        Assert.NotEqual(0, relay.FinderOf(a).RelayedBytes);
    }

    [Fact]
    public void The_relay_of_the_peer_is_used_though_this_node_has_another()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        PathNode other = _world.AddNode("other", "203.0.113.20:7000");
        PathWorld.Join(other, a, relay);
        a.AllowRelay(other);
        _world.Run(TimeSpan.FromSeconds(3));
        Assert.Equal(relay.Key, b.Paths.Home!.PublicKey);

        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(1));

        Assert.Equal(relay.Key, a.FinderOf(b).RelayKey);
        Assert.Single(b.Delivered);
    }

    [Fact]
    public void Traffic_begins_by_the_relay_and_goes_on_directly_without_a_lost_packet()
    {
        (PathNode a, PathNode b, PathNode _) = _world.AddApart(isSymmetric: false);
        a.IsIntroduced = b.IsIntroduced = false;
        _world.Loses = (from, to) => to.Address == b.Nat!.Outside && from == a || to.Address == a.Nat!.Outside && from == b;
        Traffic(a, b, TimeSpan.FromSeconds(60));
        _world.Run(TimeSpan.FromSeconds(3));
        Assert.Equal(PathState.Relayed, a.FinderOf(b).State);

        _world.Loses = (_, _) => false;
        a.IsIntroduced = b.IsIntroduced = true;
        _world.Run(TimeSpan.FromSeconds(58));

        Assert.Equal(PathState.Direct, a.FinderOf(b).State);
        Assert.Equal(PathState.Direct, b.FinderOf(a).State);
        Assert.Equal(600, a.Delivered.Select(one => one.Number).Distinct().Count());
        Assert.Equal(600, b.Delivered.Select(one => one.Number).Distinct().Count());
    }

    [Fact]
    public void A_direct_path_that_dies_is_replaced_by_the_relay_within_two_seconds()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart(isSymmetric: false);
        Traffic(a, b, TimeSpan.FromSeconds(30));
        _world.Run(TimeSpan.FromSeconds(5));
        Assert.Equal(PathState.Direct, a.FinderOf(b).State);

        Instant cut = _world.Now;
        _world.Loses = (from, to) => from != relay && to != relay.Address;
        _world.Run(TimeSpan.FromSeconds(10));

        Assert.Equal(PathState.Relayed, a.FinderOf(b).State);
        AssertGap(b, cut, TimeSpan.FromSeconds(2));
        AssertGap(a, cut, TimeSpan.FromSeconds(2));
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void An_end_that_only_answers_goes_by_the_relay_too(bool isCutForth, bool isCutBack)
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart(isSymmetric: false);
        int answered = 0;
        _world.Every(TimeSpan.FromSeconds(0.2), 150, number =>
        {
            for (; answered < b.Delivered.Count; answered++)
                b.Send(a, b.Delivered[answered].Number);
            a.Send(b, number);
        });
        _world.Run(TimeSpan.FromSeconds(5));
        Assert.Equal(PathState.Direct, a.FinderOf(b).State);

        Instant cut = _world.Now;
        _world.Loses = (from, to) =>
            (isCutForth && from == a && to != relay.Address) || (isCutBack && from == b && to != relay.Address);
        _world.Run(TimeSpan.FromSeconds(15));

        AssertGap(a, cut, TimeSpan.FromSeconds(2.5));
    }

    [Fact]
    public void A_relay_that_dies_is_replaced_by_another_within_two_seconds()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        PathNode other = _world.AddNode("other", "203.0.113.20:7000");
        PathWorld.Join(other, a, b, relay);
        a.AllowRelay(other);
        b.AllowRelay(other);
        Traffic(a, b, TimeSpan.FromSeconds(40));
        _world.Run(TimeSpan.FromSeconds(5));
        PathNode used = a.FinderOf(b).RelayKey == relay.Key ? relay : other, spare = used == relay ? other : relay;

        Instant cut = _world.Now;
        _world.Loses = (from, to) => from == used || to == used.Address;
        _world.Run(TimeSpan.FromSeconds(15));

        Assert.Equal(spare.Key, a.FinderOf(b).RelayKey);
        AssertGap(b, cut, TimeSpan.FromSeconds(2));
        AssertGap(a, cut, TimeSpan.FromSeconds(2));
    }

    [Fact]
    public void An_idle_node_stays_known_to_its_relay_for_hours()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        _world.Run(TimeSpan.FromHours(2));
        Instant start = _world.Now;

        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(1));

        Assert.True(Assert.Single(b.Delivered).Time - start < TimeSpan.FromMilliseconds(500));
        Assert.Equal(relay.Key, b.FinderOf(a).RelayKey);
        // A keepalive, which renews the session, and a ping each 25 s, and what answers them.
        Assert.InRange(b.Log.Count, 2 * 3600 / 25, 4 * 2 * 3600 / 25);
    }

    [Fact]
    public void A_node_that_may_not_relay_is_not_used_and_one_that_is_not_asked_to_refuses()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        relay.Paths.UseRelay(isOn: false, 0);
        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(8));

        Assert.Empty(b.Delivered);
        Assert.Equal(0, relay.Paths.Switch.Pairs);

        a.Paths.AllowRelay(relay.Key, isAllowed: false);
        b.Paths.AllowRelay(relay.Key, isAllowed: false);
        relay.Paths.UseRelay(isOn: true, 0);
        a.Send(b, 2);
        _world.Run(TimeSpan.FromSeconds(8));

        Assert.Empty(b.Delivered);
        Assert.Equal(0, relay.Paths.Switch.Pairs);
    }

    [Fact]
    public void What_is_replayed_or_comes_from_elsewhere_is_not_passed_on()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(1));
        Sent[] relayed = [.. a.Log.Where(sent => sent.Kind == DatagramKind.Relay)];
        Assert.NotEmpty(relayed);
        int before = relay.Log.Count(sent => sent.Kind == DatagramKind.Relay);
        Endpoint source = PathWorld.ReflexiveOf(a) with { Address = a.Nat!.Outside };

        foreach (Sent one in relayed)
        {
            relay.Receive([.. one.Bytes], relay.FinderOf(a).Peer.Path!.Remote);
            relay.Receive([.. one.Bytes], Endpoint.Parse("203.0.113.99:7000"));
        }

        Assert.Equal(before, relay.Log.Count(sent => sent.Kind == DatagramKind.Relay));
        Assert.Equal(2 * relayed.Length, relay.Refused);
    }

    [Fact]
    public void A_pair_gets_the_rate_that_the_relay_allows_and_no_more()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        const int Rate = 1_000_000;
        relay.Paths.UseRelay(isOn: true, Rate);
        a.Send(b, 0);
        _world.Run(TimeSpan.FromSeconds(1));
        long before = relay.FinderOf(a).RelayedBytes;

        // 16 Mbit a second of datagrams that are new each time.
        byte[] datagram = new byte[2000];
        uint channel = a.TunnelTo(b).Path!.Relay!.Out;
        RelayHeader.Write(datagram, channel);
        var inner = new TransportData(datagram.AsSpan(RelayHeader.Size)) { Type = 4, Receiver = 77 };
        for (int i = 0; i < 10_000; i++)
        {
            inner = new TransportData(datagram.AsSpan(RelayHeader.Size)) { Counter = (ulong)i };
            relay.Receive([.. datagram], relay.FinderOf(a).Peer.Path!.Remote);
            _world.Run(TimeSpan.FromMilliseconds(1));
        }

        long passed = relay.FinderOf(a).RelayedBytes - before;
        Assert.InRange(passed, Rate / 8 * 9, Rate / 8 * 10 + 300_000);
    }

    // Between two packets, and since the last one.
    private void AssertGap(PathNode node, Instant from, TimeSpan limit)
    {
        Instant[] times = [from, .. node.Delivered.Select(one => one.Time).Where(time => time >= from), _world.Now];
        TimeSpan longest = times.Zip(times.Skip(1), (one, next) => next - one).Max();
        Assert.True(longest <= limit, $"Nothing came for {longest}.");
    }

    [Fact]
    public void A_pair_that_nothing_is_passed_on_for_makes_room_for_others()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(1));
        long bytes = relay.FinderOf(a).RelayedBytes;
        PathNode c = _world.AddNode("c", "192.168.3.2:7002", new VirtualNat(IpAddress.Parse("198.51.100.3"), Filtering.AddressAndPortDependent, isSymmetric: true));
        PathWorld.Join(relay, c);
        PathWorld.Connect(a, c);
        c.AllowRelay(relay);
        _world.Run(RelaySwitch.IdleTime * 2);

        a.Send(c, 2);
        _world.Run(TimeSpan.FromSeconds(1));

        Assert.Single(c.Delivered);
        Assert.Equal(1, relay.Paths.Switch.Pairs);
        Assert.True(relay.FinderOf(a).RelayedBytes > bytes);
    }

    private void Traffic(PathNode a, PathNode b, TimeSpan time)
    {
        int times = (int)(time / TimeSpan.FromSeconds(0.1));
        _world.Every(TimeSpan.FromSeconds(0.1), times, number => a.Send(b, number));
        _world.Every(TimeSpan.FromSeconds(0.1), times, number => b.Send(a, number));
    }
}
