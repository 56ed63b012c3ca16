using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>
/// From the network to the network: what this device passes on as a relay. A run that came as one leaves as one, from where it lies. Owned by a
/// receiving thread. Allocates nothing a datagram.
/// </summary>
/// <param name="wireGuard">Where drops are counted.</param>
/// <param name="socket">Where datagrams go.</param>
/// <param name="relay">What is passed on, and between whom.</param>
internal sealed class RelayPath(WireGuardDevice wireGuard, IDatagramSocket socket, RelaySwitch relay)
{
    private readonly PacketBuffer[] _sending = new PacketBuffer[1];
    private RelayChannel? _channel;
    private int _start;
    private int _length;
    private int _size;
    private int _count;

    /// <summary>Takes a datagram, and sends it with those of the same buffer.</summary>
    /// <param name="now">The time.</param>
    /// <param name="buffer">The buffer; <see cref="Flush"/> is to be called before another one.</param>
    /// <param name="start">Where the datagram begins.</param>
    /// <param name="length">Its length in bytes.</param>
    public void Take(Instant now, PacketBuffer buffer, int start, int length)
    {
        Span<byte> datagram = buffer.Array.AsSpan(start, length);
        RelayChannel? channel = relay.Find(RelayHeader.ChannelOf(datagram));
        DropReason reason = channel?.Admit(now, buffer.Source, datagram) ?? DropReason.RelayRefused;
        if (reason != DropReason.None)
        {
            wireGuard.Drops.Add(reason);
            return;
        }
        bool continues = channel == _channel && start == _start + _length && _length == _count * _size && length <= _size;
        if (!continues)
        {
            Flush(buffer);
            (_channel, _start, _length, _size, _count) = (channel, start, 0, length, 0);
        }
        _length += length;
        _count++;
    }

    /// <summary>Sends what has been taken.</summary>
    public void Flush(PacketBuffer buffer)
    {
        if (_channel is not { } channel)
            return;
        _channel = null;
        if (channel.To.Path is not { Relay: null } path)
        {
            wireGuard.Drops.Add(DropReason.NoEndpoint, _count);
            return;
        }
        // What else lies in the buffer is still to be opened.
        var (offset, length, size, source, destination) = (buffer.Offset, buffer.Length, buffer.GsoSize, buffer.Source, buffer.Destination);
        (buffer.Offset, buffer.Length, buffer.GsoSize) = (_start, _length, (ushort)(_count > 1 ? _size : 0));
        (buffer.Source, buffer.Destination) = (path.Local, path.Remote);
        _sending[0] = buffer;
        wireGuard.Drops.Add(DropReason.SendFailed, _count - socket.Send(_sending));
        if (buffer.Source.IsNone)
            channel.To.ForgetLocalAddress();
        (buffer.Offset, buffer.Length, buffer.GsoSize, buffer.Source, buffer.Destination) = (offset, length, size, source, destination);
    }
}
