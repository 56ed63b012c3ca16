using Kedge.Crypto;
using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>
/// From the network to the tunnel: receives a batch of datagrams, tells them apart, opens and judges the transport messages and
/// writes what they hold, all on the thread that received them; handshake messages go to the handshake thread. Owned by the
/// receiving thread. Allocates nothing a packet.
/// </summary>
public sealed class InboundPath
{
    /// <summary>How many datagrams are received at most before their packets are written.</summary>
    public const int BatchSize = 64;

    private readonly WireGuardDevice _wireGuard;
    private readonly IPacketDevice _device;
    private readonly IDatagramSocket _socket;
    private readonly HandshakeQueue _handshakes;
    private readonly StunClient _stun;
    private readonly Action _wakeHandshakes;
    private readonly PacketBuffer[] _buffers = PacketBuffer.Allocate(BatchSize);
    private readonly PacketBuffer[] _run = new PacketBuffer[BatchSize];
    private readonly AeadPacket[] _packets = new AeadPacket[BatchSize];
    private readonly PacketBuffer[] _opened = new PacketBuffer[BatchSize];
    private int _runLength;
    private int _openedLength;

    /// <summary>A path between a socket and a device, both owned by the caller.</summary>
    /// <param name="wireGuard">The state of the tunnels.</param>
    /// <param name="device">Where packets go.</param>
    /// <param name="socket">Where datagrams come from.</param>
    /// <param name="handshakes">Where handshake messages go.</param>
    /// <param name="stun">Whose answers go to the handshake thread too.</param>
    /// <param name="wakeHandshakes">Wakes the thread that reads <paramref name="handshakes"/>.</param>
    public InboundPath(
        WireGuardDevice wireGuard,
        IPacketDevice device,
        IDatagramSocket socket,
        HandshakeQueue handshakes,
        StunClient stun,
        Action wakeHandshakes) =>
        (_wireGuard, _device, _socket, _handshakes, _stun, _wakeHandshakes) = (wireGuard, device, socket, handshakes, stun, wakeHandshakes);

    /// <summary>Carries one batch, without blocking.</summary>
    /// <returns>How many datagrams were received; 0 when there were none.</returns>
    /// <exception cref="LinuxException">The interface is gone.</exception>
    public int RunBatch()
    {
        int count = _socket.Receive(_buffers);
        if (count == 0)
            return 0;
        Instant now = BootClock.Now;
        KeyPair? session = null;
        for (int i = 0; i < count; i++)
        {
            PacketBuffer buffer = _buffers[i];
            KeyPair? next = Sort(now, buffer);
            if (next is null)
                continue;
            if (next != session)
                Open(now, session);
            session = next;
            _run[_runLength++] = buffer;
        }
        Open(now, session);
        Write();
        return count;
    }

    /// <summary>The session of a transport message; null for everything else, which is dealt with here.</summary>
    private KeyPair? Sort(Instant now, PacketBuffer buffer)
    {
        switch (Datagram.Classify(buffer.Packet))
        {
            case DatagramKind.TransportData:
                KeyPair? session = _wireGuard.FindSession(new TransportData(buffer.Packet).Receiver);
                if (session is null)
                    _wireGuard.Drops.Add(DropReason.UnknownIndex);
                else if (session.IsExpired(now))
                    _wireGuard.Drops.Add(DropReason.SessionExpired);
                else
                    return session;
                return null;

            case DatagramKind.HandshakeInitiation or DatagramKind.HandshakeResponse or DatagramKind.CookieReply:
                HandOver(buffer);
                return null;

            // Only from servers that we ask: strangers must not fill the queue with these.
            case DatagramKind.Stun when _stun.IsServer(buffer.Source) && buffer.Length <= HandshakeQueue.MaximumLength:
                HandOver(buffer);
                return null;

            case DatagramKind.Stun:
                _wireGuard.Drops.Add(DropReason.UnexpectedStun);
                return null;

            case DatagramKind.Rosenpass:
                _wireGuard.Drops.Add(DropReason.NotEnabled);
                return null;

            default:
                _wireGuard.Drops.Add(DropReason.UnknownDatagram);
                return null;
        }
    }

    private void HandOver(PacketBuffer buffer)
    {
        if (!_handshakes.TryAdd(buffer, out bool wasEmpty))
            _wireGuard.Drops.Add(DropReason.HandshakeQueueFull);
        if (wasEmpty)
            _wakeHandshakes();
    }

    /// <summary>Opens the run of datagrams that have been collected for one session, in place.</summary>
    private void Open(Instant now, KeyPair? session)
    {
        if (session is null || _runLength == 0)
            return;
        Span<PacketBuffer> buffers = _run.AsSpan(0, _runLength);
        Span<AeadPacket> packets = _packets.AsSpan(0, _runLength);
        _runLength = 0;
        for (int i = 0; i < packets.Length; i++)
        {
            ref AeadPacket packet = ref packets[i];
            packet.Source = packet.Destination = buffers[i].Array;
            packet.SourceOffset = packet.DestinationOffset = buffers[i].Offset + TransportData.HeaderSize;
            packet.Length = buffers[i].Length - TransportData.Overhead;
            packet.Counter = new TransportData(buffers[i].Packet).Counter;
        }
        if (!session.Open(packets))
        {
            _wireGuard.Drops.Add(DropReason.SessionExpired, packets.Length);
            return;
        }
        for (int i = 0; i < packets.Length; i++)
            Accept(now, session, buffers[i], in packets[i]);
    }

    private void Accept(Instant now, KeyPair session, PacketBuffer buffer, in AeadPacket packet)
    {
        if (!packet.Authentic)
        {
            _wireGuard.Drops.Add(DropReason.NotAuthentic);
            return;
        }
        Span<byte> plaintext = packet.Destination.AsSpan(packet.DestinationOffset, packet.Length);
        DropReason reason = session.Peer.Accept(
            now, session, packet.Counter, plaintext, buffer.Source, buffer.Destination, buffer.Ecn, out int length);
        if (reason != DropReason.None)
            _wireGuard.Drops.Add(reason);
        if (length == 0)
            return;
        buffer.Offset = packet.DestinationOffset;
        buffer.Length = length;
        _opened[_openedLength++] = buffer;
    }

    private void Write()
    {
        if (_openedLength == 0)
            return;
        _wireGuard.Drops.Add(DropReason.WriteFailed, _openedLength - _device.Write(_opened.AsSpan(0, _openedLength)));
        _openedLength = 0;
    }
}
