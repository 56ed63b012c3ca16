using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>
/// What a wake-up of the handshake thread costs. That nothing is polled too late, <see cref="Node.Poll"/> checks in every test that uses it,
/// against a walk over all peers.
/// </summary>
public sealed class PeerScheduleTests : IDisposable
{
    private const int Peers = 3_000;

    private readonly WireGuardDevice _device = new(Timing.Default, bytes => Random.Shared.NextBytes(bytes), () => { });
    private readonly byte[] _datagram = new byte[2_048];
    private Instant _now = new(1_000_000_000);

    public PeerScheduleTests()
    {
        _device.SetIdentity(new LocalIdentity([.. Enumerable.Range(1, 32).Select(i => (byte)i)]), new TimestampSource(default, _ => { }));
        for (int i = 0; i < Peers; i++)
            _device.AddPeer(PublicKey.FromBytes([(byte)i, (byte)(i >> 8), .. new byte[30]])).Path = new PeerPath(Endpoint.Parse("192.0.2.1:1"), default);
        Poll();
    }

    public void Dispose() => _device.Dispose();

    [Fact]
    public void A_wake_up_for_one_peer_looks_at_no_other()
    {
        PeerTunnel peer = _device.Peers.ElementAt(1_234);
        int looked = 0;
        for (int i = 0; i < 1_000; i++)
        {
            peer.Stage(new byte[100]);
            _now += TimeSpan.FromTicks(100);
            looked += Poll();
        }
        Assert.Equal(1_000, looked);
    }

    [Fact]
    public void A_peer_that_asks_often_before_a_wake_up_is_looked_at_once()
    {
        PeerTunnel peer = _device.Peers.First();
        for (int i = 0; i < 100; i++)
            peer.RequestKeepalive();
        Assert.Equal(1, Poll());
        Assert.Equal(1, Poll()); // without a session it has asked itself for a handshake meanwhile
        Assert.Equal(0, Poll());
    }

    [Fact]
    public void A_wake_up_for_nothing_looks_at_no_peer()
    {
        for (int i = 0; i < 1_000; i++)
        {
            _now += TimeSpan.FromSeconds(1);
            Assert.Equal(0, Poll());
        }
        Assert.Equal(Instant.Never, _device.Schedule.Earliest);
    }

    [Fact]
    public void An_interface_that_comes_up_looks_at_all_its_peers()
    {
        _device.IsUp = false;
        Assert.Equal(Peers, Poll());
        PeerTunnel peer = _device.Peers.ElementAt(77);
        peer.RequestHandshake();
        Poll();
        Assert.Equal(Instant.Never, _device.Schedule.Earliest);
        _device.IsUp = true;
        Assert.True(_device.Schedule.Earliest <= _now);
        Assert.Equal(Peers, Poll());
        Assert.InRange(_device.Schedule.Earliest - _now, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(6));
    }

    [Fact]
    public void A_deadline_that_moves_earlier_is_seen()
    {
        PeerTunnel peer = _device.Peers.ElementAt(77);
        peer.PersistentKeepalive = TimeSpan.FromSeconds(200);
        Poll();
        Instant before = _device.Schedule.Earliest;
        peer.PersistentKeepalive = TimeSpan.FromSeconds(150);
        Poll();
        Assert.True(_device.Schedule.Earliest < before, $"{_device.Schedule.Earliest} is not before {before}");
    }

    [Fact]
    public void A_peer_that_is_removed_is_not_looked_at_again_even_if_it_asks()
    {
        PeerTunnel[] removed = [.. _device.Peers.Where((_, i) => i % 3 == 0)];
        foreach (PeerTunnel peer in removed)
            peer.RequestHandshake();
        foreach (PeerTunnel peer in removed)
            _device.RemovePeer(peer.PublicKey);
        Assert.Equal(0, Poll());
        removed[0].RequestHandshake();
        Assert.Equal(0, Poll());
        foreach (PeerTunnel peer in _device.Peers)
            peer.RequestKeepalive();
        Assert.Equal(Peers - removed.Length, Poll());
    }

    [Fact]
    public void A_wake_up_allocates_nothing()
    {
        PeerTunnel peer = _device.Peers.First();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            peer.RequestKeepalive();
            _device.Schedule.TakeAsking();
            while (_device.Schedule.TakeDue(_now) is { } due)
                _device.Schedule.Put(due, _now);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    // What the handshake thread does; returns how many peers it looked at.
    private int Poll()
    {
        int looked = 0;
        _device.Schedule.TakeAsking();
        for (; _device.Schedule.TakeDue(_now) is { } peer; looked++)
        {
            while (peer.Poll(_now, DateTimeOffset.UnixEpoch, _datagram) is { Kind: OutcomeKind.ToNetwork })
                continue;
            _device.Schedule.Put(peer, _now);
        }
        return looked;
    }
}
