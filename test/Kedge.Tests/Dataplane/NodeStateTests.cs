using Kedge.Node.Dataplane;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Tests.Dataplane;

public sealed class NodeStateTests
{
    private static readonly DateTimeOffset Now = new(2026, 7, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly PublicKey First = PublicKey.FromBytes([.. Enumerable.Repeat((byte)1, 32)]);
    private static readonly PublicKey Second = PublicKey.FromBytes([.. Enumerable.Repeat((byte)2, 32)]);

    [Fact]
    public void What_is_kept_of_a_device_is_what_is_applied_to_the_next()
    {
        using var status = new DeviceStatus { ConfiguredPort = 51820, HasFixedPort = true, Fwmark = 0x6b650001, PrivateKey = new byte[32] };
        status.StunResults.Add(new StunResult(Endpoint.Parse("192.0.2.1:3478"), Endpoint.Parse("203.0.113.9:51820")));
        var peer = new PeerStatus(First)
        {
            PresharedKey = [.. Enumerable.Repeat((byte)7, 32)],
            Endpoint = Endpoint.Parse("[fe80::1%3]:51820"),
            PersistentKeepaliveInterval = 25,
            LastHandshake = Now,
        };
        peer.AllowedIps.Add(IpPrefix.Parse("10.200.0.2/32"));
        peer.AllowedIps.Add(IpPrefix.Parse("fd20::/64"));
        status.Peers.Add(peer);
        status.Peers.Add(new PeerStatus(Second) { PresharedKey = new byte[32] });

        NodeState state = NodeState.Of(status, "/etc/kedge/key");
        using DeviceChange change = state.ToChange();

        Assert.Equal("/etc/kedge/key", state.PrivateKeyFile);
        Assert.Null(change.PrivateKey);
        Assert.Equal((51820, true), (state.ListenPort, state.HasFixedPort));
        Assert.Null(change.ListenPort);
        Assert.Equal(0x6b650001u, change.Fwmark);
        Assert.Equal([Endpoint.Parse("192.0.2.1:3478")], change.StunServers);
        Assert.Equal([First, Second], change.Peers.Select(kept => kept.PublicKey));
        PeerChange first = change.Peers[0];
        Assert.Equal(peer.PresharedKey, first.PresharedKey);
        Assert.Equal(peer.Endpoint, first.Endpoint);
        Assert.Equal((ushort)25, first.PersistentKeepaliveInterval);
        Assert.Equal(peer.AllowedIps, first.AllowedIps.Select(allowed => allowed.Prefix));
        Assert.Null(change.Peers[1].PresharedKey);
        Assert.Null(change.Peers[1].Endpoint);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(179, true)]
    [InlineData(180, false)]
    [InlineData(-3600, true)] // the clock went back meanwhile
    public void Peers_in_use_within_the_last_three_minutes_are_active(int secondsAgo, bool active)
    {
        var state = new NodeState { Peers = [new NodePeer { PublicKey = First.ToString(), LastHandshake = Now.AddSeconds(-secondsAgo) }] };
        Assert.Equal(active ? [First] : [], state.ActivePeers(Now));
    }

    [Fact]
    public void A_peer_that_was_never_in_use_is_not_active() =>
        Assert.Empty(new NodeState { Peers = [new NodePeer { PublicKey = First.ToString() }] }.ActivePeers(Now));

    [Fact]
    public void Preshared_keys_are_copies_and_are_zeroed()
    {
        byte[] key = [.. Enumerable.Repeat((byte)7, 32)];
        using var status = new DeviceStatus();
        status.Peers.Add(new PeerStatus(First) { PresharedKey = key });
        NodeState state = NodeState.Of(status, null);
        state.Clear();
        Assert.Equal(new byte[32], state.Peers[0].PresharedKey);
        Assert.Equal(7, key[0]);
    }
}
