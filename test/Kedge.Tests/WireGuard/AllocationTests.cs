using Kedge.Crypto;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>What packets cost the garbage collector: nothing.</summary>
public class AllocationTests
{
    private const int BatchSize = 64;
    private const int BufferSize = 2048;

    private readonly AeadPacket[] _packets = new AeadPacket[BatchSize];
    private readonly byte[][] _buffers = [.. Enumerable.Range(0, BatchSize).Select(_ => new byte[BufferSize])];

    [Fact]
    public void A_packet_on_its_way_through_a_tunnel_allocates_nothing()
    {
        using Pair pair = Pair.InSession();
        byte[] packet = TestPacket.Make(pair.A.IPv4, pair.B.IPv4, length: 1400, ecn: Ecn.Ect0);
        Carry(pair, packet, batches: 50); // until everything is compiled and contexts are made
        Assert.Equal(0, Carry(pair, packet, batches: 200));

        packet = TestPacket.Make(pair.A.IPv6, pair.B.IPv6, length: 80, ecn: Ecn.Ect0);
        Assert.Equal(0, Carry(pair, packet, batches: 200));
    }

    [Fact]
    public void A_datagram_that_is_dropped_allocates_nothing()
    {
        using Pair pair = Pair.InSession();
        Node sender = pair.A, receiver = pair.B;
        PeerTunnel peer = sender.TunnelTo(receiver);
        byte[] packet = TestPacket.Make(sender.IPv4, receiver.IPv4);
        Prepare(packet);
        Assert.True(peer.TrySeal(pair.Now, _packets, mtu: 1420));
        foreach (byte[] buffer in _buffers)
            buffer[40] ^= 1;
        KeyPair session = Find(receiver.Device)!;
        session.Open(_packets);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 200; i++)
        {
            session.Open(_packets);
            Assert.False(_packets[0].Authentic);
            receiver.Device.FindSession((uint)i);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void A_packet_that_waits_allocates_nothing_once_there_is_room()
    {
        using Pair pair = Pair.Connected();
        PeerTunnel peer = pair.A.TunnelTo(pair.B);
        byte[] packet = TestPacket.Make(pair.A.IPv4, pair.B.IPv4, length: 1400);
        for (int i = 0; i < 300; i++)
            peer.Stage(packet);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10_000; i++)
            peer.Stage(packet);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    // Bytes allocated while batches of a packet are sealed at A, and found, opened and accepted at B.
    private long Carry(Pair pair, byte[] packet, int batches)
    {
        PeerTunnel peer = pair.A.TunnelTo(pair.B);
        WireGuardDevice receiver = pair.B.Device;
        Endpoint remote = pair.A.Address, local = pair.B.Address;
        Instant now = pair.Now;
        int delivered = 0;
        var verdicts = new DropReason[BatchSize];
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < batches; i++)
        {
            Prepare(packet);
            peer.TrySeal(now, _packets, mtu: 1420);
            KeyPair session = Find(receiver)!;
            session.Open(_packets);
            session.Judge(_packets, verdicts);
            foreach (ref AeadPacket opened in _packets.AsSpan())
            {
                Span<byte> plaintext = opened.Destination.AsSpan(opened.DestinationOffset, opened.Length);
                session.Peer.Accept(now, session, plaintext, remote, local, Ecn.Ce, out int length);
                if (length == packet.Length)
                    delivered++;
            }
            now += TimeSpan.FromMilliseconds(1);
        }
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(batches * BatchSize, delivered);
        return allocated;
    }

    private void Prepare(byte[] packet)
    {
        for (int i = 0; i < BatchSize; i++)
        {
            packet.CopyTo(_buffers[i], TransportData.HeaderSize);
            ref AeadPacket place = ref _packets[i];
            place.Source = place.Destination = _buffers[i];
            place.SourceOffset = place.DestinationOffset = TransportData.HeaderSize;
            place.Length = packet.Length;
        }
    }

    private KeyPair? Find(WireGuardDevice device) => device.FindSession(new TransportData(_buffers[0]).Receiver);
}
