using Kedge.Crypto;
using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>
/// From the tunnel to the network: reads a batch of packets, finds the peer of each, seals and sends them, all on the thread that
/// read them. Owned by the sending thread. Allocates nothing a packet.
/// </summary>
public sealed class OutboundPath
{
    /// <summary>How many packets are read at most before they are sent.</summary>
    public const int BatchSize = 64;

    private readonly WireGuardDevice _wireGuard;
    private readonly IPacketDevice _device;
    private readonly IDatagramSocket _socket;
    private readonly PacketBuffer[] _buffers = PacketBuffer.Allocate(BatchSize);
    private readonly PacketBuffer[] _staged = PacketBuffer.Allocate(1);
    private readonly PeerTunnel?[] _peers = new PeerTunnel?[BatchSize];
    private readonly AeadPacket[] _packets = new AeadPacket[BatchSize];
    private readonly PacketBuffer[] _sealed = new PacketBuffer[BatchSize];
    private readonly PeerTunnel[] _sealedFor = new PeerTunnel[BatchSize];

    /// <summary>A path between a device and a socket, both owned by the caller.</summary>
    public OutboundPath(WireGuardDevice wireGuard, IPacketDevice device, IDatagramSocket socket) =>
        (_wireGuard, _device, _socket) = (wireGuard, device, socket);

    /// <summary>Carries one batch, without blocking.</summary>
    /// <returns>How many packets were read; 0 when there were none.</returns>
    /// <exception cref="LinuxException">The interface is gone.</exception>
    public int RunBatch()
    {
        int count = _device.Read(_buffers);
        if (count == 0)
            return 0;
        Instant now = BootClock.Now;
        for (int i = 0; i < count; i++)
            _peers[i] = Route(_buffers[i]);

        int ready = 0;
        for (int start = 0, end; start < count; start = end)
        {
            end = start + 1;
            while (end < count && _peers[end] == _peers[start])
                end++;
            if (_peers[start] is { } peer && Seal(now, peer, _buffers.AsSpan(start, end - start)))
                for (int i = start; i < end; i++)
                    (_sealed[ready], _sealedFor[ready++]) = (_buffers[i], peer);
        }
        Send(_sealed.AsSpan(0, ready), _sealedFor);
        return count;
    }

    private PeerTunnel? Route(PacketBuffer buffer)
    {
        if (!IpPacket.TryParse(buffer.Packet, out IpPacket packet) || packet.Length != buffer.Length)
        {
            _wireGuard.Drops.Add(DropReason.MalformedPacket);
            return null;
        }
        if (_wireGuard.AllowedIps.Find(packet.Destination) is not { } peer)
        {
            _wireGuard.Drops.Add(DropReason.NoRoute);
            return null;
        }
        if (peer.Path is not { } path)
        {
            _wireGuard.Drops.Add(DropReason.NoEndpoint);
            return null;
        }
        buffer.Ecn = Ecn.Encapsulate(packet.Ecn);
        buffer.Destination = path.Remote;
        buffer.Source = path.Local;
        return peer;
    }

    /// <summary>Seals a run of packets of one peer in place, or stages them.</summary>
    private bool Seal(Instant now, PeerTunnel peer, ReadOnlySpan<PacketBuffer> buffers)
    {
        // What waited for the session goes first, so that the order is kept.
        while (peer.HasStaged && peer.TrySealStaged(now, _staged[0].Array, out int length))
            SendStaged(peer, length);

        Span<AeadPacket> packets = _packets.AsSpan(0, buffers.Length);
        for (int i = 0; i < packets.Length; i++)
        {
            ref AeadPacket packet = ref packets[i];
            packet.Source = packet.Destination = buffers[i].Array;
            packet.SourceOffset = packet.DestinationOffset = buffers[i].Offset;
            packet.Length = buffers[i].Length;
        }
        if (!peer.TrySeal(now, packets))
        {
            foreach (PacketBuffer buffer in buffers)
                _wireGuard.Drops.Add(DropReason.NoSession, peer.Stage(buffer.Packet));
            return false;
        }
        for (int i = 0; i < packets.Length; i++)
        {
            buffers[i].Offset -= TransportData.HeaderSize;
            buffers[i].Length = packets[i].Length + TransportData.Overhead;
        }
        return true;
    }

    private void SendStaged(PeerTunnel peer, int length)
    {
        if (peer.Path is not { } path)
            return;
        PacketBuffer buffer = _staged[0];
        buffer.Reset();
        (buffer.Offset, buffer.Length, buffer.Destination, buffer.Source) = (0, length, path.Remote, path.Local);
        Send(_staged, [peer]);
    }

    private void Send(ReadOnlySpan<PacketBuffer> buffers, ReadOnlySpan<PeerTunnel> peers)
    {
        if (buffers.IsEmpty)
            return;
        _wireGuard.Drops.Add(DropReason.SendFailed, buffers.Length - _socket.Send(buffers));
        for (int i = 0; i < buffers.Length; i++)
            if (buffers[i].Source.IsNone)
                peers[i].ForgetLocalAddress();
    }
}
