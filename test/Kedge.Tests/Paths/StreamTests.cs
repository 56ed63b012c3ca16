using Kedge.Protocol;
using Kedge.Protocol.Relays;

namespace Kedge.Tests.Paths;

/// <summary>Two nodes that UDP does not connect, and streams to their controller.</summary>
public sealed class StreamTests : IDisposable
{
    private readonly PathWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Fact]
    public void What_UDP_does_not_carry_goes_by_the_streams_of_both()
    {
        (PathNode a, PathNode b) = Pair();
        _world.Loses = IsUdp;
        a.SetStream(true);
        b.SetStream(true);

        Instant start = _world.Now;
        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(1));
        b.Send(a, 2);
        _world.Run(TimeSpan.FromSeconds(1));

        Assert.Equal(StreamAddress.Of(b.Key), a.TunnelTo(b).Path!.Remote);
        Assert.Equal(StreamAddress.Of(a.Key), b.TunnelTo(a).Path!.Remote);
        Assert.True(Assert.Single(b.Delivered).Time - start < TimeSpan.FromMilliseconds(700), $"{b.Delivered[0].Time - start}");
        Assert.Single(a.Delivered);
    }

    [Fact]
    public void A_direct_path_is_taken_though_both_have_a_stream()
    {
        (PathNode a, PathNode b) = Pair();
        a.SetStream(true);
        b.SetStream(true);

        Traffic(a, b, TimeSpan.FromSeconds(20));
        _world.Run(TimeSpan.FromSeconds(20));

        Assert.Equal(b.Address, a.TunnelTo(b).Path!.Remote);
        Assert.DoesNotContain(a.Log, sent => StreamAddress.IsStream(sent.To.Address) && sent.Kind != DatagramKindOfProbes);
    }

    [Fact]
    public void The_stream_is_left_for_a_direct_path_and_no_packet_is_lost()
    {
        (PathNode a, PathNode b) = Pair();
        _world.Loses = IsUdp;
        a.SetStream(true);
        b.SetStream(true);
        Traffic(a, b, TimeSpan.FromSeconds(40));
        _world.Run(TimeSpan.FromSeconds(3));
        Assert.True(StreamAddress.IsStream(a.TunnelTo(b).Path!.Remote.Address));

        _world.Loses = (_, _) => false;
        _world.Run(TimeSpan.FromSeconds(38));

        Assert.Equal(b.Address, a.TunnelTo(b).Path!.Remote);
        Assert.Equal(a.Address, b.TunnelTo(a).Path!.Remote);
        Assert.Equal(400, b.Delivered.Select(one => one.Number).Distinct().Count());
    }

    [Fact]
    public void A_direct_path_that_dies_is_replaced_by_the_streams_within_two_seconds()
    {
        (PathNode a, PathNode b) = Pair();
        a.SetStream(true);
        b.SetStream(true);
        Traffic(a, b, TimeSpan.FromSeconds(30));
        _world.Run(TimeSpan.FromSeconds(5));

        _world.Loses = IsUdp;
        _world.Run(TimeSpan.FromSeconds(4));

        Assert.True(StreamAddress.IsStream(a.TunnelTo(b).Path!.Remote.Address));
        Assert.True(StreamAddress.IsStream(b.TunnelTo(a).Path!.Remote.Address));
        Instant[] times = [.. b.Delivered.Select(one => one.Time)];
        TimeSpan gap = times.Zip(times.Skip(1), (one, next) => next - one).Max();
        Assert.True(gap < TimeSpan.FromSeconds(2.5), $"{gap}");
    }

    [Fact]
    public void A_node_opens_its_stream_for_a_peer_that_tells_of_one_and_is_not_reached_otherwise()
    {
        (PathNode a, PathNode b) = Pair();
        _world.Loses = IsUdp;
        b.SetStream(true);
        a.Paths.HeardByUdp(_world.Now); // of a STUN server: it is the peer's UDP that is blocked
        _world.Run(TimeSpan.FromSeconds(1));
        Assert.False(a.Paths.WantsStream(_world.Now, null, out _));

        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(1.1));

        Assert.True(a.Paths.WantsStream(_world.Now, null, out _));
        a.SetStream(true);
        _world.Run(TimeSpan.FromSeconds(1));
        Assert.Single(b.Delivered);
    }

    [Fact]
    public void A_stream_is_wanted_a_second_after_UDP_is_silent_and_for_a_minute_after_it_is_not()
    {
        (PathNode a, _) = Pair();
        Instant asked = _world.Now;

        Assert.False(a.Paths.WantsStream(asked, asked, out Instant review));
        Assert.Equal(asked + TimeSpan.FromSeconds(1), review);
        Assert.True(a.Paths.WantsStream(review, asked, out _));
        a.Paths.HeardByUdp(review);
        Assert.True(a.Paths.WantsStream(review + TimeSpan.FromSeconds(59), null, out Instant end));
        Assert.False(a.Paths.WantsStream(end, null, out _));
    }

    [Fact]
    public void A_peer_tells_of_no_stream_but_its_own()
    {
        (PathNode a, PathNode b) = Pair();
        PathNode other = _world.AddNode("other", "203.0.113.30:7000");
        a.SetStream(true);
        _world.Loses = IsUdp;
        a.Paths.Offer(_world.Now, b.Key, [new(StreamAddress.Of(other.Key), Protocol.Ip.PeerEndpointKind.Stream), new(StreamAddress.Of(other.Key), Protocol.Ip.PeerEndpointKind.Fixed)]);

        a.Send(b, 1);
        _world.Run(TimeSpan.FromSeconds(3));

        Assert.DoesNotContain(a.Log, sent => StreamAddress.IsStream(sent.To.Address));
    }

    private static Protocol.WireGuard.DatagramKind DatagramKindOfProbes => Protocol.WireGuard.DatagramKind.Probe;

    private static bool IsUdp(PathNode from, Protocol.Ip.Endpoint to) => !StreamAddress.IsStream(to.Address);

    private void Traffic(PathNode from, PathNode to, TimeSpan time) =>
        _world.Every(TimeSpan.FromMilliseconds(100), (int)(time / TimeSpan.FromMilliseconds(100)), number =>
        {
            from.Send(to, number);
            to.Send(from, number);
        });

    private (PathNode A, PathNode B) Pair()
    {
        PathNode a = _world.AddNode("a", "203.0.113.10:7000"), b = _world.AddNode("b", "198.51.100.20:7000");
        PathWorld.Connect(a, b);
        return (a, b);
    }
}
