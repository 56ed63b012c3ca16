using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>What was on the wire before is not accepted again: handshakes by their timestamp, data by its counter.</summary>
public class ReplayTests
{
    private static readonly TimeSpan RoundTrip = TimeSpan.FromMilliseconds(20);
    private static readonly Endpoint Elsewhere = Endpoint.Parse("203.0.113.9:4242");

    [Fact]
    public void Handshakes_that_were_captured_are_refused_whenever_they_are_replayed()
    {
        using Pair pair = Pair.Connected();
        for (int i = 0; i < 10; i++)
        {
            pair.A.TunnelTo(pair.B).RequestHandshake();
            pair.Run(TimeSpan.FromSeconds(30));
        }
        SeenDatagram[] captured = [.. pair.Eavesdropper.Seen.Where(datagram => datagram.Kind != DatagramKind.TransportData)];
        Assert.Equal(20, captured.Length);
        foreach (TimeSpan pause in (TimeSpan[])[TimeSpan.Zero, TimeSpan.FromSeconds(60), TimeSpan.FromHours(3)])
        {
            pair.Run(pause);
            pair.Eavesdropper.Forget();
            KeyPairs a = pair.A.TunnelTo(pair.B).Keys, b = pair.B.TunnelTo(pair.A).Keys;
            foreach (SeenDatagram datagram in captured)
                pair.Network.Send(datagram.Bytes, Elsewhere, datagram.Destination);
            pair.Run(RoundTrip);
            Assert.All(pair.Eavesdropper.Seen, datagram => Assert.Equal(Elsewhere, datagram.Source));
            Assert.Same(a, pair.A.TunnelTo(pair.B).Keys);
            Assert.Same(b, pair.B.TunnelTo(pair.A).Keys);
        }
        Assert.Equal(30, pair.B.Device.Drops[DropReason.InitiationReplayed]);
        Assert.Equal(30, pair.A.Device.Drops[DropReason.UnknownIndex]);
    }

    [Fact]
    public void Initiations_out_of_order_are_refused()
    {
        using Pair pair = Pair.Connected();
        pair.Network.Loses = datagram => datagram.Kind == DatagramKind.HandshakeInitiation;
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(TimeSpan.FromSeconds(16));
        byte[][] captured = [.. pair.Eavesdropper.Initiations.Select(datagram => datagram.Bytes)];
        Assert.Equal(4, captured.Length);
        foreach (int i in (int[])[1, 0, 3, 2])
        {
            pair.B.Receive([.. captured[i]], Elsewhere);
            pair.Run(TimeSpan.FromSeconds(0.1));
        }
        Assert.Equal(2, pair.B.Device.Drops[DropReason.InitiationReplayed]);
        Assert.Equal(2, pair.Eavesdropper.Responses.Count());
    }

    [Theory]
    [InlineData(19, false)]
    [InlineData(20, true)]
    public void Initiations_of_one_peer_are_20_ms_apart_at_least(int milliseconds, bool isAnswered)
    {
        using Pair pair = Pair.Connected();
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.After(TimeSpan.FromMilliseconds(milliseconds), () =>
        {
            // A new start of the interface, which waits for nothing.
            pair.A.Device.ClearSessions();
            pair.A.TunnelTo(pair.B).RequestHandshake();
        });
        pair.Run(RoundTrip * 3);
        Assert.Equal(2, pair.Eavesdropper.Initiations.Count());
        Assert.Equal(isAnswered ? 2 : 1, pair.Eavesdropper.Responses.Count());
        Assert.Equal(isAnswered ? 0 : 1, pair.B.Device.Drops[DropReason.InitiationTooSoon]);
    }

    [Fact]
    public void Every_datagram_may_arrive_twice_and_nothing_is_delivered_twice()
    {
        using Pair pair = Pair.InSession(seed: 3);
        pair.Network.Quality = new NetworkQuality(0, 1, TimeSpan.FromMilliseconds(5), TimeSpan.FromMilliseconds(50));
        pair.Every(TimeSpan.FromMilliseconds(100), 3000, i =>
        {
            Pair.Send(pair.A, pair.B, (ulong)i);
            Pair.Send(pair.B, pair.A, (ulong)i);
        });
        pair.Run(TimeSpan.FromSeconds(310));
        foreach (Node node in (Node[])[pair.A, pair.B])
        {
            Assert.Equal(3000, node.Delivered.Count);
            Assert.Equal(3000, node.Delivered.Select(delivery => delivery.Number).Distinct().Count());
            Assert.True(node.Device.Drops[DropReason.Replayed] >= 3000);
        }
    }

    [Fact]
    public void A_packet_is_accepted_8128_behind_the_newest_and_no_further()
    {
        using Pair pair = Pair.InSession();
        pair.Network.Loses = _ => true;
        for (int i = 0; i < 8131; i++)
            Pair.Send(pair.A, pair.B, (ulong)i);
        SeenDatagram[] sent = [.. pair.Eavesdropper.Data];
        pair.B.Receive([.. sent[8130].Bytes], pair.A.Address);
        pair.B.Receive([.. sent[2].Bytes], pair.A.Address);
        pair.B.Receive([.. sent[1].Bytes], pair.A.Address);
        Assert.Equal([8130UL, 2UL], pair.B.Delivered.Select(delivery => delivery.Number));
        Assert.Equal(1, pair.B.Device.Drops[DropReason.Replayed]);
    }
}
