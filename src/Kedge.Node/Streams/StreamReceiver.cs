using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Relays;

namespace Kedge.Node.Streams;

/// <summary>
/// What comes by a stream, as a socket: each datagram has as its source the endpoint that stands for its peer. One thread receives; it alone
/// waits for the source.
/// </summary>
internal sealed class StreamReceiver : IDatagramSocket, IDisposable
{
    private const int BufferSize = 64 << 10;

    private readonly Waiter _waiter = new();
    private volatile IFrameSource? _source;
    private IFrameSource? _readFrom;
    private byte[] _bytes = [];
    private int _start;
    private int _end;

    /// <summary>Receives from another source, or from none. Any thread.</summary>
    public void Use(IFrameSource? source)
    {
        _source = source;
        _waiter.Wake();
    }

    /// <inheritdoc/>
    public int Receive(ReadOnlySpan<PacketBuffer> buffers)
    {
        int count = 0;
        while (count < buffers.Length && TryFill(buffers[count]))
            count++;
        return count;
    }

    /// <summary>Sends nothing: what is for a peer with a stream goes by <see cref="StreamLink.TrySend"/>.</summary>
    public int Send(ReadOnlySpan<PacketBuffer> buffers) => 0;

    /// <inheritdoc/>
    public void WaitReadable()
    {
        IFrameSource? source = _source;
        if (source is null or { IsBroken: true })
        {
            _waiter.Wait(Instant.Never);
            return;
        }
        if (source != _readFrom)
        {
            (_readFrom, _start, _end) = (source, 0, 0);
            if (_bytes.Length == 0)
                _bytes = GC.AllocateUninitializedArray<byte>(BufferSize);
        }
        _bytes.AsSpan(_start, _end - _start).CopyTo(_bytes);
        (_start, _end) = (0, _end - _start);
        int read = source.Read(_bytes.AsSpan(_end));
        _end += read;
        if (read == 0)
            End(source);
    }

    /// <summary>Called when the source turns out to have ended, on the receiving thread; returns at once.</summary>
    public Action? Broken { get; set; }

    /// <inheritdoc/>
    public void Wake() => _waiter.Wake();

    /// <inheritdoc/>
    public void Dispose() => _waiter.Dispose();

    private void End(IFrameSource source)
    {
        source.Break();
        Broken?.Invoke();
    }

    /// <summary>Fills a buffer with a datagram, and with those behind it that make a run.</summary>
    private bool TryFill(PacketBuffer buffer)
    {
        ulong from = 0;
        int first = 0, last = 0, length = 0;
        while (true)
        {
            switch (StreamFrame.Read(_bytes.AsSpan(_start, _end - _start), out ulong peer, out ReadOnlySpan<byte> datagram, out int size))
            {
                case StreamFrameKind.Keepalive:
                    _start += size;
                    continue;
                case StreamFrameKind.Invalid:
                    _start = _end;
                    if (_readFrom is { } source)
                        End(source);
                    return Done();
                case StreamFrameKind.Incomplete:
                    return Done();
            }
            if (first == 0)
            {
                buffer.Reset();
                (from, first) = (peer, datagram.Length);
            }
            else if (peer != from || last != first || datagram.Length > first || length + datagram.Length > PacketBuffer.MaximumLength)
            {
                return Done();
            }
            datagram.CopyTo(buffer.Array.AsSpan(buffer.Offset + length));
            last = datagram.Length;
            length += last;
            _start += size;
        }

        bool Done()
        {
            if (length == 0)
                return false;
            (buffer.Length, buffer.GsoSize, buffer.Source) = (length, (ushort)(length > first ? first : 0), StreamAddress.Of(from));
            return true;
        }
    }
}
