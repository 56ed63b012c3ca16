using Kedge.Protocol;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Paths;

/// <summary>A relay that does not pass on what it should, and members that ask too much of one.</summary>
public sealed class HostileRelayTests : IDisposable
{
    private const int Packets = 300; // from each end
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(0.1);

    private readonly PathWorld _world = new();
    private readonly Random _random = new(1);

    public void Dispose() => _world.Dispose();

    [Fact]
    public void What_a_relay_replays_is_delivered_once_and_counted()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        relay.PassOn = (datagram, to) =>
        {
            relay.SendTo(datagram, to);
            relay.SendTo([.. datagram], to);
            _world.After(TimeSpan.FromSeconds(3), () => relay.SendTo([.. datagram], to));
        };

        Exchange(a, b);

        AssertAllDelivered(a, b);
        Assert.InRange(a.Dropped.Count(reason => reason == DropReason.Replayed), Packets, int.MaxValue);
        Assert.InRange(b.Dropped.Count(reason => reason == DropReason.Replayed), Packets, int.MaxValue);
        Assert.Contains(DropReason.InitiationReplayed, a.Dropped.Concat(b.Dropped));
    }

    [Fact]
    public void What_a_relay_corrupts_is_not_delivered_and_counted()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        relay.PassOn = (datagram, to) =>
        {
            byte[] corrupt = [.. datagram];
            corrupt[_random.Next(corrupt.Length)] ^= (byte)(1 << _random.Next(8));
            relay.SendTo(corrupt, to);
            relay.SendTo(datagram, to);
        };

        Exchange(a, b);

        AssertAllDelivered(a, b);
        Assert.InRange(a.Dropped.Count(reason => reason == DropReason.NotAuthentic), Packets / 2, int.MaxValue);
        Assert.InRange(b.Dropped.Count(reason => reason == DropReason.NotAuthentic), Packets / 2, int.MaxValue);
    }

    [Fact]
    public void What_a_relay_reflects_or_sends_to_a_stranger_is_nothing_to_them()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        PathNode stranger = _world.AddNode("stranger", "203.0.113.30:7000");
        PathWorld.Connect(relay, stranger);
        _world.Run(TimeSpan.FromSeconds(3));
        stranger.Send(relay, 0);
        _world.Run(TimeSpan.FromSeconds(1));
        relay.PassOn = (datagram, to) =>
        {
            relay.SendTo(datagram, to);
            PathNode sender = to == relay.TunnelTo(a) ? b : a;
            byte[] reflected = [.. datagram];
            // The channel on which the sender receives from the other.
            RelayHeader.Write(reflected, relay.Paths.Switch.Find(relay.TunnelTo(a), relay.TunnelTo(b))!.From(to).Number);
            relay.SendTo([.. datagram], relay.TunnelTo(sender));
            relay.SendTo(reflected, relay.TunnelTo(sender));
            relay.SendTo([.. datagram], relay.TunnelTo(stranger));
        };

        Exchange(a, b);

        AssertAllDelivered(a, b);
        Assert.Empty(stranger.Delivered);
        Assert.Equal(0, a.Paths.Switch.Pairs + b.Paths.Switch.Pairs + stranger.Paths.Switch.Pairs);
        Assert.InRange(a.Dropped.Count(reason => reason is DropReason.UnknownIndex), Packets, int.MaxValue);
    }

    [Fact]
    public void A_relay_that_delays_and_reorders_loses_nothing_and_makes_nothing_twice()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        relay.PassOn = (datagram, to) =>
            _world.After(TimeSpan.FromSeconds(0.5 * _random.NextDouble()), () => relay.SendTo(datagram, to));

        Exchange(a, b);

        AssertAllDelivered(a, b);
    }

    [Fact]
    public void A_relay_that_drops_some_takes_those_and_no_more()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        int dropped = 0;
        relay.PassOn = (datagram, to) =>
        {
            if (_random.NextDouble() < 0.3)
                dropped++;
            else
                relay.SendTo(datagram, to);
        };

        Exchange(a, b);

        AssertNothingWrong(a, b);
        Assert.InRange(a.Delivered.Count + b.Delivered.Count, 2 * Packets - dropped, 2 * Packets);
    }

    [Fact]
    public void A_relay_that_drops_all_but_answers_for_itself_is_left_for_another()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        PathNode other = _world.AddNode("other", "203.0.113.20:7000");
        PathWorld.Join(other, a, b, relay);
        a.AllowRelay(other);
        b.AllowRelay(other);
        Exchange(a, b, TimeSpan.FromSeconds(5));
        PathNode used = a.FinderOf(b).RelayKey == relay.Key ? relay : other, spare = used == relay ? other : relay;

        used.PassOn = (_, _) => { };
        Instant start = _world.Now;
        _world.Run(TimeSpan.FromSeconds(25));

        Assert.Equal(spare.Key, a.FinderOf(b).RelayKey);
        Assert.Equal(spare.Key, b.FinderOf(a).RelayKey);
        AssertNothingWrong(a, b);
        foreach (PathNode node in (PathNode[])[a, b])
        {
            Instant first = node.Delivered.First(one => one.Time > start + TimeSpan.FromSeconds(0.1)).Time;
            Assert.True(first - start < TimeSpan.FromSeconds(16), $"{node.Name} hears nothing for {first - start}.");
        }
    }

    [Fact]
    public void A_relay_that_drops_all_does_not_keep_a_pair_from_a_direct_path()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart(isSymmetric: false);
        relay.PassOn = (_, _) => { };

        Exchange(a, b, TimeSpan.FromSeconds(10));

        Assert.Equal(PathState.Direct, a.FinderOf(b).State);
        Assert.Equal(PathState.Direct, b.FinderOf(a).State);
        AssertNothingWrong(a, b);
        Assert.NotEmpty(a.Delivered);
    }

    [Fact]
    public void A_relay_sees_no_packet_of_the_tunnel()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        List<byte[]> seen = [];
        relay.PassOn = (datagram, to) =>
        {
            seen.Add([.. datagram]);
            relay.SendTo(datagram, to);
        };

        Exchange(a, b);

        byte[] addresses = new byte[8];
        a.Inner.CopyTo(addresses);
        b.Inner.CopyTo(addresses.AsSpan(4));
        Assert.InRange(seen.Count, Packets, int.MaxValue);
        Assert.All(seen, datagram => Assert.Equal(-1, datagram.AsSpan().IndexOf(addresses)));
    }

    [Fact]
    public void A_member_that_asks_for_pairs_without_bound_does_not_keep_others_from_the_relay()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        PathNode greedy = _world.AddNode("greedy", "203.0.113.40:7000");
        PathWorld.Connect(relay, greedy);
        greedy.AllowRelay(relay);
        _world.Run(TimeSpan.FromSeconds(3));
        greedy.Send(relay, 0);
        _world.Run(TimeSpan.FromSeconds(1));
        // A thousand a second: of keys that nobody has, and of the members that there are.
        _world.Every(TimeSpan.FromSeconds(0.01), 3500, number =>
        {
            for (int i = 0; i < 8; i++)
                greedy.Paths.OpenRelay(greedy.FinderOf(relay), NewKey());
            greedy.Paths.OpenRelay(greedy.FinderOf(relay), a.Key);
            greedy.Paths.OpenRelay(greedy.FinderOf(relay), b.Key);
        });

        Exchange(a, b);

        AssertAllDelivered(a, b);
        Assert.Equal(relay.Key, a.FinderOf(b).RelayKey);
        Assert.InRange(relay.Paths.Switch.Pairs, 1, 3);
    }

    [Fact]
    public void A_member_has_a_bounded_number_of_pairs_and_others_have_theirs()
    {
        (PathNode a, PathNode b, PathNode relay) = _world.AddApart();
        RelaySwitch pairs = relay.Paths.Switch;
        PeerTunnel[] peers = [.. Enumerable.Range(0, RelaySwitch.MaximumPairsOfPeer + 50).Select(_ => relay.Device.AddPeer(NewKey()))];
        PeerTunnel greedy = relay.Device.AddPeer(NewKey());

        int opened = peers.Count(peer => pairs.Open(_world.Now, greedy, peer) is not null);
        opened += peers.Count(peer => pairs.Find(peer, greedy) is null && pairs.Open(_world.Now, peer, greedy) is not null);

        Assert.Equal(RelaySwitch.MaximumPairsOfPeer, opened);
        Assert.Equal(opened, pairs.Pairs);
        Exchange(a, b, TimeSpan.FromSeconds(2));
        Assert.Equal(relay.Key, a.FinderOf(b).RelayKey);
        _world.Run(RelaySwitch.IdleTime * 2);
        Assert.NotNull(pairs.Open(_world.Now, greedy, peers[^1]));
    }

    private static void AssertAllDelivered(PathNode a, PathNode b)
    {
        AssertNothingWrong(a, b);
        Assert.Equal(Packets, a.Delivered.Count);
        Assert.Equal(Packets, b.Delivered.Count);
    }

    private static void AssertNothingWrong(PathNode a, PathNode b)
    {
        foreach (PathNode node in (PathNode[])[a, b])
        {
            Assert.Equal(node.Delivered.Count, node.Delivered.Select(one => one.Number).Distinct().Count());
            Assert.All(node.Delivered, one => Assert.InRange(one.Number, 0, Packets - 1));
        }
    }

    private PublicKey NewKey()
    {
        byte[] key = new byte[PublicKey.Size];
        _world.Fill(key);
        return PublicKey.FromBytes(key);
    }

    private void Exchange(PathNode a, PathNode b) => Exchange(a, b, Packets * Interval + TimeSpan.FromSeconds(5));

    /// <summary>Begins to send from both ends, and lets some of it pass.</summary>
    private void Exchange(PathNode a, PathNode b, TimeSpan time)
    {
        _world.Every(Interval, Packets, number => a.Send(b, number));
        _world.Every(Interval, Packets, number => b.Send(a, number));
        _world.Run(time);
    }
}
