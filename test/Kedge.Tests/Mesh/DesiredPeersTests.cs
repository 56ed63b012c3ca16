using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Tests.Mesh;

public class DesiredPeersTests
{
    private static readonly IpPrefix Address = IpPrefix.Parse("10.200.0.7/32"), Child = IpPrefix.Parse("10.7.0.0/24");
    private static readonly Endpoint Where = Endpoint.Parse("203.0.113.1:7000"), Elsewhere = Endpoint.Parse("203.0.113.2:7000");

    [Fact]
    public void A_device_that_is_right_is_not_touched() => Assert.Null(DesiredPeers.Difference(
        [Present(1, Where, 25, Address, Child), Present(2, default, 0)],
        [Desired(1, 25, null, Child, Address), Desired(2, 0, null)]));

    [Fact]
    public void A_new_peer_comes_with_all_that_it_has()
    {
        PeerChange change = Single([], Desired(1, 25, Where, Address));

        Assert.Equal((Key(1), Where, (ushort)25), (change.PublicKey, change.Endpoint!.Value, change.PersistentKeepaliveInterval!.Value));
        Assert.Equal([new AllowedIpChange(Address, Remove: false)], change.AllowedIps);
        Assert.False(change.Remove || change.UpdateOnly || change.ReplaceAllowedIps);
    }

    [Fact]
    public void A_peer_without_anything_is_made_all_the_same() => Assert.Equal(Key(1), Single([], Desired(1, 0, null)).PublicKey);

    [Fact]
    public void Only_what_differs_is_mentioned()
    {
        PeerStatus present = Present(1, Where, 0, Address);

        PeerChange child = Single([present], Desired(1, 0, Where, Address, Child));
        Assert.Equal([new AllowedIpChange(Child, Remove: false)], child.AllowedIps);
        Assert.Null(child.Endpoint);
        Assert.Null(child.PersistentKeepaliveInterval);

        PeerChange endpoint = Single([present], Desired(1, 0, Elsewhere, Address));
        Assert.Equal(Elsewhere, endpoint.Endpoint);
        Assert.Empty(endpoint.AllowedIps);

        PeerChange keepalive = Single([present], Desired(1, 25, null, Address));
        Assert.Equal((ushort)25, keepalive.PersistentKeepaliveInterval);
        Assert.Null(keepalive.Endpoint);
    }

    [Fact]
    public void A_prefix_that_is_no_longer_a_peers_is_taken_from_it() => Assert.Equal(
        [new AllowedIpChange(Child, Remove: true)],
        Single([Present(1, Where, 0, Address, Child)], Desired(1, 0, null, Address)).AllowedIps);

    [Fact]
    public void Peers_that_are_not_desired_go_before_others_get_their_prefixes()
    {
        DeviceChange change = DesiredPeers.Difference([Present(1, Where, 0, Address)], [Desired(2, 0, null, Address)])!;

        Assert.Equal([(Key(1), true), (Key(2), false)], change.Peers.Select(peer => (peer.PublicKey, peer.Remove)));
        Assert.False(change.ReplacePeers);
    }

    [Fact]
    public void The_device_itself_is_never_changed()
    {
        DeviceChange change = DesiredPeers.Difference([], [Desired(1, 0, null, Address)])!;
        Assert.Null(change.PrivateKey);
        Assert.Null(change.ListenPort);
        Assert.Null(change.Fwmark);
        Assert.Null(change.Peers[0].PresharedKey);
    }

    private static PeerChange Single(IEnumerable<PeerStatus> present, DesiredPeer desired) =>
        Assert.Single(DesiredPeers.Difference(present, [desired])!.Peers);

    private static PublicKey Key(byte number)
    {
        var bytes = new byte[PublicKey.Size];
        bytes[0] = number;
        return PublicKey.FromBytes(bytes);
    }

    private static DesiredPeer Desired(byte number, ushort keepalive, Endpoint? endpoint, params IpPrefix[] prefixes) =>
        new(Key(number), prefixes, keepalive, endpoint);

    private static PeerStatus Present(byte number, Endpoint endpoint, ushort keepalive, params IpPrefix[] prefixes)
    {
        var peer = new PeerStatus(Key(number)) { Endpoint = endpoint, PersistentKeepaliveInterval = keepalive };
        foreach (IpPrefix prefix in prefixes)
            peer.AllowedIps.Add(prefix);
        return peer;
    }
}
