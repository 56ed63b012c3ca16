using Kedge.Crypto;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>What is inside transport messages, and how long they are: the WireGuard paper, section 5.4.6.</summary>
public class TransportTests
{
    private static readonly TimeSpan OneWay = TimeSpan.FromMilliseconds(10);

    [Theory]
    [InlineData(48, 48)]
    [InlineData(49, 64)]
    [InlineData(63, 64)]
    [InlineData(100, 112)]
    [InlineData(1408, 1408)]
    [InlineData(1409, 1420)]
    [InlineData(1420, 1420)]
    public void Packets_are_padded_to_multiples_of_16_but_not_beyond_the_MTU(int length, int padded)
    {
        using Pair pair = Pair.InSession();
        Assert.Equal(1420, pair.A.Device.Mtu);
        SendAndCheck(pair, length, padded);
    }

    [Fact]
    public void At_every_MTU_a_full_packet_makes_a_datagram_that_is_32_bytes_longer_and_no_packet_one_that_is_longer_than_that()
    {
        using Pair pair = Pair.InSession();
        for (int mtu = 1280; mtu <= 1500; mtu++)
        {
            pair.A.Device.Mtu = mtu;
            int multiple = mtu / 16 * 16;
            SendAndCheck(pair, mtu, mtu);
            SendAndCheck(pair, multiple, multiple);
            SendAndCheck(pair, multiple - 1, multiple);
            SendAndCheck(pair, multiple - 15, multiple);
            if (mtu > multiple)
                SendAndCheck(pair, multiple + 1, mtu);
        }
    }

    [Fact]
    public void A_packet_longer_than_the_MTU_goes_as_it_is()
    {
        // The interface's MTU was lowered while the packet was on its way.
        using Pair pair = Pair.InSession();
        pair.A.Device.Mtu = 1280;
        SendAndCheck(pair, 1409, 1409);
        SendAndCheck(pair, 9000, 9000);
        SendAndCheck(pair, 65535 - 32, 65535 - 32);
    }

    [Fact]
    public void Padding_is_zero_whatever_was_in_the_buffer()
    {
        using Pair pair = Pair.InSession();
        KeyPair a = pair.A.TunnelTo(pair.B).Keys.Current!, b = pair.B.TunnelTo(pair.A).Keys.Current!;
        byte[] buffer = [.. Enumerable.Repeat((byte)0xEE, 200)];
        AeadPacket[] packets = [new() { Source = buffer, SourceOffset = 16, Destination = buffer, DestinationOffset = 16, Length = 50 }];
        Assert.True(a.Seal(packets, 1420));
        Assert.Equal(64, packets[0].Length);
        Assert.True(b.Open(packets));
        Assert.True(packets[0].Authentic);
        Assert.Equal(Enumerable.Repeat((byte)0xEE, 50).Concat(new byte[14]), buffer[16..80]);
    }

    // Padding is the sender's affair: nothing says that a length must be a multiple of 16.
    [Fact]
    public void A_receiver_takes_every_length_from_32_bytes_on_that_is_authentic()
    {
        using Pair pair = Pair.InSession();
        pair.Run(OneWay);
        KeyPair session = pair.A.TunnelTo(pair.B).Keys.Current!;
        for (int length = TestPacket.MinimumLength; length < 200; length++)
        {
            byte[] inner = TestPacket.Make(pair.A.IPv4, pair.B.IPv4, (ulong)length);
            var padded = new byte[100 + length];
            inner.CopyTo(padded, 0);
            pair.B.Receive(SealExactly(session, padded), pair.A.Address);
            Assert.Equal(inner, pair.B.Delivered[^1].Bytes);
        }
        pair.B.Receive(SealExactly(session, []), pair.A.Address);
        Assert.Equal(0, Enum.GetValues<DropReason>().Where(reason => reason != DropReason.None).Sum(reason => pair.B.Device.Drops[reason]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("45000014")]
    [InlineData("4500001500000000401100000a0000010a000002")] // states 21 bytes, has 20
    [InlineData("4400001400000000401100000a0000010a000002")] // a header of 16 bytes
    [InlineData("5500001400000000401100000a0000010a000002")] // version 5
    [InlineData("6000000000011140fd0000000000000000000000000000" + "01fd000000000000000000000000000002")] // states 41 bytes, has 40
    public void What_is_no_IP_packet_does_not_leave_the_tunnel(string hex)
    {
        using Pair pair = Pair.InSession();
        pair.Run(OneWay);
        byte[] inner = Convert.FromHexString(hex);
        pair.B.Receive(SealExactly(pair.A.TunnelTo(pair.B).Keys.Current!, inner), pair.A.Address);
        Assert.Empty(pair.B.Delivered);
        Assert.Equal(inner.Length == 0 ? 0 : 1, pair.B.Device.Drops[DropReason.MalformedInnerPacket]);
    }

    [Theory]
    [InlineData("10.0.0.2")] // the receiver itself
    [InlineData("10.0.0.3")] // another peer
    [InlineData("10.0.0.4")] // nobody
    [InlineData("fd00::2")]
    [InlineData("fd00::3")]
    [InlineData("::ffff:10.0.0.1")]
    [InlineData("0.0.0.0")]
    public void A_peer_does_not_speak_for_an_address_that_is_not_its_own(string source)
    {
        using Pair pair = Pair.InSession();
        Node third = pair.AddNode("C");
        pair.B.AddPeer(third);
        IpAddress forged = IpAddress.Parse(source);
        IpAddress destination = forged.IsIPv4 ? pair.B.IPv4 : pair.B.IPv6;
        pair.A.Send(TestPacket.Make(forged, destination));
        pair.Run(OneWay);
        Assert.Empty(pair.B.Delivered);
        Assert.Equal(1, pair.B.Device.Drops[DropReason.SourceNotAllowed]);
    }

    [Fact]
    public void Overlapping_prefixes_let_nobody_speak_for_the_owner_of_the_longer_one()
    {
        using Pair pair = Pair.Connected();
        Node third = pair.AddNode("C");
        third.AddPeer(pair.B);
        pair.B.AddPeer(new PeerSettings(third.PublicKey, [IpPrefix.Parse("10.0.0.0/8"), IpPrefix.Parse("::/0")], third.Address));
        third.Send(TestPacket.Make(pair.A.IPv4, pair.B.IPv4));
        third.Send(TestPacket.Make(pair.A.IPv6, pair.B.IPv6));
        third.Send(TestPacket.Make(third.IPv4, pair.B.IPv4, 7));
        pair.Run(OneWay * 4);
        Assert.Equal(7UL, Assert.Single(pair.B.Delivered).Number);
        Assert.Equal(2, pair.B.Device.Drops[DropReason.SourceNotAllowed]);
    }

    [Fact]
    public void A_prefix_that_moves_to_another_peer_under_traffic_moves_in_one_step()
    {
        using Pair pair = Pair.InSession();
        Node third = pair.AddNode("C");
        third.AddPeer(pair.B);
        pair.B.AddPeer(third);
        IpPrefix prefix = IpPrefix.Parse("10.7.0.0/16");
        IpAddress inside = IpAddress.Parse("10.7.0.7");
        pair.B.Device.AllowedIps.Insert(prefix, pair.B.TunnelTo(pair.A));
        third.TunnelTo(pair.B).RequestHandshake();
        pair.Run(OneWay * 4);

        // Both claim the same address all the time.
        pair.Every(OneWay, 1000, i =>
        {
            pair.A.Send(TestPacket.Make(inside, pair.B.IPv4, (ulong)i));
            third.Send(TestPacket.Make(inside, pair.B.IPv4, (ulong)i));
        });
        pair.After(OneWay * 500, () => pair.B.Device.AllowedIps.Insert(prefix, pair.B.TunnelTo(third)));
        pair.Run(OneWay * 1010);

        Assert.Equal(1000, pair.B.Delivered.Count);
        Assert.Equal(1000, pair.B.Device.Drops[DropReason.SourceNotAllowed]);
        PublicKey[] speakers = [.. pair.B.Delivered.Select(delivery => delivery.From)];
        int moved = Array.IndexOf(speakers, third.PublicKey);
        Assert.InRange(moved, 497, 500);
        Assert.All(speakers[..moved], speaker => Assert.Equal(pair.A.PublicKey, speaker));
        Assert.All(speakers[moved..], speaker => Assert.Equal(third.PublicKey, speaker));

        // The way back moves with it.
        pair.B.Send(TestPacket.Make(pair.B.IPv4, inside));
        pair.Run(OneWay);
        Assert.Empty(pair.A.Delivered);
        Assert.Single(third.Delivered);
    }

    [Theory]
    [InlineData(Ecn.Ect0, Ecn.Ce, Ecn.Ce)]
    [InlineData(Ecn.Ect1, Ecn.Ce, Ecn.Ce)]
    [InlineData(Ecn.Ect0, Ecn.Ect1, Ecn.Ect1)]
    [InlineData(Ecn.Ect0, Ecn.NotEct, Ecn.Ect0)]
    [InlineData(Ecn.NotEct, Ecn.Ect0, Ecn.NotEct)]
    public void Congestion_outside_is_marked_inside(byte inner, byte outer, byte expected)
    {
        using Pair pair = Pair.InSession();
        pair.B.OuterEcn = outer;
        pair.A.Send(TestPacket.Make(pair.A.IPv4, pair.B.IPv4, 1, 100, inner));
        pair.A.Send(TestPacket.Make(pair.A.IPv6, pair.B.IPv6, 2, 100, inner));
        pair.Run(OneWay);
        Assert.Equal(TestPacket.Make(pair.A.IPv4, pair.B.IPv4, 1, 100, expected), pair.B.Delivered[0].Bytes);
        Assert.Equal(TestPacket.Make(pair.A.IPv6, pair.B.IPv6, 2, 100, expected), pair.B.Delivered[1].Bytes);
    }

    [Fact]
    public void Congestion_outside_drops_a_packet_that_cannot_be_marked()
    {
        using Pair pair = Pair.InSession();
        pair.B.OuterEcn = Ecn.Ce;
        Pair.Send(pair.A, pair.B);
        pair.Run(OneWay);
        Assert.Empty(pair.B.Delivered);
        Assert.Equal(1, pair.B.Device.Drops[DropReason.CongestionMarked]);
    }

    [Fact]
    public void Bytes_are_counted_as_datagrams_on_both_ends()
    {
        using Pair pair = Pair.InSession();
        pair.Run(OneWay);
        long handshake = HandshakeInitiation.Size + TransportData.Overhead;
        Assert.Equal(handshake, pair.A.TunnelTo(pair.B).SentBytes);
        Assert.Equal(handshake, pair.B.TunnelTo(pair.A).ReceivedBytes);
        Assert.Equal(HandshakeResponse.Size, pair.B.TunnelTo(pair.A).SentBytes);
        Assert.Equal(HandshakeResponse.Size, pair.A.TunnelTo(pair.B).ReceivedBytes);
        Pair.Send(pair.A, pair.B);
        pair.Run(OneWay);
        Assert.Equal(handshake + 112 + 32, pair.A.TunnelTo(pair.B).SentBytes);
        Assert.Equal(handshake + 112 + 32, pair.B.TunnelTo(pair.A).ReceivedBytes);
    }

    private static void SendAndCheck(Pair pair, int length, int padded)
    {
        pair.Eavesdropper.Forget();
        pair.B.Delivered.Clear();
        byte[] packet = TestPacket.Make(pair.A.IPv4, pair.B.IPv4, 1, length);
        pair.A.Send(packet);
        pair.Run(OneWay);
        Assert.Equal(padded + TransportData.Overhead, Assert.Single(pair.Eavesdropper.Data).Bytes.Length);
        Assert.Equal(packet, Assert.Single(pair.B.Delivered).Bytes);
    }

    // A transport message with exactly this inside: the padding of another implementation, or none.
    private static byte[] SealExactly(KeyPair session, byte[] inner)
    {
        var datagram = new byte[inner.Length + TransportData.Overhead];
        inner.CopyTo(datagram, TransportData.HeaderSize);
        AeadPacket[] packets =
        [
            new()
            {
                Source = datagram,
                SourceOffset = TransportData.HeaderSize,
                Destination = datagram,
                DestinationOffset = TransportData.HeaderSize,
                Length = inner.Length,
            },
        ];
        Assert.True(session.Seal(packets, mtu: inner.Length));
        Assert.Equal(inner.Length, packets[0].Length);
        return datagram;
    }
}
