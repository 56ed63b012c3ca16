using Kedge.Protocol;
using Kedge.Protocol.Rosenpass;
using Kedge.Tests.WireGuard;

namespace Kedge.Tests.Rosenpass;

/// <summary>Two ends, from the first handshake to the last: keys, times, restarts, on good networks and bad ones.</summary>
public class ExchangeTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Theory]
    [InlineData(0, 1092, 1132)]
    [InlineData(1, 1060, 1100)]
    [InlineData(2, 1060, 1100)]
    public void Both_ends_get_the_same_key_in_every_dialect(int dialect, int initHelloSize, int respHelloSize)
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair(network.Dialects[dialect], bKnowsEndpoint: false);
        network.Run(Second);
        Assert.Equal(OutputKeyReason.Exchanged, Assert.Single(a.Written).Reason);
        Assert.Equal(a.Written[0].Key, Assert.Single(b.Written).Key);
        Assert.Equal([initHelloSize, respHelloSize, 176, 64], network.Sent.Select(sent => sent.Bytes.Length));
        Assert.Equal([0x81, 0x82, 0x83, 0x84], network.Sent.Select(sent => (int)sent.Type));
    }

    [Fact]
    public void Ends_of_different_dialects_stay_strangers()
    {
        for (int left = 0; left < 3; left++)
        {
            for (int right = 0; right < 3; right++)
            {
                if (left == right)
                    continue;
                using var network = new RosenpassNetwork();
                RosenpassEnd a = network.AddEnd(), b = network.AddEnd();
                a.AddPeer(b, network.Dialects[left]);
                b.AddPeer(a, network.Dialects[right], knowsEndpoint: false);
                network.Run(10 * Second);
                Assert.Empty(a.Written);
                Assert.Empty(b.Written);
            }
        }
    }

    [Fact]
    public void Ends_with_different_preshared_keys_get_no_key()
    {
        using var network = new RosenpassNetwork();
        RosenpassEnd a = network.AddEnd(), b = network.AddEnd();
        a.AddPeer(b, network.Dialects[0], presharedKey: [.. Enumerable.Repeat((byte)1, 32)]);
        b.AddPeer(a, network.Dialects[0], knowsEndpoint: false);
        network.Run(10 * Second);
        Assert.Empty(a.Written);
        Assert.Empty(b.Written);
        Assert.True(b.Drops[RosenpassDropReason.NotAuthentic] > 1);
    }

    [Fact]
    public void Where_both_know_an_endpoint_the_roles_alternate_every_120_seconds()
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair(bKnowsEndpoint: false);
        network.Run(TimeSpan.FromMinutes(20));
        Assert.Equal(a.Written.Select(key => key.Key), b.Written.Select(key => key.Key));
        Assert.InRange(a.Written.Count, 10, 11);
        Assert.All(a.Written, key => Assert.Equal(OutputKeyReason.Exchanged, key.Reason));
        Assert.All(Intervals(a), interval => Assert.InRange(interval, 120, 122.2));
        IEnumerable<bool> roles = network.Sent.Where(sent => sent.Type == MessageType.InitHello).Select(sent => sent.Source == a.Address);
        Assert.Equal(Enumerable.Range(0, a.Written.Count).Select(number => number % 2 == 0), roles);
    }

    [Fact]
    public void An_initiator_whose_peer_stays_silent_renews_after_130_seconds()
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair();
        network.Run(Second);
        string first = a.Last!.Key;
        RosenpassEnd initiator = a.Exchange.Peers.Single().IsInitiator ? a : b;
        network.Loses = sent => sent.Type == MessageType.InitHello && sent.Source != initiator.Address;
        network.RunUntil(() => initiator.Last!.Key != first, 133 * Second);
        Assert.InRange((network.Now - new Instant(0)).TotalSeconds, 130, 132.2);
        network.Run(Second);
        Assert.Equal(a.Last!.Key, b.Last!.Key);
    }

    [Fact]
    public void A_key_that_is_not_renewed_is_replaced_by_a_random_one_after_180_seconds()
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair(bKnowsEndpoint: false);
        network.Run(Second);
        network.Loses = _ => true;
        network.Run(TimeSpan.FromMinutes(10));
        foreach (RosenpassEnd end in new[] { a, b })
        {
            Assert.Equal([OutputKeyReason.Exchanged, OutputKeyReason.Stale], end.Written.Select(key => key.Reason));
            Assert.Equal(180, (end.Written[1].Time - end.Written[0].Time).TotalSeconds, 3);
        }
        Assert.Equal(3, new[] { a.Written[0], a.Written[1], b.Written[1] }.Select(key => key.Key).Distinct().Count());
        network.Loses = _ => false;
        network.RunUntil(() => a.Last!.Reason == OutputKeyReason.Exchanged, 11 * Second);
        network.Run(Second);
        Assert.Equal(a.Last!.Key, b.Last!.Key);
    }

    [Fact]
    public void Ends_that_start_at_the_same_time_agree_within_the_time_of_precedence()
    {
        for (int seed = 1; seed <= 200; seed++)
        {
            using var network = new RosenpassNetwork(seed) { Quality = new NetworkQuality(0.2, 0.2, Second * 0.01, Second * 0.3) };
            (RosenpassEnd a, RosenpassEnd b) = network.AddPair();
            network.Run(10 * Second);
            network.Quality = NetworkQuality.Good;
            network.Run(20 * Second);
            Assert.True(a.Last?.Key == b.Last?.Key && a.Last is not null, $"Seed {seed}: {a.Last} and {b.Last}");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void Ends_on_a_bad_network_agree_again_and_again(int seed)
    {
        using var network = new RosenpassNetwork(seed) { Quality = new NetworkQuality(0.3, 0.3, Second * 0.01, Second) };
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair();
        int agreements = 0;
        for (int minute = 0; minute < 120; minute++)
        {
            network.Run(TimeSpan.FromMinutes(1));
            agreements += a.Last is not null && a.Last.Key == b.Last?.Key ? 1 : 0;
        }
        Assert.InRange(agreements, 100, 120);
        network.Quality = NetworkQuality.Good;
        network.Run(TimeSpan.FromMinutes(5));
        Assert.Equal(a.Last!.Key, b.Last!.Key);
        Assert.InRange(a.Written.Count, 55, 75);
    }

    [Fact]
    public void An_end_that_restarts_and_knows_an_endpoint_is_back_at_once()
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair();
        network.Run(30 * Second);
        string first = a.Last!.Key;
        b.Restart();
        b.AddPeer(a, network.Dialects[0]);
        network.RunUntil(() => a.Last!.Key != first && a.Last.Key == b.Last!.Key, 0.5 * Second);
    }

    [Fact]
    public void An_end_that_restarts_and_knows_no_endpoint_is_back_at_its_peers_next_rekey()
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair(bKnowsEndpoint: false);
        network.Run(30 * Second);
        string first = a.Last!.Key;
        b.Restart();
        b.AddPeer(a, network.Dialects[0], knowsEndpoint: false);
        network.RunUntil(() => a.Last!.Key != first && a.Last.Key == b.Last!.Key, 103 * Second);
    }

    [Fact]
    public void An_InitConf_that_comes_again_is_confirmed_again_and_makes_no_new_key()
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair(bKnowsEndpoint: false);
        network.Loses = sent => sent.Type == MessageType.EmptyData;
        network.Run(10 * Second);
        Assert.Single(b.Written);
        SentDatagram[] confirmations = [.. network.Sent.Where(sent => sent.Type == MessageType.EmptyData)];
        Assert.InRange(confirmations.Length, 3, 8);
        Assert.Equal(Enumerable.Range(0, confirmations.Length), confirmations.Select(sent => (int)sent.Bytes[8]));
        network.Loses = _ => false;
        network.Run(15 * Second);
        int sent = network.Sent.Count;
        network.Run(60 * Second);
        Assert.Equal(sent, network.Sent.Count);
        Assert.Single(a.Written);
    }

    [Fact]
    public void A_message_is_sent_again_byte_for_byte_and_more_and_more_rarely()
    {
        using var network = new RosenpassNetwork { Loses = _ => true };
        (RosenpassEnd a, _) = network.AddPair(bKnowsEndpoint: false);
        network.Run(179 * Second);
        SentDatagram[] sent = [.. network.Sent];
        Assert.All(sent, datagram => Assert.Equal(sent[0].Bytes, datagram.Bytes));
        double[] intervals = [.. sent.Zip(sent.Skip(1), (before, after) => (after.Time - before.Time).TotalSeconds)];
        for (int i = 0; i < intervals.Length; i++)
        {
            double longest = Math.Min(0.5 * Math.Pow(2, i), 10);
            Assert.InRange(intervals[i], longest / 2, longest);
        }
        network.Run(10 * Second);
        Assert.NotEqual(sent[0].Bytes, network.Sent[^1].Bytes);
        Assert.Empty(a.Written);
    }

    [Fact]
    public void Biscuits_of_older_handshakes_are_refused()
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair(bKnowsEndpoint: false);
        network.Run(Second);
        SentDatagram old = network.Sent.Single(sent => sent.Type == MessageType.InitConf);
        network.Run(245 * Second); // b's turn, then a's again
        Assert.Equal(3, b.Written.Count);
        b.Receive([.. old.Bytes], a.Address);
        Assert.Equal(1, b.Drops[RosenpassDropReason.Replayed]);
        Assert.Equal(3, b.Written.Count);
    }

    [Fact]
    public void A_peer_that_is_removed_while_its_job_runs_is_not_heard_of_again()
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair(bKnowsEndpoint: false);
        a.JobTime = b.JobTime = Second;
        network.Run(1.5 * Second); // b answers
        b.Exchange.RemovePeer(b.Exchange.Peers.Single());
        network.Run(0.2 * Second);
        a.Exchange.RemovePeer(a.Exchange.Peers.Single());
        int sent = network.Sent.Count;
        network.Run(30 * Second);
        Assert.Equal(sent, network.Sent.Count);
        Assert.Empty(a.Written);
        Assert.Equal(Instant.Never, a.Exchange.NextDeadline);
    }

    private static IEnumerable<double> Intervals(RosenpassEnd end) =>
        end.Written.Zip(end.Written.Skip(1), (before, after) => (after.Time - before.Time).TotalSeconds);
}
