using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

public sealed class PendingLookupsTests : IDisposable
{
    private static readonly IpAddress Wanted = IpAddress.Parse("10.7.0.9");

    private readonly WireGuardDevice _device = new(Timing.Default, RandomNumberGenerator.Fill, () => { });
    private readonly PendingLookups _lookups;
    private Instant _now = new(TimeSpan.TicksPerMinute);

    public PendingLookupsTests()
    {
        Span<byte> key = stackalloc byte[X25519.KeySize];
        RandomNumberGenerator.Fill(key);
        _device.SetIdentity(new LocalIdentity(key), new TimestampSource(default, _ => { }));
        _lookups = _device.Lookups;
        _lookups.Overlay = [IpPrefix.Parse("10.7.0.0/16")];
    }

    public void Dispose() => _device.Dispose();

    [Fact]
    public void An_address_is_asked_for_once_however_many_packets_wait()
    {
        Assert.True(_lookups.TryAdd(_now, Wanted, Packet(1), out bool isNew) && isNew);
        Assert.True(_lookups.TryAdd(_now, Wanted, Packet(2), out isNew) && !isNew);

        Assert.True(_lookups.TryTakeNew(out IpAddress address));
        Assert.Equal(Wanted, address);
        Assert.False(_lookups.TryTakeNew(out _));
    }

    [Fact]
    public void What_is_outside_the_overlay_does_not_wait() =>
        Assert.False(_lookups.TryAdd(_now, IpAddress.Parse("10.8.0.1"), Packet(1), out _));

    [Fact]
    public void Without_an_overlay_nothing_waits()
    {
        _lookups.Overlay = [];
        Assert.False(_lookups.TryAdd(_now, Wanted, Packet(1), out _));
    }

    [Fact]
    public void Where_nothing_is_looked_for_any_more_what_waits_is_dropped_and_counted()
    {
        _lookups.TryAdd(_now, Wanted, Packet(1), out _);
        _lookups.TryAdd(_now, Wanted, Packet(2), out _);

        _lookups.Overlay = [];

        Assert.Equal(2, _device.Drops[DropReason.NoRoute]);
        Assert.False(_lookups.TryTakeNew(out _));
        Assert.Equal(Instant.Never, _lookups.NextDeadline);
    }

    [Fact]
    public void The_peer_that_has_the_address_gets_what_has_waited()
    {
        _lookups.TryAdd(_now, Wanted, Packet(1), out _);
        _lookups.TryAdd(_now, IpAddress.Parse("10.7.1.1"), Packet(2), out _);
        PeerTunnel peer = AddPeer();

        _lookups.Deliver(IpPrefix.Parse("10.7.0.0/24"), peer);

        Assert.Equal(1, CountStaged(peer));
        Assert.Equal(_now + PendingLookups.Patience, _lookups.NextDeadline); // of the other one
    }

    [Fact]
    public void A_packet_for_a_peer_that_has_just_been_added_goes_there()
    {
        PeerTunnel peer = AddPeer();
        _device.AllowedIps.Insert(IpPrefix.Parse("10.7.0.9/32"), peer);

        Assert.True(_lookups.TryAdd(_now, Wanted, Packet(1), out bool isNew) && !isNew);

        Assert.Equal(1, CountStaged(peer));
    }

    [Fact]
    public void What_nobody_has_is_given_back_after_a_while_and_then_refused_for_a_while()
    {
        _lookups.TryAdd(_now, Wanted, Packet(1), out _);
        _lookups.TryAdd(_now, Wanted, Packet(2), out _);
        Assert.Empty(TakeFailed());

        _now += PendingLookups.Patience;
        Assert.Equal([1, 2], TakeFailed());
        Assert.False(_lookups.TryAdd(_now, Wanted, Packet(3), out _));

        _now += PendingLookups.Pause;
        Assert.Empty(TakeFailed());
        Assert.True(_lookups.TryAdd(_now, Wanted, Packet(4), out bool isNew) && isNew);
    }

    [Fact]
    public void What_is_known_not_to_exist_is_given_back_at_once()
    {
        _lookups.TryAdd(_now, Wanted, Packet(1), out _);

        _lookups.Fail(_now, Wanted);

        Assert.Equal([1], TakeFailed());
    }

    [Fact]
    public void Many_addresses_and_many_packets_are_too_many()
    {
        for (int i = 0; i < PendingLookups.MaximumAddresses; i++)
            Assert.True(_lookups.TryAdd(_now, IpAddress.Parse($"10.7.2.{i}"), Packet(1), out _));
        Assert.False(_lookups.TryAdd(_now, Wanted, Packet(1), out _));

        IpAddress first = IpAddress.Parse("10.7.2.0");
        for (byte i = 2; i <= PendingLookups.PacketsEach + 2; i++)
            Assert.True(_lookups.TryAdd(_now, first, Packet(i), out _));
        _lookups.Fail(_now, first);
        Assert.Equal(Enumerable.Range(3, PendingLookups.PacketsEach), TakeFailed().Select(number => (int)number)); // the newest
    }

    private static byte[] Packet(byte number) => [number, .. new byte[99]];

    private PeerTunnel AddPeer()
    {
        Span<byte> key = stackalloc byte[X25519.KeySize];
        RandomNumberGenerator.Fill(key);
        using var identity = new LocalIdentity(key);
        return _device.AddPeer(identity.PublicKey);
    }

    private long CountStaged(PeerTunnel peer)
    {
        long before = _device.Drops[DropReason.NoSession];
        peer.DropStaged();
        return _device.Drops[DropReason.NoSession] - before;
    }

    private List<byte> TakeFailed()
    {
        List<byte> taken = [];
        byte[] packet = new byte[PendingLookups.LongestPacket];
        while (_lookups.TryTakeFailed(_now, packet, out int length))
        {
            Assert.Equal(100, length);
            taken.Add(packet[0]);
        }
        return taken;
    }
}
