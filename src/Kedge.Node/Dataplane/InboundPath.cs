using Kedge.Crypto;
using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Offload;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>
/// From the network to the tunnel: receives datagrams and runs of them, tells them apart, opens and judges the transport messages, joins
/// what they hold where the device takes that, and writes it, all on the thread that received it; handshake messages go to the handshake
/// thread. Owned by a receiving thread; where there are several, each has its own. Allocates nothing a packet.
/// </summary>
public sealed partial class InboundPath
{
    /// <summary>How many datagrams or runs are received at most before their packets are written.</summary>
    public const int BatchSize = 32;

    private const int MostOpened = 128; // packets at once: as many as a long run has

    // Then they are written before the next run is looked at, while they are in the processor's cache.
    private const int WorthWriting = 64;

    private readonly WireGuardDevice _wireGuard;
    private readonly IPacketQueue _queue;
    private readonly IDatagramSocket _socket;
    private readonly DatagramQueue _handshakes;
    private readonly ControlTable _control;
    private readonly Action _wakeHandshakes;
    private readonly Action _wakeControl;
    private readonly PacketBuffer[] _buffers = PacketBuffer.Allocate(BatchSize);
    private readonly AeadPacket[] _packets = new AeadPacket[MostOpened];
    private readonly DropReason[] _verdicts = new DropReason[MostOpened];
    private readonly PacketBuffer[] _receivedIn = new PacketBuffer[MostOpened];
    private readonly bool[] _isRelayed = new bool[MostOpened];
    private readonly RelayLegs _legs;
    private readonly RelayPath _relay;
    private Coalescer? _coalescer;
    private readonly PacketBuffer[] _writing = PacketBuffer.Allocate(1);
    private KeyPair? _session;
    private int _packetCount;
    private int _openedCount;

    /// <summary>A path between a socket and a queue, both owned by the caller.</summary>
    /// <param name="wireGuard">The state of the tunnels.</param>
    /// <param name="queue">Where packets go.</param>
    /// <param name="socket">Where datagrams come from.</param>
    /// <param name="handshakes">Where handshake messages go.</param>
    /// <param name="control">Where datagrams of other protocols go.</param>
    /// <param name="paths">What is received by relays, and passed on as one.</param>
    /// <param name="wakeHandshakes">Wakes the thread that reads <paramref name="handshakes"/>.</param>
    /// <param name="wakeControl">Wakes the thread that reads the queues of <paramref name="control"/>.</param>
    /// <param name="relayed">Where what is passed on as a relay goes; null for <paramref name="socket"/>.</param>
    public InboundPath(
        WireGuardDevice wireGuard,
        IPacketQueue queue,
        IDatagramSocket socket,
        DatagramQueue handshakes,
        ControlTable control,
        PathProtocol paths,
        Action wakeHandshakes,
        Action wakeControl,
        IDatagramSocket? relayed = null)
    {
        (_wireGuard, _queue, _socket, _handshakes, _control) = (wireGuard, queue, socket, handshakes, control);
        (_wakeHandshakes, _wakeControl) = (wakeHandshakes, wakeControl);
        (_legs, _relay) = (paths.Legs, new RelayPath(wireGuard, relayed ?? socket, paths.Switch));
        if (queue.Offloads.HasFlag(TunOffloads.Tcp))
            _coalescer = new Coalescer(MostOpened + WorthWriting, coalescesUdp: queue.Offloads.HasFlag(TunOffloads.Udp));
    }

    /// <summary>Carries one batch, without blocking.</summary>
    /// <returns>How many datagrams and runs were received; 0 when there were none.</returns>
    /// <exception cref="LinuxException">The interface is gone.</exception>
    public int RunBatch()
    {
        int count = _socket.Receive(_buffers);
        if (count == 0)
            return 0;
        if (_queue.RefusesJoined)
            _coalescer = null;
        Instant now = BootClock.Now;
        foreach (PacketBuffer buffer in _buffers.AsSpan(0, count))
        {
            // Writing packets moves the buffer's own view.
            int start = buffer.Offset, end = start + buffer.Length;
            int size = buffer.GsoSize == 0 ? buffer.Length : buffer.GsoSize;
            do
            {
                Take(now, buffer, start, Math.Min(size, end - start));
                start += size;
            }
            while (start < end);
            _relay.Flush(buffer);
            if (_packetCount + _openedCount >= WorthWriting)
                OpenAndWrite(now);
        }
        OpenAndWrite(now);
        return count;
    }

    /// <summary>Collects a transport message to be opened with others; everything else is dealt with here.</summary>
    private void Take(Instant now, PacketBuffer buffer, int start, int length)
    {
        Span<byte> datagram = buffer.Array.AsSpan(start, length);
        DatagramKind kind = Datagram.Classify(datagram);
        bool isRelayed = kind == DatagramKind.Relay;
        if (isRelayed)
        {
            if (_legs.Find(RelayHeader.ChannelOf(datagram)) is null)
            {
                _relay.Take(now, buffer, start, length);
                return;
            }
            (start, length) = (start + RelayHeader.Size, length - RelayHeader.Size);
            kind = Datagram.Classify(datagram[RelayHeader.Size..]);
            if (kind is DatagramKind.HandshakeInitiation or DatagramKind.HandshakeResponse or DatagramKind.CookieReply)
            {
                HandOver(datagram, buffer); // with the header, which tells where the answer goes
                return;
            }
            if (kind != DatagramKind.TransportData)
                kind = DatagramKind.Unknown;
            datagram = datagram[RelayHeader.Size..];
        }
        if (Sort(now, kind, datagram, buffer) is not { } session)
            return;
        if (session != _session || _packetCount == MostOpened)
            Open(now);
        _session = session;
        (_receivedIn[_packetCount], _isRelayed[_packetCount]) = (buffer, isRelayed);
        _packets[_packetCount++] = new AeadPacket
        {
            Source = buffer.Array,
            SourceOffset = start + TransportData.HeaderSize,
            Destination = buffer.Array,
            DestinationOffset = start + TransportData.HeaderSize,
            Length = length - TransportData.Overhead,
            Counter = new TransportData(datagram).Counter,
        };
    }

    /// <summary>The session of a transport message; null for everything else.</summary>
    private KeyPair? Sort(Instant now, DatagramKind kind, Span<byte> datagram, PacketBuffer buffer)
    {
        switch (kind)
        {
            case DatagramKind.TransportData:
                KeyPair? session = _wireGuard.FindSession(new TransportData(datagram).Receiver);
                if (session is null)
                    _wireGuard.Drops.Add(DropReason.UnknownIndex);
                else if (session.IsExpired(now))
                    _wireGuard.Drops.Add(DropReason.SessionExpired);
                else
                    return session;
                return null;

            case DatagramKind.HandshakeInitiation or DatagramKind.HandshakeResponse or DatagramKind.CookieReply:
                HandOver(datagram, buffer);
                return null;

            case DatagramKind.Unknown:
                _wireGuard.Drops.Add(DropReason.UnknownDatagram);
                return null;

            default:
                DropReason reason = _control.Add(kind, datagram, buffer.Source, buffer.Destination, out bool wasEmpty);
                if (reason != DropReason.None)
                    _wireGuard.Drops.Add(reason);
                if (wasEmpty)
                    _wakeControl();
                return null;
        }
    }

    private void HandOver(ReadOnlySpan<byte> datagram, PacketBuffer buffer)
    {
        if (!_handshakes.TryAdd(datagram, buffer.Source, buffer.Destination, out bool wasEmpty))
            _wireGuard.Drops.Add(DropReason.HandshakeQueueFull);
        if (wasEmpty)
            _wakeHandshakes();
    }

    private void OpenAndWrite(Instant now)
    {
        Open(now);
        Write();
    }

    /// <summary>Opens in place what has been collected for one session.</summary>
    private void Open(Instant now)
    {
        if (_session is not { } session || _packetCount == 0)
            return;
        Span<AeadPacket> packets = _packets.AsSpan(0, _packetCount);
        _packetCount = 0;
        if (!session.Open(packets))
        {
            _wireGuard.Drops.Add(DropReason.SessionExpired, packets.Length);
            return;
        }
        session.Judge(packets, _verdicts);
        for (int i = 0; i < packets.Length; i++)
        {
            if (_verdicts[i] == DropReason.None)
                Accept(now, session, _receivedIn[i], _isRelayed[i], in packets[i]);
            else
                _wireGuard.Drops.Add(_verdicts[i]);
        }
    }

    private void Accept(Instant now, KeyPair session, PacketBuffer buffer, bool isRelayed, in AeadPacket packet)
    {
        Span<byte> plaintext = packet.Destination.AsSpan(packet.DestinationOffset, packet.Length);
        (Endpoint remote, Endpoint local) = isRelayed ? default : (buffer.Source, buffer.Destination);
        DropReason reason = session.Peer.Accept(now, session, plaintext, remote, local, buffer.Ecn, out int length);
        if (reason != DropReason.None)
            _wireGuard.Drops.Add(reason);
        if (length == 0)
        {
            if (reason == DropReason.None && plaintext is [FragmentFrame.Type, ..] && session.Peer.PathFinder is not null)
                AcceptHalf(now, session, plaintext, buffer.Ecn);
            return;
        }
        if (_coalescer is null)
        {
            WriteFrom(buffer, packet.DestinationOffset, length);
            return;
        }
        if (!_coalescer.TryAdd(buffer.Array, packet.DestinationOffset, length))
        {
            Write();
            _coalescer.TryAdd(buffer.Array, packet.DestinationOffset, length);
        }
        _openedCount++;
    }

    /// <summary>Writes what the coalescer has.</summary>
    private void Write()
    {
        if (_coalescer is null)
            return;
        for (int i = 0; i < _coalescer.Count; i++)
        {
            CoalescedPacket packet = _coalescer[i];
            if (packet.PacketCount == 1)
                WriteFrom(BufferOf(packet.Array), packet.Offset, packet.Length);
            else
                WriteJoined(i, packet);
        }
        _coalescer.Clear();
        _openedCount = 0;
    }

    /// <summary>Writes a packet from where it was opened: what is before it, its datagram's header, has done its duty.</summary>
    private void WriteFrom(PacketBuffer buffer, int offset, int length)
    {
        (buffer.Offset, buffer.Length) = (offset, length);
        _wireGuard.Drops.Add(DropReason.WriteFailed, 1 - _queue.Write(new ReadOnlySpan<PacketBuffer>(in buffer)));
    }

    private void WriteJoined(int index, in CoalescedPacket packet)
    {
        PacketBuffer buffer = _writing[0];
        buffer.Reset();
        (buffer.Length, buffer.Vnet) = (packet.Length, packet.Header);
        _coalescer!.Write(index, buffer.Packet);
        if (_queue.Write(_writing) == 0)
            _wireGuard.Drops.Add(DropReason.WriteFailed, packet.PacketCount);
    }

    private PacketBuffer BufferOf(byte[] array)
    {
        foreach (PacketBuffer buffer in _buffers)
        {
            if (buffer.Array == array)
                return buffer;
        }
        throw new InvalidOperationException("A packet lies in no buffer of this path.");
    }
}
