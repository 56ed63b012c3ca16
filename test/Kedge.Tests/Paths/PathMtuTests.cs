using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Paths;

/// <summary>What nodes find out about the size of their paths, on a virtual clock.</summary>
public sealed class PathMtuTests : IDisposable
{
    private const int Full = 1480;

    private readonly PathWorld _world = new();
    private readonly PathNode _a, _b;

    public PathMtuTests()
    {
        (_a, _b) = (_world.AddNode("a", "203.0.113.1:7000"), _world.AddNode("b", "203.0.113.2:7000"));
        PathWorld.Connect(_a, _b);
    }

    public void Dispose() => _world.Dispose();

    [Theory]
    [InlineData(1500, Full)]
    [InlineData(1280, 1280)]
    [InlineData(1400, 1400)]
    public void Both_ends_know_what_the_path_carries_a_moment_after_it_is_found(int carries, int expected)
    {
        _world.Carries = carries;
        _a.Send(_b, 1);
        _world.Run(TimeSpan.FromSeconds(5));

        foreach ((PathNode node, PathNode peer) in new[] { (_a, _b), (_b, _a) })
        {
            Assert.Equal((expected, true), (node.TunnelTo(peer).Path!.Mtu, node.TunnelTo(peer).Path!.IsMeasured));
            Assert.Equal(expected, node.FinderOf(peer).Status(_world.Now).Mtu);
        }
        Assert.Equal(expected == Full ? int.MaxValue : (expected - 60) & -16, _a.TunnelTo(_b).Path!.LongestPacket(1420));
    }

    [Fact]
    public void The_first_packets_are_short_ones_until_more_is_known_and_the_handshake_is_not_disturbed()
    {
        _a.Send(_b, 1);
        _world.RunUntil(() => _a.TunnelTo(_b).Path is not null, TimeSpan.FromSeconds(1));
        Assert.Equal((1280, false), (_a.TunnelTo(_b).Path!.Mtu, _a.TunnelTo(_b).Path!.IsMeasured));
        _world.Run(5 * _world.Delay);

        Assert.Equal((Full, true), (_a.TunnelTo(_b).Path!.Mtu, _a.TunnelTo(_b).Path!.IsMeasured));
        Assert.Single(_a.Log, one => one.Kind == DatagramKind.HandshakeInitiation);
        Assert.Equal([1280 - 28, Full - 28], _a.Log.Where(IsPadded).Select(one => one.Bytes.Length));
        Assert.All(_a.Log.Where(IsPadded), one => Assert.False(one.Bytes.AsSpan(Probe.Size).ContainsAnyExcept((byte)0)));
    }

    [Fact]
    public void A_path_that_is_idle_is_not_measured_again()
    {
        _a.Send(_b, 1);
        _world.Run(TimeSpan.FromSeconds(10));
        int before = _a.Log.Count(IsPadded);
        _world.Run(TimeSpan.FromMinutes(2));
        Assert.Equal(before, _a.Log.Count(IsPadded));

        _a.Send(_b, 2);
        _world.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(before + 1, _a.Log.Count(IsPadded));
    }

    [Fact]
    public void A_path_that_carries_less_than_before_is_noticed_when_what_is_sent_meets_silence()
    {
        _a.Send(_b, 1);
        _world.Run(TimeSpan.FromSeconds(10));
        _world.Carries = 1280;
        _world.Loses = (node, _) => node == _b && _b.Log[^1].Kind == DatagramKind.TransportData;
        _world.Every(TimeSpan.FromMilliseconds(200), 25, i => _a.Send(_b, 2 + i));
        _world.Run(TimeSpan.FromSeconds(3));

        Assert.Equal((1280, true), (_a.TunnelTo(_b).Path!.Mtu, _a.TunnelTo(_b).Path!.IsMeasured));
    }

    [Fact]
    public void What_is_known_stays_when_the_peer_speaks_to_another_address_of_ours()
    {
        _world.Carries = 1280;
        _a.Send(_b, 1);
        _world.Run(TimeSpan.FromSeconds(5));
        PeerTunnel tunnel = _a.TunnelTo(_b);
        tunnel.ForgetLocalAddress();
        Assert.Equal(1280, tunnel.Path!.Mtu);
        _b.Send(_a, 2);
        _world.Run(TimeSpan.FromSeconds(1));

        Assert.False(tunnel.Path!.Local.IsNone);
        Assert.Equal((1280, true), (tunnel.Path!.Mtu, tunnel.Path!.IsMeasured));
    }

    [Fact]
    public void A_peer_that_is_not_probed_any_more_is_sent_everything_as_it_is()
    {
        _world.Carries = 1280;
        _a.Send(_b, 1);
        _world.Run(TimeSpan.FromSeconds(5));
        _a.Paths.Remove(_b.Key);

        Assert.Equal((PeerPath.UnknownMtu, false), (_a.TunnelTo(_b).Path!.Mtu, _a.TunnelTo(_b).Path!.IsMeasured));
    }

    [Theory]
    [InlineData("192.0.2.1:1", 1216)]
    [InlineData("[2001:db8::1]:1", 1200)]
    public void Over_IPv6_there_is_less_room(string remote, int expected) =>
        Assert.Equal(expected, new PeerPath(Endpoint.Parse(remote), default) { Mtu = 1280 }.LongestPacket(1420));

    private static bool IsPadded(Sent sent) => sent.Kind == DatagramKind.Probe && sent.Bytes.Length > Probe.Size;
}
