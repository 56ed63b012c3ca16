using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Tests.Rosenpass;

/// <summary>Many peers, strangers, and a network's worst: work stays within its budget, and peers come through.</summary>
public class LoadTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Fact]
    public void A_storm_of_peers_calms_down()
    {
        using var network = new RosenpassNetwork();
        RosenpassEnd hub = network.AddEnd();
        hub.JobTime = TimeSpan.FromMilliseconds(20);
        var spokes = new List<RosenpassEnd>();
        for (int i = 0; i < 100; i++)
        {
            RosenpassEnd spoke = network.AddEnd();
            spoke.AddPeer(hub, network.Dialects[0]);
            hub.AddPeer(spoke, network.Dialects[0]);
            spokes.Add(spoke);
        }
        network.Run(30 * Second);
        Assert.All(spokes, spoke => Assert.Equal(spoke.Last!.Key, LastKeyOf(hub, spoke)));
        int sent = network.Sent.Count;
        network.Run(60 * Second);
        Assert.Equal(sent, network.Sent.Count);
        Assert.InRange(hub.MostJobs, 1, 16 + 16 + 100);

        // The next round is a storm again, but a smaller one.
        network.Run(60 * Second);
        Assert.All(spokes, spoke => Assert.Equal(spoke.Last!.Key, LastKeyOf(hub, spoke)));
        Assert.True(network.Sent.Count - sent < sent, $"{network.Sent.Count - sent} messages after {sent}");
    }

    [Fact]
    public void A_flood_from_invented_addresses_stays_within_its_budget_and_shuts_no_peer_out()
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair();
        network.Run(Second);
        byte[] hello = network.Sent.First(sent => sent.Type == MessageType.InitHello && sent.Destination == b.Address).Bytes;
        int before = b.JobCount;
        for (int i = 0; i < 10_000; i++)
        {
            var source = new Endpoint(IpAddress.IPv4(0x0A000000 + (uint)i), 1);
            network.After(i * TimeSpan.FromMilliseconds(0.5), () => network.Send(hello, source, b.Address));
        }
        network.Run(Second);
        string last = b.Last!.Key;
        a.Restart();
        a.AddPeer(b, network.Dialects[0]);
        network.RunUntil(() => b.Last!.Key != last && a.Last!.Key == b.Last.Key, Second);
        network.Run(10 * Second);
        Assert.InRange(b.MostJobs, 1, 8 + 3);
        Assert.InRange(b.JobCount - before, 1, 8 + (5 * 100) + 10);
        Assert.True(b.Drops[RosenpassDropReason.RateLimited] + b.Drops.GetValueOrDefault(RosenpassDropReason.Busy) > 9000);
    }

    [Fact]
    public void One_address_cannot_use_up_the_budget_of_all_strangers()
    {
        using var network = new RosenpassNetwork();
        (_, RosenpassEnd b) = network.AddPair(bKnowsEndpoint: false);
        network.Run(Second);
        byte[] hello = network.Sent.First(sent => sent.Type == MessageType.InitHello).Bytes;
        int before = b.JobCount;
        var source = Endpoint.Parse("10.0.0.1:1");
        for (int i = 0; i < 1000; i++)
            network.After(i * TimeSpan.FromMilliseconds(1), () => network.Send(hello, source, b.Address));
        network.Run(2 * Second);
        Assert.InRange(b.JobCount - before, 5, 26);
    }

    [Fact]
    public void One_address_floods_and_a_peer_at_an_unknown_one_gets_in()
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair(bKnowsEndpoint: false);
        network.Run(Second);
        byte[] hello = network.Sent.First(sent => sent.Type == MessageType.InitHello).Bytes;
        string last = b.Last!.Key;
        var source = Endpoint.Parse("10.0.0.1:1");
        for (int i = 0; i < 10_000; i++)
            network.After(i * TimeSpan.FromMilliseconds(0.5), () => network.Send(hello, source, b.Address));
        network.Run(Second);
        a.Restart();
        a.AddPeer(b, network.Dialects[0]);
        network.RunUntil(() => b.Last!.Key != last && a.Last!.Key == b.Last.Key, 2 * Second);
        Assert.True(b.Drops[RosenpassDropReason.RateLimited] > 1000);
    }

    [Fact]
    public void A_message_of_a_wrong_size_or_with_a_wrong_MAC_causes_no_work()
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair(bKnowsEndpoint: false);
        network.Run(Second);
        (int jobsOfA, int jobsOfB, int sent) = (a.JobCount, b.JobCount, network.Sent.Count);
        foreach (SentDatagram original in network.Sent.ToArray())
        {
            RosenpassEnd receiver = original.Destination == a.Address ? a : b;
            for (int length = 0; length < original.Bytes.Length + 2; length++)
            {
                if (length != original.Bytes.Length)
                    receiver.Receive([.. original.Bytes.Concat(new byte[2]).Take(length)], original.Source);
            }
            for (int bit = 0; bit < 8 * (original.Bytes.Length - 16); bit += 5)
            {
                byte[] changed = [.. original.Bytes];
                changed[bit / 8] ^= (byte)(1 << (bit % 8));
                receiver.Receive(changed, original.Source);
            }
        }
        Assert.Equal((jobsOfA, jobsOfB, sent), (a.JobCount, b.JobCount, network.Sent.Count));
        Assert.True(b.Drops[RosenpassDropReason.InvalidMac] > 1000);
        Assert.True(b.Drops[RosenpassDropReason.Malformed] > 1000);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void An_end_under_load_lets_in_who_proves_its_address(int dialect)
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair(network.Dialects[dialect], bKnowsEndpoint: false);
        b.IsUnderLoad = true;
        network.RunUntil(() => b.Last is not null, 0.2 * Second);
        Assert.Equal(a.Last!.Key, b.Last!.Key);
        Assert.Equal([0x81, 0x86, 0x81, 0x82, 0x83], network.Sent.Take(5).Select(sent => (int)sent.Type));
        Assert.Equal(network.Sent[0].Bytes.Length, network.Sent[1].Bytes.Length);
        Assert.Equal(network.Sent[0].Bytes[..^16], network.Sent[2].Bytes[..^16]);
        Assert.Equal(new byte[16], network.Sent[0].Bytes[^16..]);
        Assert.NotEqual(new byte[16], network.Sent[2].Bytes[^16..]);
    }

    [Fact]
    public void A_cookie_serves_only_its_address_and_its_time()
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair(network.Dialects[2], bKnowsEndpoint: false);
        b.IsUnderLoad = true;
        network.Run(Second);
        byte[] proven = network.Sent[2].Bytes;
        Endpoint elsewhere = a.Address with { Port = 1 };
        int cookies = CookieReplies();
        b.Receive([.. proven], elsewhere);
        Assert.Equal(cookies + 1, CookieReplies());
        b.Exchange.RemovePeer(b.Exchange.Peers.Single());
        b.AddPeer(a, network.Dialects[2], knowsEndpoint: false); // a is a stranger again
        a.IsUp = false;
        b.Receive([.. proven], a.Address);
        Assert.Equal(cookies + 1, CookieReplies());
        network.Run(241 * Second);
        b.Receive([.. proven], a.Address);
        Assert.Equal(cookies + 2, CookieReplies());

        int CookieReplies() => network.Sent.Count(sent => sent.Type == MessageType.CookieReply);
    }

    [Fact]
    public void The_released_dialect_knows_no_cookies()
    {
        using var network = new RosenpassNetwork();
        (RosenpassEnd a, RosenpassEnd b) = network.AddPair(bKnowsEndpoint: false);
        b.IsUnderLoad = true;
        network.Run(Second);
        Assert.Equal(a.Last!.Key, b.Last!.Key);
        Assert.DoesNotContain(network.Sent, sent => sent.Type == MessageType.CookieReply);
    }

    private static string LastKeyOf(RosenpassEnd hub, RosenpassEnd spoke)
    {
        PeerId id = spoke.PublicKey.IdUnder(KeyedHash.Blake2b);
        return hub.Written.Last(key => key.Peer == id).Key;
    }
}
