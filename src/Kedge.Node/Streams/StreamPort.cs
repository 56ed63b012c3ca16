using Kedge.Linux;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.Streams;

/// <summary>
/// A device's UDP port, and below the same sockets its streams: what is sent to an endpoint that stands for a peer goes by the peer's stream to this
/// device or by this one's to the controller, everything else by UDP. Whoever made it disposes it; the UDP port is the caller's.
/// </summary>
public sealed class StreamPort : IDatagramPort, IDisposable
{
    private readonly IDatagramPort _udp;

    /// <summary>Puts a stream beside a port.</summary>
    /// <param name="udp">The UDP port.</param>
    /// <param name="log">Receives when the stream begins and ends.</param>
    public StreamPort(IDatagramPort udp, ILogger log)
    {
        (_udp, Link, Server) = (udp, new StreamLink(log), new StreamServer(key => IsPeer(key), log));
        Sockets = [.. udp.Sockets.Select(socket => new Socket(socket, Link, Server))];
    }

    /// <summary>The stream to a controller or a relay.</summary>
    public StreamLink Link { get; }

    /// <summary>The streams to this device, if it is a relay.</summary>
    public StreamServer Server { get; }

    /// <summary>Whether a key is that of a peer of the device: nobody else gets a stream. Any thread may call it; set before any stream is served.</summary>
    public Func<PublicKey, bool> IsPeer { get; set; } = _ => false;

    /// <inheritdoc/>
    public int Port => _udp.Port;

    /// <inheritdoc/>
    public IReadOnlyList<IDatagramSocket> Sockets { get; }

    /// <inheritdoc/>
    public void Open(ushort port, uint mark = 0)
    {
        Link.SetMark(mark);
        _udp.Open(port, mark);
    }

    /// <inheritdoc/>
    public void Probe(ushort port) => _udp.Probe(port);

    /// <inheritdoc/>
    public void Close() => _udp.Close();

    /// <inheritdoc/>
    public void SetMark(uint mark)
    {
        Link.SetMark(mark);
        _udp.SetMark(mark);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Link.Dispose();
        Server.Dispose();
    }

    private sealed class Socket(IDatagramSocket udp, StreamLink link, StreamServer server) : IDatagramSocket
    {
        public int Receive(ReadOnlySpan<PacketBuffer> buffers) => udp.Receive(buffers);

        public void WaitReadable() => udp.WaitReadable();

        public void Wake() => udp.Wake();

        public int Send(ReadOnlySpan<PacketBuffer> buffers)
        {
            int sent = 0;
            int first = 0; // of those that go by UDP and have not been sent yet
            for (int i = 0; i < buffers.Length; i++)
            {
                if (!StreamAddress.IsStream(buffers[i].Destination.Address))
                    continue;
                if (i > first)
                    sent += udp.Send(buffers[first..i]);
                first = i + 1;
                sent += Send(buffers[i]);
            }
            return first < buffers.Length ? sent + udp.Send(buffers[first..]) : sent;
        }

        private int Send(PacketBuffer buffer)
        {
            ulong peer = StreamAddress.IdOf(buffer.Destination.Address);
            if (server.TrySend(peer, buffer.Packet, buffer.GsoSize, out int sent))
                return sent;
            int size = buffer.GsoSize == 0 ? buffer.Length : buffer.GsoSize;
            for (ReadOnlySpan<byte> rest = buffer.Packet; !rest.IsEmpty; rest = rest[Math.Min(size, rest.Length)..])
                if (link.TrySend(peer, rest[..Math.Min(size, rest.Length)]))
                    sent++;
            return sent;
        }
    }
}
