using Kedge.Linux;
using Kedge.Protocol.Relays;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.Streams;

/// <summary>
/// A device's UDP port, and below the same sockets its stream to the controller: what is sent to an endpoint that stands for a peer goes by the
/// stream, everything else by UDP. Whoever made it disposes it; the UDP port is the caller's.
/// </summary>
public sealed class StreamPort : IDatagramPort, IDisposable
{
    private readonly IDatagramPort _udp;

    /// <summary>Puts a stream beside a port.</summary>
    /// <param name="udp">The UDP port.</param>
    /// <param name="log">Receives when the stream begins and ends.</param>
    public StreamPort(IDatagramPort udp, ILogger log)
    {
        (_udp, Link) = (udp, new StreamLink(log));
        Sockets = [.. udp.Sockets.Select(socket => new Socket(socket, Link))];
    }

    /// <summary>The stream.</summary>
    public StreamLink Link { get; }

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
    public void Dispose() => Link.Dispose();

    private sealed class Socket(IDatagramSocket udp, StreamLink link) : IDatagramSocket
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
            int size = buffer.GsoSize == 0 ? buffer.Length : buffer.GsoSize;
            int sent = 0;
            for (ReadOnlySpan<byte> rest = buffer.Packet; !rest.IsEmpty; rest = rest[Math.Min(size, rest.Length)..])
                if (link.TrySend(peer, rest[..Math.Min(size, rest.Length)]))
                    sent++;
            return sent;
        }
    }
}
