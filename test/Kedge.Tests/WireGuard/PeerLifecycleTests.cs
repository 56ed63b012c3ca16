using Kedge.Crypto;
using Kedge.Protocol;
using Kedge.Protocol.Noise;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>Peers that are removed, added again and reconfigured while traffic goes on, and devices with more than one.</summary>
public class PeerLifecycleTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan OneWay = TimeSpan.FromMilliseconds(10);

    [Fact]
    public void A_peer_that_is_removed_is_gone_with_its_sessions_and_prefixes()
    {
        using Pair pair = Pair.InSession();
        PeerTunnel peer = pair.B.TunnelTo(pair.A);
        KeyPair session = peer.Keys.Current!;
        pair.B.RemovePeer(pair.A);
        Assert.Empty(pair.B.Device.Peers);
        Assert.Null(pair.B.Device.FindPeer(pair.A.PublicKey));
        Assert.Null(pair.B.Device.AllowedIps.Find(pair.A.IPv4));
        Assert.Null(pair.B.Device.FindSession(session.LocalIndex));
        Assert.False(session.Seal([], 1420));
        Assert.True(peer.PresharedKey.IndexOfAnyExcept((byte)0) < 0);

        Pair.Send(pair.A, pair.B);
        Pair.Send(pair.B, pair.A);
        pair.Run(60 * Second);
        Assert.Empty(pair.B.Delivered);
        Assert.Equal(1, pair.B.Device.Drops[DropReason.NoRoute]);
        Assert.True(pair.B.Device.Drops[DropReason.UnknownPeer] > 0);
        Assert.All(pair.Eavesdropper.Seen, datagram => Assert.Equal(pair.A.Address, datagram.Source));
        pair.B.Device.RemovePeer(pair.A.PublicKey); // does nothing
    }

    [Fact]
    public void A_peer_that_is_added_again_connects()
    {
        using Pair pair = Pair.InSession();
        pair.Every(Second / 10, 600, i => Pair.Send(pair.A, pair.B, (ulong)i));
        pair.After(10 * Second, () => pair.B.RemovePeer(pair.A));
        pair.After(20 * Second, () => pair.B.AddPeer(pair.A));
        pair.Run(60.5 * Second);
        Assert.Equal(599UL, pair.B.Delivered[^1].Number);
        // Between its removal and at most 6 s after its return nothing gets through; what waited last does.
        Assert.InRange(pair.B.Delivered.Count, 420, 520);
    }

    [Fact]
    public void A_peer_that_is_added_again_where_it_initiates_is_not_taken_for_a_replay()
    {
        using Pair pair = Pair.InSession();
        pair.A.ClockError = -TimeSpan.FromHours(1);
        for (int i = 0; i < 3; i++)
        {
            pair.Run(Second);
            pair.A.RemovePeer(pair.B);
            pair.A.AddPeer(pair.B);
            Pair.Send(pair.A, pair.B, (ulong)i);
            pair.Run(OneWay * 4);
            Assert.Equal(i + 1, pair.B.Delivered.Count);
        }
    }

    [Fact]
    public void A_key_can_be_a_peer_only_once()
    {
        using Pair pair = Pair.Connected();
        Assert.Throws<ArgumentException>(() => pair.A.Device.AddPeer(pair.B.PublicKey));
        Assert.Single(pair.A.Device.Peers);
    }

    [Fact]
    public void Packets_that_use_a_peer_after_its_removal_go_nowhere()
    {
        // The sending and the receiving thread may have looked it up just before.
        using Pair pair = Pair.InSession();
        PeerTunnel peer = pair.A.TunnelTo(pair.B);
        KeyPair session = peer.Keys.Current!;
        pair.A.RemovePeer(pair.B);
        var buffer = new byte[4096];
        AeadPacket[] packets = [new() { Source = buffer, SourceOffset = 16, Destination = buffer, DestinationOffset = 16, Length = 100 }];
        Assert.False(peer.TrySeal(pair.Now, packets, mtu: 1420));
        Assert.Equal(0, peer.Stage(TestPacket.Make(pair.A.IPv4, pair.B.IPv4)));
        Assert.False(peer.TrySealStaged(pair.Now, buffer, out _));
        Assert.False(session.Open(packets));
        Assert.Equal(
            DropReason.SourceNotAllowed,
            peer.Accept(pair.Now, session, TestPacket.Make(pair.B.IPv4, pair.A.IPv4), pair.B.Address, pair.A.Address, 0, out int length));
        Assert.Equal(0, length);

        // It has forgotten its secrets, so it must not make anything of what was asked of it.
        peer.RequestHandshake();
        peer.RequestKeepalive();
        Assert.Equal(OutcomeKind.Nothing, peer.Poll(pair.Now, pair.A.WallClock, buffer).Kind);
        Assert.Null(peer.Keys.Current);
        pair.Run(Second);
        Assert.Empty(pair.Eavesdropper.Seen);
    }

    [Fact]
    public void A_hub_keeps_its_peers_apart()
    {
        using var pair = new Pair();
        Node hub = pair.A;
        Node[] spokes = [.. Enumerable.Range(0, 50).Select(i => pair.AddNode($"spoke {i}"))];
        foreach (Node spoke in spokes)
        {
            hub.AddPeer(spoke, knowsEndpoint: false);
            spoke.AddPeer(hub);
            Pair.Send(spoke, hub, 1);
        }
        pair.Run(Second);
        Assert.Equal(spokes.Select(spoke => spoke.PublicKey), hub.Delivered.Select(delivery => delivery.From));
        for (int i = 0; i < spokes.Length; i++)
            Pair.Send(hub, spokes[i], (ulong)i);
        pair.Run(Second);
        for (int i = 0; i < spokes.Length; i++)
            Assert.Equal((ulong)i, Assert.Single(spokes[i].Delivered).Number);
        uint[] indexes = [.. hub.Device.Peers.Select(peer => peer.Keys.Current!.LocalIndex)];
        Assert.Equal(indexes.Length, indexes.Distinct().Count());
    }

    [Fact]
    public void An_interface_that_goes_down_and_up_begins_anew_with_the_same_configuration()
    {
        using Pair pair = Pair.InSession();
        pair.A.Device.ClearSessions();
        Assert.Null(pair.A.TunnelTo(pair.B).Keys.Current);
        pair.Run(Second);
        Assert.Empty(pair.Eavesdropper.Seen);
        Pair.Send(pair.A, pair.B);
        pair.Run(OneWay * 4);
        Assert.Single(pair.B.Delivered);
        Assert.True(pair.HaveSession);
    }

    [Fact]
    public void What_waits_is_dropped_when_the_interface_goes_down()
    {
        using Pair pair = Pair.Connected();
        pair.Network.Loses = _ => true;
        Pair.Send(pair.A, pair.B);
        Pair.Send(pair.A, pair.B);
        pair.A.Device.ClearSessions();
        Assert.Equal(2, pair.A.Device.Drops[DropReason.NoSession]);
        Assert.False(pair.A.TunnelTo(pair.B).HasStaged);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(16)]
    [InlineData(31)]
    [InlineData(33)]
    public void A_preshared_key_has_32_bytes(int length)
    {
        using Pair pair = Pair.Connected();
        PeerTunnel peer = pair.A.TunnelTo(pair.B);
        peer.PresharedKey = [.. Enumerable.Repeat((byte)1, 32)];
        Assert.Throws<ArgumentException>(() => peer.PresharedKey = new byte[length]);
        Assert.Equal(Enumerable.Repeat((byte)1, 32), peer.PresharedKey.ToArray());
    }

    // Four different values for all indexes: were they not looked up, sessions would overwrite each other within a few handshakes.
    [Fact]
    public void No_two_sessions_or_handshakes_under_way_have_the_same_index()
    {
        using Pair pair = Pair.Connected();
        var table = new SessionTable(bytes =>
        {
            bytes.Clear();
            bytes[0] = (byte)pair.Random.Next(4);
        });
        PeerTunnel peer = pair.A.TunnelTo(pair.B);
        using var keys = new SessionKeys();
        HashSet<uint> indexes = [];
        for (int i = 0; i < 4; i++)
        {
            uint index = table.NewIndex();
            Assert.True(indexes.Add(index), $"{index} is taken.");
            if (i % 2 == 0)
                table.Await(index, peer);
            else
                table.Add(new KeyPair(peer, keys, true, index, 0, pair.Now, pair.Timing));
        }
        uint ended = indexes.Last();
        table.Remove(table.Find(ended)!);
        Assert.Equal(ended, table.NewIndex());
    }

    [Theory]
    [InlineData(127, false)]
    [InlineData(128, true)]
    public void A_device_is_under_load_while_an_eighth_of_its_queue_is_taken_and_for_a_second_after(int queued, bool isUnderLoad)
    {
        var meter = new LoadMeter(Timing.Default, 1024);
        Instant now = new(0);
        Assert.False(meter.IsUnderLoad(now, 0));
        Assert.Equal(isUnderLoad, meter.IsUnderLoad(now, queued));
        Assert.Equal(isUnderLoad, meter.IsUnderLoad(now + (Second * 0.999), 0));
        Assert.False(meter.IsUnderLoad(now + Second, 0));
    }
}
