using Kedge.Crypto;
using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Offload;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>
/// From the tunnel to the network: reads packets, finds the peer of each, cuts those that stand for several, and lays them out in runs of
/// datagrams, which it seals in place and sends, all on the thread that read them. Owned by a sending thread; where there are several, each
/// has its own. Allocates nothing a packet.
/// </summary>
public sealed partial class OutboundPath
{
    /// <summary>How many packets are gathered, those counted that others stand for, before nothing more is read and all are sent.</summary>
    public const int BatchSize = 64;

    // Beyond the batch, for the packets that the last one read stands for: as many as make a full run at any common MTU.
    private const int MostPackets = 2 * BatchSize;

    // Packets of various sizes to various peers make as many runs. More than these are sent in several calls.
    private const int MostRuns = 16;

    // A sender is told once what it could find out by itself: enough for people, and no flood for anybody.
    private static readonly Rate AnswerRate = new(Burst: 50, TimeSpan.FromMilliseconds(10));

    private readonly WireGuardDevice _wireGuard;
    private readonly OutboundRouter _router;
    private readonly IPacketQueue _queue;
    private readonly IDatagramSocket _socket;
    private readonly PacketBuffer[] _read = PacketBuffer.Allocate(1);
    private readonly PacketBuffer[] _staged = PacketBuffer.Allocate(1);
    private readonly AeadPacket[] _packets = new AeadPacket[MostPackets];
    private readonly DatagramRun[] _runs = new DatagramRun[MostRuns];
    private readonly DatagramRun[] _sealed = new DatagramRun[MostRuns];
    private readonly PacketBuffer[] _sending = new PacketBuffer[MostRuns];
    private TokenBucket _answers;
    private readonly Action _lookupsWanted;
    private int _packetCount;
    private int _runCount;

    /// <summary>A path between a queue and a socket, both owned by the caller.</summary>
    /// <param name="wireGuard">The device.</param>
    /// <param name="queue">Where packets come from.</param>
    /// <param name="socket">Where datagrams go.</param>
    /// <param name="lookupsWanted">Called when a packet waits for somebody to find out who has its destination; must return at once.</param>
    public OutboundPath(WireGuardDevice wireGuard, IPacketQueue queue, IDatagramSocket socket, Action lookupsWanted)
    {
        (_wireGuard, _queue, _socket, _lookupsWanted) = (wireGuard, queue, socket, lookupsWanted);
        _router = new OutboundRouter(wireGuard);
        for (int i = 0; i < MostRuns; i++)
            _runs[i] = new DatagramRun();
    }

    /// <summary>Carries one batch, without blocking.</summary>
    /// <returns>How many packets were read; 0 when there were none.</returns>
    /// <exception cref="LinuxException">The interface is gone.</exception>
    public int RunBatch()
    {
        // Padding goes by the MTU, and where a packet lies in its run by the padding: it must not change in between.
        int mtu = _wireGuard.Mtu;
        int read = 0;
        for (int gathered = 0; gathered < BatchSize && _queue.Read(_read) == 1; read++)
            gathered += Gather(_read[0], mtu);
        if (_packetCount > 0)
            SendGathered(mtu);
        return read;
    }

    /// <summary>Lays out a packet, or those that it stands for.</summary>
    /// <returns>How many there are; 1 also for one that is dropped.</returns>
    private int Gather(PacketBuffer buffer, int mtu)
    {
        if (!SuperPacket.TryParse(buffer.Packet, buffer.Vnet, out SuperPacket packet))
        {
            _wireGuard.Drops.Add(DropReason.MalformedPacket);
            return 1;
        }
        if (!_router.TryRoute(packet.Ip, out PeerTunnel? peer, out PeerPath? path, out byte timeToLive, out DropReason reason))
        {
            Refuse(packet, buffer, peer, reason);
            return 1;
        }
        int longest = path.LongestPacket(mtu);
        if (packet.SegmentLength(0) > longest)
        {
            if (packet.TryLimit(longest, out SuperPacket limited))
                packet = limited;
            else if (path.IsMeasured)
                return GatherTooLong(packet, buffer, peer, path, timeToLive, longest, mtu);
        }
        byte ecn = Ecn.Encapsulate(packet.Ip.Ecn);
        for (int i = 0; i < packet.SegmentCount; i++)
        {
            int length = packet.SegmentLength(i);
            packet.WriteSegment(i, Place(peer, path, ecn, timeToLive, length, mtu));
        }
        return packet.SegmentCount;
    }

    /// <summary>Where a packet goes that will be sealed with the others; its bytes, and room for what sealing puts around them.</summary>
    private Span<byte> Place(PeerTunnel peer, PeerPath path, byte ecn, byte timeToLive, int length, int mtu)
    {
        int size = TransportData.PaddedLength(length, mtu) + TransportData.Overhead;
        DatagramRun run = RunFor(peer, path, ecn, timeToLive, size, mtu);
        int start = run.Add(size) + TransportData.HeaderSize;
        byte[] array = run.Buffer.Array;
        _packets[_packetCount++] = new AeadPacket
        {
            Source = array, SourceOffset = start, Destination = array, DestinationOffset = start, Length = length,
        };
        return array.AsSpan(start);
    }

    /// <summary>Keeps a packet until its peer has a path, or counts it and tells its sender, where that is to be told.</summary>
    /// <param name="packet">The packet.</param>
    /// <param name="buffer">The buffer that it lies in, which is free after this.</param>
    /// <param name="peer">Whom it is for; null for nobody.</param>
    /// <param name="reason">Why it goes nowhere.</param>
    private void Refuse(in SuperPacket packet, PacketBuffer buffer, PeerTunnel? peer, DropReason reason)
    {
        if (reason == DropReason.RoutingLoop)
        {
            _wireGuard.CountLoop(peer!);
            return;
        }
        if (OutboundRouter.Waits(peer, reason))
        {
            Stage(packet, peer!);
            return;
        }
        Instant now = BootClock.Now;
        if (reason == DropReason.NoRoute && LookUp(now, packet))
            return;
        _wireGuard.Drops.Add(reason);
        if (!OutboundRouter.IsAnswered(reason) || _answers.WaitFor(now, AnswerRate) > TimeSpan.Zero)
            return;
        if (Answer(packet, buffer, longest: 0))
            _answers = _answers.Take(now, AnswerRate);
    }

    /// <summary>Tells the sender of a packet why it goes no further.</summary>
    /// <param name="packet">The packet.</param>
    /// <param name="buffer">The buffer that it lies in, which is free after this.</param>
    /// <param name="longest">Bytes of the longest packet that goes on; 0 if none does.</param>
    /// <returns>False if there must not be an answer.</returns>
    private bool Answer(in SuperPacket packet, PacketBuffer buffer, int longest)
    {
        // Of a packet that stands for several, the first one is answered. It is moved out of the way of the answer.
        Span<byte> refused = Unpack(packet, 0);
        buffer.Reset();
        Span<byte> answer = buffer.Array.AsSpan(buffer.Offset);
        int length = !IpPacket.TryParse(refused, out IpPacket first) ? 0
            : longest == 0 ? IcmpUnreachable.Write(first, answer)
            : IcmpUnreachable.WriteTooLong(first, longest, answer);
        if (length == 0)
            return false;
        buffer.Length = length;
        _wireGuard.Drops.Add(DropReason.WriteFailed, 1 - _queue.Write(new ReadOnlySpan<PacketBuffer>(in buffer)));
        return true;
    }

    private bool LookUp(Instant now, in SuperPacket packet)
    {
        if (_wireGuard.Lookups.Overlay.Count == 0)
            return false;
        bool waits = false;
        for (int i = 0; i < packet.SegmentCount; i++)
        {
            waits |= _wireGuard.Lookups.TryAdd(now, packet.Ip.Destination, Unpack(packet, i), out bool isNew);
            if (isNew)
                _lookupsWanted();
        }
        return waits;
    }

    private void Stage(in SuperPacket packet, PeerTunnel peer)
    {
        for (int i = 0; i < packet.SegmentCount; i++)
            peer.Stage(Unpack(packet, i));
    }

    // A packet of those that one stands for, until the next is unpacked.
    private Span<byte> Unpack(in SuperPacket packet, int index)
    {
        Span<byte> segment = _staged[0].Array.AsSpan(0, packet.SegmentLength(index));
        packet.WriteSegment(index, segment);
        return segment;
    }

    /// <summary>
    /// The run that a datagram goes into: the last one, or a new one; sends all others first where there is no room left.
    /// </summary>
    private DatagramRun RunFor(PeerTunnel peer, PeerPath path, byte ecn, byte timeToLive, int size, int mtu)
    {
        if (_packetCount == MostPackets)
            SendGathered(mtu);
        if (_runCount > 0 && _runs[_runCount - 1].Takes(peer, path, ecn, timeToLive, size))
            return _runs[_runCount - 1];
        if (_runCount == MostRuns)
            SendGathered(mtu);
        DatagramRun run = _runs[_runCount++];
        run.Begin(peer, path, ecn, timeToLive, size);
        return run;
    }

    private void SendGathered(int mtu)
    {
        Instant now = BootClock.Now;
        int ready = 0, packet = 0;
        for (int start = 0, end; start < _runCount; start = end)
        {
            int count = 0;
            for (end = start; end < _runCount && _runs[end].Peer == _runs[start].Peer; end++)
                count += _runs[end].Count;
            if (Seal(now, _runs[start].Peer, _packets.AsSpan(packet, count), mtu))
            {
                for (int i = start; i < end; i++)
                    (_sealed[ready], _sending[ready++]) = (_runs[i], _runs[i].Buffer);
            }
            packet += count;
        }
        Send(_sending.AsSpan(0, ready), _sealed);
        _packetCount = _runCount = 0;
    }

    /// <summary>Seals packets of one peer in place, or stages them.</summary>
    private bool Seal(Instant now, PeerTunnel peer, Span<AeadPacket> packets, int mtu)
    {
        // What waited for the session goes first, so that the order is kept.
        if (peer.HasStaged)
            SendStaged(now, peer);
        if (peer.TrySeal(now, packets, mtu))
            return true;
        foreach (AeadPacket packet in packets)
            peer.Stage(packet.Source.AsSpan(packet.SourceOffset, packet.Length));
        return false;
    }

    private void SendStaged(Instant now, PeerTunnel peer)
    {
        PacketBuffer buffer = _staged[0];
        lock (peer.StagedOrder)
        {
            while (peer.TrySealStaged(now, buffer.Array, out int length))
            {
                if (peer.Path is not { } path)
                    continue;
                bool isSent = RelayedDatagram.TryAddress(buffer, length, path) && _socket.Send(_staged) == 1;
                _wireGuard.Drops.Add(DropReason.SendFailed, isSent ? 0 : 1);
                ForgetUnusableSource(buffer, peer);
            }
        }
    }

    private void Send(ReadOnlySpan<PacketBuffer> buffers, ReadOnlySpan<DatagramRun> runs)
    {
        if (buffers.IsEmpty)
            return;
        int lost = -_socket.Send(buffers);
        for (int i = 0; i < buffers.Length; i++)
        {
            lost += runs[i].Count;
            ForgetUnusableSource(buffers[i], runs[i].First);
        }
        _wireGuard.Drops.Add(DropReason.SendFailed, lost);
    }

    /// <summary>The socket has cleared the source of a buffer that could not be sent from there.</summary>
    private static void ForgetUnusableSource(PacketBuffer sent, PeerTunnel peer)
    {
        if (sent.Source.IsNone)
            peer.ForgetLocalAddress();
    }
}
