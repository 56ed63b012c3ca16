using Kedge.Crypto;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>How many messages a session may carry: the WireGuard paper, sections 6.1 and 6.2, with limits that a test can reach.</summary>
public class MessageLimitTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan OneWay = TimeSpan.FromMilliseconds(10);
    private static readonly Timing Small = new() { RekeyAfterMessages = 100, RejectAfterMessages = 200 };

    [Fact]
    public void The_limits_are_the_specification_s()
    {
        Assert.Equal(1152921504606846976UL, Timing.Default.RekeyAfterMessages); // 2^60
        Assert.Equal(18446744073709543423UL, Timing.Default.RejectAfterMessages); // 2^64 - 2^13 - 1
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void After_Rekey_After_Messages_either_end_asks_for_a_new_session(bool initiatorSends)
    {
        using Pair pair = Pair.InSession(timing: Small);
        (Node from, Node to) = initiatorSends ? (pair.A, pair.B) : (pair.B, pair.A);
        pair.Run(6 * Second);
        int before = (int)from.TunnelTo(to).Keys.Current!.Sent;
        for (int i = before; i < 99; i++)
            Pair.Send(from, to, (ulong)i);
        pair.Run(OneWay);
        Assert.Empty(pair.Eavesdropper.Initiations);
        Pair.Send(from, to, 99);
        pair.Run(OneWay * 4);
        Assert.Equal(from.Address, Assert.Single(pair.Eavesdropper.Initiations).Source);
        Assert.Equal(100 - before, to.Delivered.Count);
    }

    [Fact]
    public void Reject_After_Messages_ends_a_session_and_what_follows_waits_for_the_next()
    {
        using Pair pair = Pair.InSession(timing: Small);
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.HandshakeInitiation;
        int before = (int)pair.A.TunnelTo(pair.B).Keys.Current!.Sent;
        for (int i = before; i < 210; i++)
            Pair.Send(pair.A, pair.B, (ulong)i);
        pair.Run(OneWay);
        Assert.Equal(200 - before, pair.B.Delivered.Count);
        Assert.True(pair.A.TunnelTo(pair.B).HasStaged);

        pair.Network.Loses = _ => false;
        pair.Run(6 * Second);
        Assert.Equal(Enumerable.Range(before, 210 - before), pair.B.Delivered.Select(delivery => (int)delivery.Number));
        Assert.Equal(0, pair.A.Device.Drops[DropReason.NoSession]);
    }

    [Fact]
    public void A_receiver_refuses_counters_from_Reject_After_Messages_on()
    {
        using var pair = new Pair(timing: Small);
        Node unlimited = pair.AddNode("C", Timing.Default);
        unlimited.AddPeer(pair.B);
        pair.B.AddPeer(unlimited);
        for (int i = 0; i < 100; i++)
            Pair.Send(unlimited, pair.B, (ulong)i);
        pair.Run(OneWay * 4);
        for (int i = 100; i < 250; i++)
            Pair.Send(unlimited, pair.B, (ulong)i);
        pair.Run(OneWay * 4);
        Assert.Equal(Enumerable.Range(0, 200), pair.B.Delivered.Select(delivery => (int)delivery.Number));
        Assert.Equal(50, pair.B.Device.Drops[DropReason.SessionExpired]);
    }

    [Fact]
    public void A_batch_never_goes_beyond_the_limit()
    {
        using Pair pair = Pair.InSession(timing: Small);
        KeyPair session = pair.A.TunnelTo(pair.B).Keys.Current!;
        List<ulong> counters = [];
        while (Batch(session, 64) is { } batch)
            counters.AddRange(batch.Select(packet => packet.Counter));
        Assert.NotEmpty(counters);
        Assert.True(counters.Max() < Small.RejectAfterMessages, $"{counters.Max()} is beyond the limit.");
        Assert.Null(Batch(session, 1));
    }

    private static AeadPacket[]? Batch(KeyPair session, int size)
    {
        var packets = new AeadPacket[size];
        for (int i = 0; i < size; i++)
        {
            var buffer = new byte[48];
            packets[i] = new AeadPacket { Source = buffer, SourceOffset = 16, Destination = buffer, DestinationOffset = 16, Length = 0 };
        }
        return session.Seal(packets, 1420) ? packets : null;
    }
}
