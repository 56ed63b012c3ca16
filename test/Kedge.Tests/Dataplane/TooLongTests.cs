using Kedge.Fuzz.Offload;
using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Offload;
using Kedge.Protocol.Paths;
using Kedge.Protocol.WireGuard;
using Kedge.Tests.WireGuard;

namespace Kedge.Tests.Dataplane;

/// <summary>Packets that are longer than the path to their peer carries, through both packet paths.</summary>
public sealed class TooLongTests : IDisposable
{
    private const int Mtu = 1280, Longest = 1216;

    private readonly PacketBuffer[] _scratch = PacketBuffer.Allocate(64);
    private readonly List<IDisposable> _ends = [];

    public void Dispose() => _ends.ForEach(end => end.Dispose());

    [Theory]
    [InlineData("10.0.0.1", "10.0.0.2", 1420)]
    [InlineData("fd00::1", "fd00::2", 1280)]
    public void What_may_be_fragmented_arrives_whole_and_no_datagram_is_too_long(string from, string to, int most)
    {
        (PathEnd a, PathEnd b) = Connect(from, to);
        for (int length = 1200; length <= most; length += 3)
        {
            byte[] packet = TestPacket.Make(a.Address, b.Address, (ulong)length, length);
            Inject(a, packet);
            Assert.Equal(1, a.Outbound.RunBatch());
            AssertDatagrams(b, length > Longest ? 2 : 1);

            Assert.Equal(1, b.Queue.TakeWritten(_scratch));
            Assert.Equal(packet, _scratch[0].Packet);
        }
        Assert.Equal(0, a.Drops() + b.WireGuard.Drops[DropReason.HalfLost] + b.WireGuard.Drops[DropReason.MalformedInnerPacket]);
    }

    [Theory]
    [InlineData("10.0.0.1", "10.0.0.2", 1217, Longest)]
    [InlineData("fd00::1", "fd00::2", 1281, 1280)]
    public void The_sender_of_what_may_not_be_is_told_but_not_too_often(string from, string to, int length, int told)
    {
        (PathEnd a, PathEnd b) = Connect(from, to);
        byte[] packet = TestPacket.Make(a.Address, b.Address, 1, length);
        if (a.Address.IsIPv4)
        {
            packet[6] |= 0x40;
            SlowChecksum.RepairIPv4(packet);
        }
        for (int i = 0; i < 40; i++)
            Inject(a, packet);
        Assert.Equal(40, a.Outbound.RunBatch());

        Assert.Equal(40, a.WireGuard.Drops[DropReason.TooLong]);
        Assert.Equal(0, b.Socket.Pending);
        int answers = a.Queue.TakeWritten(_scratch);
        Assert.InRange(answers, 10, 12);
        byte[] expected = new byte[IcmpUnreachable.MaximumLength];
        Assert.True(IpPacket.TryParse(packet, out IpPacket refused));
        Assert.Equal(expected.AsSpan(0, IcmpUnreachable.WriteTooLong(refused, told, expected)), _scratch[0].Packet);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void TCP_is_cut(bool isSuper, bool isMeasured)
    {
        (PathEnd a, PathEnd b) = Connect("10.0.0.1", "10.0.0.2", isMeasured);
        (byte[] packet, VnetHeader header) = Tcp(isSuper ? 40_000 : 1380);

        Inject(a, packet, isSuper ? header : default);
        Assert.Equal(1, a.Outbound.RunBatch());
        AssertDatagrams(b, isSuper ? (40_000 + Longest - 41) / (Longest - 40) : 2);

        int count = b.Queue.TakeWritten(_scratch);
        byte[] payload = [.. _scratch.Take(count).SelectMany(buffer => buffer.Packet[40..].ToArray())];
        Assert.Equal(packet[40..], payload);
        Assert.Equal(0, a.Drops());
    }

    [Fact]
    public void Until_the_path_is_measured_all_but_TCP_goes_as_it_did()
    {
        (PathEnd a, PathEnd b) = Connect("10.0.0.1", "10.0.0.2", isMeasured: false);
        byte[] packet = TestPacket.Make(a.Address, b.Address, 1, 1420);
        Inject(a, packet);
        a.Outbound.RunBatch();

        Assert.Equal(1, b.Socket.Pending);
        b.Inbound.RunBatch();
        Assert.Equal(1, b.Queue.TakeWritten(_scratch));
        Assert.Equal(packet, _scratch[0].Packet);
    }

    [Fact]
    public void Datagrams_that_stand_for_several_keep_their_lengths()
    {
        (PathEnd a, PathEnd b) = Connect("10.0.0.1", "10.0.0.2");
        var inner = new InnerPacket { IsUdp = true, Fragment = 0, Payload = new byte[4000] };
        byte[] packet = Addressed(inner);
        SlowChecksum.Begin(packet, 20, isUdp: true);
        var header = new VnetHeader
        {
            GsoType = GsoType.Udp, GsoSize = 1300, NeedsChecksum = true, ChecksumStart = 20, ChecksumOffset = 6,
        };
        Inject(a, packet, header);
        Assert.Equal(1, a.Outbound.RunBatch());
        b.Inbound.RunBatch();

        int count = b.Queue.TakeWritten(_scratch);
        Assert.Equal(SlowSegmenter.Cut(packet, header), _scratch.Take(count).Select(buffer => buffer.Packet.ToArray()));
    }

    [Fact]
    public void A_packet_that_comes_in_halves_is_checked_as_any_other()
    {
        (PathEnd a, PathEnd b) = Connect("10.0.0.1", "10.0.0.2");
        Inject(a, TestPacket.Make(IpAddress.Parse("10.0.0.77"), b.Address, 1, 1400));
        a.Outbound.RunBatch();
        b.Inbound.RunBatch();

        Assert.Equal(0, b.Queue.TakeWritten(_scratch));
        Assert.Equal(1, b.WireGuard.Drops[DropReason.SourceNotAllowed]);
    }

    [Fact]
    public void A_stock_peers_halves_are_no_packets()
    {
        (PathEnd a, PathEnd b) = Connect("10.0.0.1", "10.0.0.2");
        b.Paths.Remove(a.WireGuard.Identity!.PublicKey);
        Inject(a, TestPacket.Make(a.Address, b.Address, 1, 1400));
        a.Outbound.RunBatch();
        b.Inbound.RunBatch();

        Assert.Equal(0, b.Queue.TakeWritten(_scratch));
        Assert.Equal(2, b.WireGuard.Drops[DropReason.MalformedInnerPacket]);
    }

    [Fact]
    public void Halves_allocate_nothing()
    {
        (PathEnd a, PathEnd b) = Connect("10.0.0.1", "10.0.0.2");
        byte[] packet = TestPacket.Make(a.Address, b.Address, 1, 1400);
        // Until the runtime has compiled everything for good, which it does in the background, a call may still allocate once.
        long allocated = 1;
        for (int attempt = 0; attempt < 10 && allocated > 0; attempt++)
        {
            allocated = 0;
            for (int i = 0; i < 100; i++)
            {
                Inject(a, packet);
                long before = GC.GetAllocatedBytesForCurrentThread();
                a.Outbound.RunBatch();
                b.Inbound.RunBatch();
                allocated += GC.GetAllocatedBytesForCurrentThread() - before;
                Assert.Equal(1, b.Queue.TakeWritten(_scratch));
            }
        }
        Assert.Equal(0, allocated);
    }

    /// <summary>Two ends with a session between them, of which the first knows how much the path carries.</summary>
    private (PathEnd A, PathEnd B) Connect(string from, string to, bool isMeasured = true)
    {
        PathEnd a = new("192.0.2.1:1", from, TunOffloads.Tcp | TunOffloads.Udp), b = new("192.0.2.2:2", to);
        _ends.AddRange([a, b]);
        PathEnd.Connect(a, b);
        Inject(a, TestPacket.Make(a.Address, b.Address));
        PathEnd.Settle(a, b);
        Assert.Equal(1, b.Queue.TakeWritten(_scratch));
        PeerTunnel toB = a.WireGuard.FindPeer(b.WireGuard.Identity!.PublicKey)!;
        PeerTunnel toA = b.WireGuard.FindPeer(a.WireGuard.Identity!.PublicKey)!;
        toB.Path = toB.Path! with { Mtu = Mtu, IsMeasured = isMeasured };
        b.Paths.Add(BootClock.Now, toA, ProbeKeys.Derive(b.WireGuard, toA)!);
        return (a, b);
    }

    private static void AssertDatagrams(PathEnd to, int count)
    {
        Assert.Equal(count, to.Socket.Pending);
        Assert.InRange(to.Socket.LongestReceived, 0, Mtu - 28);
        to.Inbound.RunBatch();
        to.Inbound.RunBatch();
    }

    private static (byte[] Packet, VnetHeader Header) Tcp(int payload)
    {
        var inner = new InnerPacket { Payload = [.. Enumerable.Range(0, payload).Select(i => (byte)(i * 7))] };
        byte[] packet = Addressed(inner);
        if (payload > 2000)
            SlowChecksum.Begin(packet, 20, isUdp: false);
        return (packet, new VnetHeader
        {
            GsoType = GsoType.TcpV4, GsoSize = 1380, NeedsChecksum = true, ChecksumStart = 20, ChecksumOffset = 16,
        });
    }

    // From 10.0.0.1 to 10.0.0.2, whatever it was from and to.
    private static byte[] Addressed(InnerPacket inner)
    {
        byte[] packet = inner.ToBytes();
        ((byte[])[10, 0, 0, 1, 10, 0, 0, 2]).CopyTo(packet, 12);
        SlowChecksum.Repair(packet, inner.TransportOffset, inner.IsUdp);
        return packet;
    }

    private static void Inject(PathEnd end, byte[] packet, VnetHeader header = default)
    {
        var buffer = new PacketBuffer { Length = packet.Length, Vnet = header };
        packet.CopyTo(buffer.Packet);
        end.Queue.Inject(buffer);
    }
}
