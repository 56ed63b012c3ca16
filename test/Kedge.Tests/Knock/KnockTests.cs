using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Knock;
using Kedge.Protocol.WireGuard;
using Kedge.Tests.Certificates;
using Kedge.Tests.WireGuard;

namespace Kedge.Tests.Knock;

/// <summary>Two nodes that introduce themselves to each other, on good networks and bad ones.</summary>
public sealed class KnockTests : IDisposable
{
    private readonly KnockWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Fact]
    public void One_knock_introduces_both_nodes_to_each_other_with_four_messages()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        a.Knock(b);
        _world.Run(20);

        KnockOutcome atA = Assert.Single(a.Outcomes), atB = Assert.Single(b.Outcomes);
        Assert.Equal((b.Address, b.Address, true), (atA.Asked, atA.Remote, atA.Refusal.IsAccepted));
        Assert.Equal((default, a.Address, true), (atB.Asked, atB.Remote, atB.Refusal.IsAccepted));
        Assert.Equal(b.Certificate, atA.Certificate!.Der.ToArray());
        Assert.Equal(a.Certificate, atB.Certificate!.Der.ToArray());
        Assert.Equal(
            [
                (Datagram.KnockInitiation, 1200),
                (Datagram.KnockResponse, 120 + b.Certificate.Length),
                (Datagram.KnockConfirmation, 104 + a.Certificate.Length),
                (Datagram.KnockResult, 40),
            ],
            _world.Seen.Select(sent => (sent.Type, sent.Bytes.Length)));
        Assert.Equal((0, 0), (a.Protocol.Knocks, b.Protocol.Pending));
        Assert.Equal(Instant.Never, a.Protocol.NextDeadline);
        Assert.Equal(Instant.Never, b.Protocol.NextDeadline);
    }

    [Fact]
    public void Where_nobody_answers_the_knock_is_repeated_four_times_and_given_up_after_eight_seconds()
    {
        KnockNode a = _world.Add();
        var nobody = Endpoint.Parse("192.0.2.1:7891");
        a.Protocol.Knock(_world.Now, nobody);
        _world.Run(7.999);
        Assert.Empty(a.Outcomes);
        _world.Run(0.001);

        Assert.Equal([0, 0.5, 1, 2, 4], _world.Seen.Select(sent => (sent.Time - new Instant(0)).TotalSeconds));
        Assert.Equal(new KnockOutcome(nobody, new KnockRefusal(KnockResult.NoAnswer)), Assert.Single(a.Outcomes));
        _world.Run(60);
        Assert.Equal(5, _world.Seen.Count);
    }

    [Fact]
    public void A_node_of_another_network_is_not_answered()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        using var other = new TestNetwork();
        b.Use(b.Certificate, other.Id);
        a.Knock(b);
        _world.Run(20);

        Assert.All(_world.Seen, sent => Assert.Equal(a.Address, sent.Source));
        Assert.Equal(KnockResult.NoAnswer, Assert.Single(a.Outcomes).Refusal.Result);
        Assert.Empty(b.Outcomes);
        Assert.Equal(5, b.Drops.Count(reason => reason == DropReason.UnexpectedKnock));
    }

    [Fact]
    public void Whoever_knocks_at_itself_is_told_so()
    {
        KnockNode a = _world.Add();
        a.Knock(a);
        _world.Run(20);
        Assert.Equal(KnockResult.Self, Assert.Single(a.Outcomes).Refusal.Result);
        Assert.Empty(_world.SeenOf(Datagram.KnockConfirmation));
    }

    [Theory]
    [InlineData(4096, 4096)]
    [InlineData(4096, 0)]
    [InlineData(0, 4096)]
    [InlineData(1081, 1081)]
    [InlineData(1080, 1080)]
    [InlineData(2241, 2240)]
    public void Large_certificates_come_in_parts(int sizeOfA, int sizeOfB)
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        if (sizeOfA > 0)
            a.Use(LargeCertificate.Make(_world.Network, a, sizeOfA));
        if (sizeOfB > 0)
            b.Use(LargeCertificate.Make(_world.Network, b, sizeOfB));
        a.Knock(b);
        _world.Run(20);

        Assert.Equal(b.Certificate, Assert.Single(a.Accepted).Certificate!.Der.ToArray());
        Assert.Equal(a.Certificate, Assert.Single(b.Accepted).Certificate!.Der.ToArray());
        Knocked[] sent = [.. _world.Seen];
        for (int i = 1; i < sent.Length; i++) // a question and its answer in turn
        {
            bool isAnswer = sent[i].Source == b.Address;
            Assert.True(!isAnswer || sent[i].Bytes.Length <= sent[i - 1].Bytes.Length, "An answer is longer than its question.");
        }
        int parts = Parts(a.Certificate) + Parts(b.Certificate);
        Assert.Equal(4 + (2 * parts), sent.Length);

        static int Parts(byte[] certificate) => (Math.Max(certificate.Length - 1080, 0) + 1159) / 1160;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void On_bad_networks_both_ends_come_to_the_same_result(bool isLarge)
    {
        (int accepted, int rounds) = (0, isLarge ? 40 : 150);
        for (int seed = 0; seed < rounds; seed++)
        {
            using var world = new KnockWorld(seed);
            (KnockNode a, KnockNode b) = world.AddPair();
            if (isLarge)
            {
                a.Use(LargeCertificate.Make(world.Network, a, 4096));
                b.Use(LargeCertificate.Make(world.Network, b, 3000));
            }
            world.Quality = new NetworkQuality(0.25, 0.25, TimeSpan.FromMilliseconds(5), TimeSpan.FromMilliseconds(900));
            a.Knock(b);
            world.Run(120);

            KnockOutcome atA = Assert.Single(a.Outcomes);
            Assert.True(b.Outcomes.Count <= 1, $"Seed {seed}: B is told {b.Outcomes.Count} times.");
            Assert.All(b.Outcomes, outcome => Assert.True(outcome.Refusal.IsAccepted, outcome.ToString()));
            Assert.True(!atA.Refusal.IsAccepted || b.Outcomes.Count == 1, $"Seed {seed}: A alone believes to be introduced.");
            accepted += atA.Refusal.IsAccepted ? 1 : 0;
            Assert.Equal((0, 0, 0), (a.Protocol.Knocks, a.Protocol.Pending, b.Protocol.Pending));
        }
        Assert.InRange(accepted, rounds * 9 / 10, rounds);
    }

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(0, 0, 300)]
    [InlineData(0.2, 0.2, 300)]
    public void Two_nodes_that_knock_at_each_other_are_introduced_once_at_each_end(double loss, double duplication, int jitter)
    {
        int both = 0;
        for (int seed = 0; seed < 100; seed++)
        {
            using var world = new KnockWorld(seed);
            (KnockNode a, KnockNode b) = world.AddPair();
            world.Quality = new NetworkQuality(loss, duplication, TimeSpan.FromMilliseconds(5), TimeSpan.FromMilliseconds(jitter));
            a.Knock(b);
            world.After(TimeSpan.FromMilliseconds(seed % 4 * 5), () => b.Knock(a));
            world.Run(120);

            KnockOutcome atA = Assert.Single(a.Outcomes), atB = Assert.Single(b.Outcomes);
            Assert.Equal((b.Address, a.Address), (atA.Asked, atB.Asked));
            both += atA.Refusal.IsAccepted && atB.Refusal.IsAccepted ? 1 : 0;
        }
        Assert.InRange(both, loss > 0 ? 95 : 100, 100);
    }

    [Fact]
    public void An_initiator_whose_other_end_restarts_in_the_middle_begins_again()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        bool hasRestarted = false;
        _world.Loses = sent =>
        {
            if (sent.Type == Datagram.KnockConfirmation && !hasRestarted)
            {
                hasRestarted = true;
                b.Restart();
            }
            return false;
        };
        a.Knock(b);
        _world.Run(30);
        Assert.True(hasRestarted);
        Assert.True(Assert.Single(a.Outcomes).Refusal.IsAccepted);
        Assert.True(Assert.Single(b.Outcomes).Refusal.IsAccepted);
        Assert.InRange((_world.Seen[^1].Time - new Instant(0)).TotalSeconds, 4, 5);
    }

    [Fact]
    public void An_initiator_that_restarts_in_the_middle_knocks_as_if_it_had_not()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        _world.Loses = sent => sent.Type == Datagram.KnockConfirmation;
        a.Knock(b);
        _world.Run(0.3);
        a.Restart();
        _world.Loses = _ => false;
        a.Knock(b);
        _world.Run(30);
        Assert.True(Assert.Single(a.Outcomes).Refusal.IsAccepted);
        Assert.True(Assert.Single(b.Outcomes).Refusal.IsAccepted);
    }

    [Fact]
    public void An_other_end_that_falls_silent_is_told_apart_from_nobody()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        _world.Loses = sent => sent.Type == Datagram.KnockConfirmation;
        a.Knock(b);
        _world.Run(60);
        Assert.Equal(KnockResult.AnswerEnded, Assert.Single(a.Outcomes).Refusal.Result);
        Assert.Empty(b.Outcomes);
    }

    [Fact]
    public void A_repeated_confirmation_is_answered_for_ten_seconds_and_changes_nothing()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        a.Knock(b);
        _world.Run(1);
        Knocked confirmation = _world.SeenOf(Datagram.KnockConfirmation).Single();
        var elsewhere = Endpoint.Parse("198.51.100.7:1");
        _world.Run(8.9);
        Assert.Equal(40, b.Receive([.. confirmation.Bytes], elsewhere)?.Length);
        byte[] changed = [.. confirmation.Bytes];
        changed[20] ^= 1;
        Assert.Null(b.Receive(changed, elsewhere));
        _world.Run(0.2);
        Assert.Null(b.Receive([.. confirmation.Bytes], elsewhere));
        Assert.Equal(a.Address, Assert.Single(b.Outcomes).Remote);
    }

    [Fact]
    public void New_credentials_begin_anew_and_none_end_what_is_under_way()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        _world.Loses = _ => true;
        a.Knock(b);
        _world.Run(1);
        byte[] first = _world.Seen[0].Bytes;
        a.Use(_world.Network.Certify(a.Subject).Der.ToArray());
        _world.Loses = _ => false;
        _world.Run(1);
        Assert.NotEqual(first, _world.Seen[^4].Bytes);
        Assert.Equal(a.Certificate, Assert.Single(b.Accepted).Certificate!.Der.ToArray());

        _world.Loses = _ => true;
        a.Knock(b);
        a.Protocol.Use(_world.Now, null, null);
        a.Poll();
        Assert.Equal(KnockResult.Withdrawn, a.Outcomes[^1].Refusal.Result);
        Assert.Equal(DropReason.NotEnabled, a.Protocol.Check(_world.Seen[0].Bytes, b.Address));
    }

    [Fact]
    public void Knocks_under_way_are_bounded_and_may_be_cancelled()
    {
        KnockNode a = _world.Add();
        for (int i = 0; i <= KnockProtocol.MaximumKnocks; i++)
            a.Protocol.Knock(_world.Now, new Endpoint(IpAddress.IPv4(0xC0000200 + (uint)i), 7891));
        a.Protocol.Knock(_world.Now, new Endpoint(IpAddress.IPv4(0xC0000200), 7891));
        a.Poll();
        Assert.Equal(KnockResult.TooMany, Assert.Single(a.Outcomes).Refusal.Result);
        Assert.Equal(KnockProtocol.MaximumKnocks, a.Protocol.Knocks);
        a.Protocol.Cancel(new Endpoint(IpAddress.IPv4(0xC0000200), 7891));
        Assert.Equal(KnockProtocol.MaximumKnocks - 1, a.Protocol.Knocks);
        Assert.Throws<ArgumentException>(() => a.Protocol.Knock(_world.Now, default));
    }

    [Fact]
    public void Credentials_have_a_certificate_that_fits()
    {
        using var identity = new LocalIdentity(new byte[32]);
        Assert.Throws<ArgumentException>(() => new KnockCredentials(_world.Network.Id, identity, []));
        byte[] tooLong = new byte[NodeCertificate.MaximumSize + 1];
        Assert.Throws<ArgumentException>(() => new KnockCredentials(_world.Network.Id, identity, tooLong));
    }
}
