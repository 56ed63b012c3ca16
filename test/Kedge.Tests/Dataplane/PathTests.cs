using Kedge.Linux;
using Kedge.Node.Dataplane;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Dataplane;

/// <summary>The two packet paths and the handshake loop of two nodes, driven by hand on the test's thread.</summary>
public sealed class PathTests : IDisposable
{
    private readonly PathEnd _a = new("192.0.2.1:1", "10.0.0.1");
    private readonly PathEnd _b = new("192.0.2.2:2", "10.0.0.2");
    private readonly PacketBuffer[] _scratch = PacketBuffer.Allocate(64);

    public PathTests()
    {
        PathEnd.Connect(_a, _b);
    }

    [Fact]
    public void Packets_cross_in_order_once_there_is_a_session()
    {
        for (int i = 0; i < 100; i++)
            _a.Send(_b, sequence: i);
        PathEnd.Settle(_a, _b);
        Assert.Equal(Enumerable.Range(0, 100), _b.TakeSequences(_scratch));
        Assert.Equal(0, _a.Drops() + _b.Drops());
    }

    [Fact]
    public void Carrying_packets_allocates_nothing()
    {
        _a.Send(_b, sequence: 0);
        PathEnd.Settle(_a, _b);
        Assert.Equal([0], _b.TakeSequences(_scratch));
        for (int i = 0; i < 200; i++)
            CarryBatch();

        long allocated = 0;
        for (int i = 0; i < 200; i++)
            allocated += CarryBatch();
        Assert.Equal(0, allocated);
        Assert.Equal(0, _a.Drops() + _b.Drops());
    }

    [Fact]
    public void The_data_socket_asks_STUN_servers_and_hears_their_answers()
    {
        // b's socket stands for a server: what a asks goes to it.
        _a.Stun.Use(BootClock.Now, [_b.Socket.Address]);
        _a.Control.RunOnce();
        PacketBuffer datagram = _scratch[0];
        Assert.Equal(1, _b.Socket.Receive(_scratch.AsSpan(0, 1)));
        byte[] response = new byte[StunServer.MaximumResponse];
        int length = new StunServer().Answer(BootClock.Now, datagram.Packet, datagram.Source, response);

        SendDatagram(_b, _a, response.AsSpan(0, length));
        _a.Inbound.RunBatch();
        _a.Control.RunOnce();
        Assert.Equal([new StunResult(_b.Socket.Address, _a.Socket.Address)], _a.Stun.Results);
        Assert.Equal(0, _a.Drops());

        _a.Stun.Use(BootClock.Now, []);
        SendDatagram(_b, _a, response.AsSpan(0, length));
        _a.Inbound.RunBatch();
        Assert.Equal(1, _a.WireGuard.Drops[DropReason.UnexpectedStun]);
    }

    [Fact]
    public void A_device_that_is_down_asks_no_STUN_server()
    {
        _a.WireGuard.IsUp = false;
        _a.Stun.Use(BootClock.Now, [_b.Socket.Address]);
        Assert.Equal(Instant.Never, _a.Control.RunOnce());
        Assert.Equal(0, _b.Socket.Pending);
    }

    [Fact]
    public void What_is_dropped_is_counted_by_its_reason()
    {
        _a.Send(_b, sequence: 0);
        PathEnd.Settle(_a, _b);
        PacketBuffer junk = _scratch[0];

        _a.SendTo(IpAddress.Parse("10.9.9.9"), 0);
        _a.Outbound.RunBatch();
        Assert.Equal(1, _a.WireGuard.Drops[DropReason.NoRoute]);

        junk.Reset();
        junk.Length = 7;
        _a.Queue.Inject(junk);
        _a.Outbound.RunBatch();
        Assert.Equal(1, _a.WireGuard.Drops[DropReason.MalformedPacket]);

        junk.Destination = _b.Socket.Address;
        junk.Packet.Clear();
        Assert.Equal(1, _a.Socket.Send([junk]));
        _b.Inbound.RunBatch();
        Assert.Equal(1, _b.WireGuard.Drops[DropReason.UnknownDatagram]);

        junk.Length = 64;
        junk.Packet.Clear();
        junk.Packet[0] = 4;
        Assert.Equal(1, _a.Socket.Send([junk]));
        _b.Inbound.RunBatch();
        Assert.Equal(1, _b.WireGuard.Drops[DropReason.UnknownIndex]);
    }

    [Fact]
    public void The_sender_of_a_packet_for_nobody_is_told_so_but_not_too_often_and_nothing_is_allocated()
    {
        for (int i = 0; i < 250; i++)
            _a.SendTo(IpAddress.Parse("10.9.9.9"), i);
        _a.Outbound.RunBatch();
        long before = GC.GetAllocatedBytesForCurrentThread();
        while (_a.Outbound.RunBatch() > 0)
        {
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        int answers = 0;
        while (_a.Queue.TakeWritten(_scratch) is > 0 and var count)
        {
            Assert.All(_scratch[..count], answer => Assert.Equal(
                ("10.9.9.9", "10.0.0.1"), (Parse(answer).Source.ToString(), Parse(answer).Destination.ToString())));
            answers += count;
        }
        Assert.InRange(answers, 50, 150);
        Assert.Equal(250, _a.WireGuard.Drops[DropReason.NoRoute]);

        static IpPacket Parse(PacketBuffer buffer) => IpPacket.TryParse(buffer.Packet, out IpPacket packet) ? packet : throw new FormatException();
    }

    [Theory]
    [InlineData(Ecn.NotEct, Ecn.NotEct)]
    [InlineData(Ecn.Ect0, Ecn.Ect0)]
    [InlineData(Ecn.Ect1, Ecn.Ect1)]
    [InlineData(Ecn.Ce, Ecn.Ce)]
    public void The_ECN_bits_of_a_packet_are_on_its_datagram_too(byte inner, byte outer)
    {
        _a.Send(_b, sequence: 0);
        PathEnd.Settle(_a, _b);
        _a.SendTo(_b.Address, 1, inner);
        _a.Outbound.RunBatch();
        Assert.Equal(1, _b.Socket.Receive(_scratch));
        Assert.Equal(outer, _scratch[0].Ecn);
    }

    [Fact]
    public void A_datagram_of_another_tunnel_hands_its_hop_limit_on_until_none_is_left()
    {
        _a.Send(_b, sequence: 0);
        PathEnd.Settle(_a, _b);
        _a.SendWireGuard(_b, hopLimit: 64);
        _a.Send(_b, sequence: 1);
        _a.SendWireGuard(_b, hopLimit: 8);
        _a.SendWireGuard(_b, hopLimit: 16);
        _a.Outbound.RunBatch();

        Assert.Equal(3, _b.Socket.Receive(_scratch));
        Assert.Equal([56, 0, 8], _scratch[..3].Select(buffer => buffer.TimeToLive));
        Assert.Equal(1, _a.WireGuard.Drops[DropReason.RoutingLoop]);
    }

    [Fact]
    public void A_full_handshake_queue_loses_messages_and_counts_them()
    {
        PacketBuffer message = _scratch[0];
        message.Reset();
        message.Length = HandshakeInitiation.Size;
        message.Packet.Clear();
        message.Packet[0] = 1;
        message.Destination = _b.Socket.Address;
        for (int i = 0; i < HandshakeLoop.QueueCapacity + 10; i++)
        {
            Assert.Equal(1, _a.Socket.Send([message]));
            _b.Inbound.RunBatch();
        }
        Assert.Equal(10, _b.WireGuard.Drops[DropReason.HandshakeQueueFull]);
        PathEnd.Settle(_a, _b);
        Assert.Equal(HandshakeLoop.QueueCapacity, _b.WireGuard.Drops[DropReason.InvalidMac1]);
    }

    public void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
    }

    /// <summary>Carries 32 packets, and returns how many bytes the two paths have allocated for it.</summary>
    private long CarryBatch()
    {
        for (int i = 0; i < 32; i++)
            _a.Send(_b, sequence: i);
        long before = GC.GetAllocatedBytesForCurrentThread();
        int sent = _a.Outbound.RunBatch();
        int received = _b.Inbound.RunBatch();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal((32, 32, 32), (sent, received, _b.Queue.TakeWritten(_scratch)));
        return allocated;
    }

    private void SendDatagram(PathEnd from, PathEnd to, ReadOnlySpan<byte> bytes)
    {
        PacketBuffer datagram = _scratch[0];
        datagram.Reset();
        datagram.Length = bytes.Length;
        bytes.CopyTo(datagram.Packet);
        (datagram.Destination, datagram.Source) = (to.Socket.Address, default);
        Assert.Equal(1, from.Socket.Send(_scratch.AsSpan(0, 1)));
    }
}
