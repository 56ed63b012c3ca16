using Kedge.Protocol.Ip;
using Kedge.Protocol.Knock;
using Kedge.Protocol.WireGuard;
using Kedge.Tests.Certificates;

namespace Kedge.Tests.Knock;

/// <summary>Messages that somebody else has made, changed, cut off or sent again, and more of them than a node can take.</summary>
public sealed class ForgedKnockTests : IDisposable
{
    private static readonly Endpoint Elsewhere = Endpoint.Parse("198.51.100.66:666");

    private readonly KnockWorld _world = new();

    public static TheoryData<byte> Types =>
    [
        Datagram.KnockInitiation,
        Datagram.KnockResponse,
        Datagram.KnockConfirmation,
        Datagram.KnockCookie,
        Datagram.KnockPart,
        Datagram.KnockResult,
    ];

    public void Dispose() => _world.Dispose();

    [Theory]
    [MemberData(nameof(Types))]
    public void A_message_that_was_changed_anywhere_or_cut_off_is_not_answered_and_spoils_nothing(byte type)
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        a.Use(LargeCertificate.Make(_world.Network, a, 1500));
        b.Use(LargeCertificate.Make(_world.Network, b, 1500));
        b.Waiting = type == Datagram.KnockCookie ? KnockNode.QueueCapacity : 0;
        bool isDone = false;
        _world.Loses = sent =>
        {
            if (sent.Type != type || isDone)
                return false;
            isDone = true;
            KnockNode receiver = sent.Destination == b.Address ? b : a;
            Assert.Empty(receiver.Outcomes);
            int pending = receiver.Protocol.Pending;
            int end = type is Datagram.KnockInitiation or Datagram.KnockConfirmation ? 16 : 0; // the cookie's MAC is not asked for
            for (int i = 0; i < sent.Bytes.Length - end; i++)
            {
                byte[] changed = [.. sent.Bytes];
                changed[i] ^= 0x40;
                Assert.Null(receiver.Receive(changed, Elsewhere));
            }
            for (int length = 20; length < sent.Bytes.Length; length += 1 + (length / 20))
                Assert.Null(receiver.Receive(sent.Bytes[..length], Elsewhere));
            Assert.Empty(receiver.Outcomes);
            Assert.Equal(pending, receiver.Protocol.Pending);
            return false;
        };
        a.Knock(b);
        _world.After(TimeSpan.FromSeconds(3), () => b.Waiting = 0);
        _world.Run(30);
        Assert.True(isDone);
        Assert.True(Assert.Single(a.Outcomes).Refusal.IsAccepted);
        Assert.True(Assert.Single(b.Outcomes).Refusal.IsAccepted);
        Assert.Equal((b.Address, a.Address), (a.Outcomes[0].Remote, b.Outcomes[0].Remote));
    }

    [Theory]
    [InlineData(600)]
    [InlineData(4096)]
    public void Whatever_is_sent_again_from_elsewhere_introduces_nobody(int size)
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        if (size > 600)
        {
            a.Use(LargeCertificate.Make(_world.Network, a, size));
            b.Use(LargeCertificate.Make(_world.Network, b, size));
        }
        a.Knock(b);
        _world.Run(1);
        Knocked[] seen = [.. _world.Seen];
        foreach (Knocked sent in seen.Concat(seen.Reverse()))
        {
            KnockNode receiver = sent.Destination == b.Address ? b : a;
            byte[]? answer = receiver.Receive([.. sent.Bytes], Elsewhere);
            Assert.True(answer is null || answer.Length <= sent.Bytes.Length);
        }
        _world.Run(30);
        foreach (Knocked sent in seen)
            (sent.Destination == b.Address ? b : a).Receive([.. sent.Bytes], Elsewhere);
        _world.Run(30);
        Assert.Equal(b.Address, Assert.Single(a.Outcomes).Remote);
        Assert.Equal(a.Address, Assert.Single(b.Outcomes).Remote);
    }

    [Fact]
    public void What_one_handshake_has_said_means_nothing_in_another()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        a.Knock(b);
        _world.Run(20);
        Knocked[] old = [.. _world.Seen];
        _world.Loses = sent => sent.Destination == a.Address;
        a.Knock(b);
        _world.Run(0.1);
        byte[] initiation = _world.SeenOf(Datagram.KnockInitiation).Last().Bytes;
        foreach (Knocked sent in old.Where(sent => sent.Destination == a.Address))
        {
            byte[] readdressed = [.. sent.Bytes];
            int receiver = sent.Type == Datagram.KnockResponse ? 8 : 4;
            initiation.AsSpan(4, 4).CopyTo(readdressed.AsSpan(receiver));
            Assert.Null(a.Receive(readdressed, b.Address));
        }
        Assert.Single(a.Outcomes);
    }

    [Fact]
    public void Handshakes_of_others_are_bounded_and_the_oldest_gives_way()
    {
        KnockNode b = _world.Add();
        List<(KnockNode Node, byte[] Response)> first = [];
        for (int i = 0; i < KnockProtocol.MaximumPending + 30; i++)
        {
            KnockNode a = _world.Add();
            byte[] answer = b.Receive(Initiation(a, b), new Endpoint(IpAddress.IPv4(0x0B000000 + (uint)i), 7891))!;
            Assert.Equal(Datagram.KnockResponse, answer[0]);
            first.Add((a, answer));
            _world.Run(0.001);
        }
        Assert.Equal(KnockProtocol.MaximumPending, b.Protocol.Pending);
        foreach ((int i, (KnockNode a, byte[] response)) in first.Index())
        {
            byte[] confirmation = a.Receive([.. response], b.Address)!;
            Assert.Equal(i < 30, b.Receive([.. confirmation], a.Address) is null);
        }
        Assert.Equal(KnockProtocol.MaximumPending, b.Accepted.Count());
        _world.Run(20);
        Assert.Equal(0, b.Protocol.Pending);
    }

    [Fact]
    public void A_handshake_without_confirmation_is_kept_for_five_seconds()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        _world.Loses = _ => true;
        Assert.NotNull(b.Receive(Initiation(a, b), a.Address));
        _world.Run(4.99);
        Assert.Equal(1, b.Protocol.Pending);
        _world.Run(0.01);
        Assert.Equal(0, b.Protocol.Pending);
    }

    [Fact]
    public void A_source_has_a_budget_and_takes_nothing_from_another()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        int answered = 0;
        for (int i = 0; i < 2000; i++)
        {
            a.Protocol.Cancel(b.Address);
            answered += b.Receive(Initiation(a, b), a.Address with { Port = (ushort)(1000 + i) }) is null ? 0 : 1;
            _world.Run(0.001);
        }
        Assert.InRange(answered, 43, 47); // two seconds of 20, and a burst of 5
        Assert.Contains(DropReason.KnockRateLimited, b.Drops);
        KnockNode other = _world.Add();
        other.Knock(b);
        _world.Run(1);
        Assert.True(Assert.Single(other.Outcomes).Refusal.IsAccepted);
    }

    [Fact]
    public void An_initiation_that_comes_again_costs_no_budget_and_gets_the_same_response()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        byte[] initiation = Initiation(a, b);
        byte[] response = b.Receive([.. initiation], a.Address)!;
        for (int i = 0; i < 100; i++)
            Assert.Equal(response, b.Receive([.. initiation], a.Address));
        Assert.Equal((1, 1L), (b.Protocol.Pending, b.Protocol.Answered));
    }

    [Fact]
    public void Under_load_an_address_has_to_be_proven_and_a_genuine_knock_still_succeeds()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        b.Waiting = KnockNode.QueueCapacity / 8;
        byte[] cookie = b.Receive(Initiation(a, b), a.Address)!;
        Assert.Equal((Datagram.KnockCookie, 64), (cookie[0], cookie.Length));
        Assert.Equal(0, b.Protocol.Pending);
        a.Protocol.Cancel(b.Address);
        _world.Seen.Clear();

        a.Knock(b);
        _world.Run(0.1);
        Assert.True(Assert.Single(a.Outcomes).Refusal.IsAccepted);
        Assert.Equal(
            [
                Datagram.KnockInitiation, Datagram.KnockCookie, Datagram.KnockInitiation, Datagram.KnockResponse,
                Datagram.KnockConfirmation, Datagram.KnockResult,
            ],
            _world.Seen.Select(sent => sent.Type));
        Assert.Equal(2, b.Protocol.CookiesSent);

        // The cookie is of that address.
        KnockNode late = _world.Add();
        byte[] proven = [.. _world.Seen[2].Bytes];
        Assert.Equal(Datagram.KnockCookie, b.Receive(proven, late.Address)![0]);
    }

    [Fact]
    public void A_confirmation_has_to_prove_its_address_if_the_load_has_come_meanwhile()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        _world.Loses = sent =>
        {
            b.Waiting = sent.Type == Datagram.KnockConfirmation ? KnockNode.QueueCapacity : b.Waiting;
            return false;
        };
        a.Knock(b);
        _world.Run(0.2);
        Assert.Equal(
            [
                Datagram.KnockInitiation, Datagram.KnockResponse, Datagram.KnockConfirmation, Datagram.KnockCookie,
                Datagram.KnockConfirmation, Datagram.KnockResult,
            ],
            _world.Seen.Select(sent => sent.Type));
        byte[] forged = [.. _world.SeenOf(Datagram.KnockConfirmation).First().Bytes];
        forged[30] ^= 1;
        Assert.Null(b.Receive(forged, Elsewhere));
    }

    [Fact]
    public void Strangers_get_no_cookie()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        using var other = new TestNetwork();
        a.Use(a.Certificate, other.Id);
        b.Waiting = KnockNode.QueueCapacity;
        a.Knock(b);
        _world.Run(20);
        Assert.Empty(_world.SeenOf(Datagram.KnockCookie));
        Assert.Equal(0, b.Protocol.CookiesSent);
    }

    [Fact]
    public void Who_gets_cookies_alone_is_told_that_the_other_end_is_busy()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        b.Waiting = KnockNode.QueueCapacity;
        int number = 0;
        _world.Loses = sent => sent.Type == Datagram.KnockResponse || (sent.Type == Datagram.KnockInitiation && number++ == 1);
        a.Knock(b);
        _world.Run(20);
        Assert.Equal(KnockResult.Busy, Assert.Single(a.Outcomes).Refusal.Result);
    }

    [Fact]
    public void Random_messages_are_dropped_and_allocate_nothing_where_they_are_checked()
    {
        (KnockNode a, KnockNode b) = _world.AddPair();
        Assert.NotNull(b.Receive(Initiation(a, b), a.Address));
        var random = new Random(7);
        for (int i = 0; i < 5000; i++)
        {
            byte type = Types.ElementAt(i % 6).Data;
            byte[] bytes = new byte[type switch
            {
                Datagram.KnockInitiation => 1200,
                Datagram.KnockCookie => 64,
                Datagram.KnockResult => 40,
                _ => random.Next(121, 1201),
            }];
            random.NextBytes(bytes);
            (bytes[0], bytes[1], bytes[2], bytes[3]) = (type, (byte)(type < Datagram.KnockCookie ? 1 : 0), 0, 0);
            Assert.Equal(DatagramKind.Knock, Datagram.Classify(bytes));
            Assert.Null(b.Receive(bytes, Elsewhere));
        }
        byte[] part = new byte[40];
        part[0] = Datagram.KnockPart;
        b.Protocol.Check(part, Elsewhere);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            b.Protocol.Check(part, Elsewhere);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private byte[] Initiation(KnockNode from, KnockNode to)
    {
        byte[] datagram = new byte[1280];
        from.Protocol.Knock(_world.Now, to.Address);
        ControlOutcome outcome = from.Protocol.Poll(_world.Now, datagram);
        Assert.True(outcome.Sends);
        return datagram[..outcome.Outcome.Length];
    }
}
