using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;
using Kedge.Threading;

namespace Kedge.Bench.Paths;

/// <summary>
/// The client of a TURN server (RFC 8656) that knows no passwords: what comes to a port on loopback goes to one peer by a channel, in runs as
/// long as the kernel makes them, and back. It lives for the ten minutes of an allocation, and belongs to the network namespace that it was
/// opened in.
/// </summary>
internal sealed class TurnChannel : IDisposable
{
    private const ushort AllocateRequest = 0x0003, ChannelBindRequest = 0x0009, Success = 0x0100;
    private const ushort RequestedTransport = 0x0019, ChannelNumber = 0x000C, XorPeerAddress = 0x0012;
    private const uint MagicCookie = 0x2112A442;
    private const int MessageHeader = 20, ChannelHeader = 4, Batch = 16;
    private const ushort Channel = 0x4000;
    private const byte Udp = 17;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private readonly UdpPort _inner = new(withOffloads: true, local: new Endpoint(IpAddress.IPv4(0x7F000001), 0));
    private readonly UdpPort _outer = new(withOffloads: true);
    private readonly Endpoint _server;
    private Thread? _out, _in;
    private volatile bool _ending;
    private Endpoint _device;

    private TurnChannel(IPEndPoint server)
    {
        _server = new Endpoint(IpAddress.FromBytes(server.Address.GetAddressBytes()), (ushort)server.Port);
        _inner.Open(0);
        _outer.Open(0);
    }

    /// <summary>The port on loopback.</summary>
    public int Port => _inner.Port;

    /// <summary>Allocates, and binds a channel to a peer.</summary>
    public static TurnChannel Open(IPEndPoint server, IPEndPoint peer)
    {
        var channel = new TurnChannel(server);
        channel.Ask(AllocateRequest, [0, (byte)(RequestedTransport & 0xFF), 0, 4, Udp, 0, 0, 0]);
        byte[] bind = new byte[8 + 12];
        BinaryPrimitives.WriteUInt16BigEndian(bind, ChannelNumber);
        bind[3] = 4;
        BinaryPrimitives.WriteUInt16BigEndian(bind.AsSpan(4), Channel);
        BinaryPrimitives.WriteUInt16BigEndian(bind.AsSpan(8), XorPeerAddress);
        bind[11] = 8;
        bind[13] = 1; // IPv4
        BinaryPrimitives.WriteUInt16BigEndian(bind.AsSpan(14), (ushort)(peer.Port ^ (MagicCookie >> 16)));
        BinaryPrimitives.WriteUInt32BigEndian(
            bind.AsSpan(16), BinaryPrimitives.ReadUInt32BigEndian(peer.Address.GetAddressBytes()) ^ MagicCookie);
        channel.Ask(ChannelBindRequest, bind);
        channel._out = DedicatedThread.Start("turn out", () => channel.Carry(channel._inner, channel.Wrap), Fail);
        channel._in = DedicatedThread.Start("turn in", () => channel.Carry(channel._outer, channel.Unwrap), Fail);
        return channel;

        static void Fail(Exception exception) => Console.Error.WriteLine(exception);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ending = true;
        _inner.Sockets[0].Wake();
        _outer.Sockets[0].Wake();
        _out?.Join();
        _in?.Join();
        _inner.Dispose();
        _outer.Dispose();
    }

    private void Ask(ushort type, ReadOnlySpan<byte> attributes)
    {
        PacketBuffer[] buffer = PacketBuffer.Allocate(1);
        buffer[0].Reset();
        Span<byte> message = buffer[0].Array.AsSpan(buffer[0].Offset, MessageHeader + attributes.Length);
        message.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(message, type);
        BinaryPrimitives.WriteUInt16BigEndian(message[2..], (ushort)attributes.Length);
        BinaryPrimitives.WriteUInt32BigEndian(message[4..], MagicCookie);
        message[MessageHeader - 1] = (byte)type; // the transaction
        attributes.CopyTo(message[MessageHeader..]);
        (buffer[0].Length, buffer[0].Destination) = (message.Length, _server);
        _outer.Sockets[0].Send(buffer);
        for (DateTime end = DateTime.UtcNow + Patience; DateTime.UtcNow < end; Thread.Sleep(5))
        {
            if (_outer.Sockets[0].Receive(buffer) == 0)
                continue;
            int answer = BinaryPrimitives.ReadUInt16BigEndian(buffer[0].Packet);
            if (answer == (type | Success))
                return;
            throw new InvalidOperationException($"The TURN server answers {answer:x4} to {type:x4}.");
        }
        throw new SocketException((int)SocketError.TimedOut);
    }

    private void Carry(UdpPort from, Func<PacketBuffer, PacketBuffer, UdpPort?> convert)
    {
        PacketBuffer[] received = PacketBuffer.Allocate(Batch), sent = PacketBuffer.Allocate(1);
        while (!_ending)
        {
            int count = from.Sockets[0].Receive(received);
            if (count == 0)
                from.Sockets[0].WaitReadable();
            for (int i = 0; i < count; i++)
            {
                if (convert(received[i], sent[0]) is { } to)
                    to.Sockets[0].Send(sent);
            }
        }
    }

    private UdpPort Wrap(PacketBuffer run, PacketBuffer wrapped)
    {
        _device = run.Source;
        int size = run.GsoSize == 0 ? run.Length : run.GsoSize;
        wrapped.Reset();
        Span<byte> free = wrapped.Array.AsSpan(wrapped.Offset);
        for (ReadOnlySpan<byte> rest = run.Packet; !rest.IsEmpty && free.Length >= size + ChannelHeader;)
        {
            ReadOnlySpan<byte> datagram = rest[..Math.Min(size, rest.Length)];
            BinaryPrimitives.WriteUInt16BigEndian(free, Channel);
            BinaryPrimitives.WriteUInt16BigEndian(free[2..], (ushort)datagram.Length);
            datagram.CopyTo(free[ChannelHeader..]);
            free = free[(ChannelHeader + datagram.Length)..];
            rest = rest[datagram.Length..];
        }
        wrapped.Length = wrapped.Array.Length - wrapped.Offset - free.Length;
        wrapped.GsoSize = run.GsoSize == 0 ? (ushort)0 : (ushort)(size + ChannelHeader);
        wrapped.Destination = _server;
        return _outer;
    }

    private UdpPort? Unwrap(PacketBuffer run, PacketBuffer bare)
    {
        int size = run.GsoSize == 0 ? run.Length : run.GsoSize;
        bare.Reset();
        Span<byte> free = bare.Array.AsSpan(bare.Offset);
        for (ReadOnlySpan<byte> rest = run.Packet; rest.Length > ChannelHeader;)
        {
            ReadOnlySpan<byte> message = rest[..Math.Min(size, rest.Length)];
            rest = rest[message.Length..];
            if (BinaryPrimitives.ReadUInt16BigEndian(message) != Channel)
                continue;
            int length = Math.Min(BinaryPrimitives.ReadUInt16BigEndian(message[2..]), message.Length - ChannelHeader);
            message.Slice(ChannelHeader, length).CopyTo(free);
            free = free[length..];
        }
        bare.Length = bare.Array.Length - bare.Offset - free.Length;
        bare.GsoSize = run.GsoSize == 0 ? (ushort)0 : (ushort)(size - ChannelHeader);
        bare.Destination = _device;
        return bare.Length == 0 || _device.IsNone ? null : _inner;
    }
}
