using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

public class HandshakeTests
{
    private static readonly TimeSpan RoundTrip = TimeSpan.FromMilliseconds(20);

    [Fact]
    public void A_handshake_takes_one_round_trip_and_gives_both_ends_the_same_session()
    {
        using Pair pair = Pair.Connected();
        pair.A.TunnelTo(pair.B).RequestHandshake();
        pair.Run(RoundTrip + (RoundTrip / 2));
        Assert.True(pair.HaveSession);
        Assert.Equal(
            [DatagramKind.HandshakeInitiation, DatagramKind.HandshakeResponse, DatagramKind.TransportData],
            pair.Eavesdropper.Seen.Select(datagram => datagram.Kind));
        Assert.True(pair.Eavesdropper.Seen[2].IsKeepalive);
    }

    [Fact]
    public void Packets_go_both_ways_over_both_families()
    {
        using Pair pair = Pair.Connected();
        (Node a, Node b) = (pair.A, pair.B);
        byte[][] packets =
        [
            TestPacket.Make(a.IPv4, b.IPv4, 1), TestPacket.Make(a.IPv6, b.IPv6, 2),
        ];
        foreach (byte[] packet in packets)
            a.Send(packet);
        pair.Run(RoundTrip * 2);
        Assert.Equal(packets, b.Delivered.Select(delivery => delivery.Bytes));
    }
}
