using Kedge.Protocol.Relays;

namespace Kedge.Node.Streams;

/// <summary>
/// Frames that wait for a stream, in order and in bounded memory. Any thread adds, and waits for nobody but for another one that copies a frame;
/// one thread takes, from where they lie.
/// </summary>
public sealed class FrameRing
{
    /// <summary>How many bytes wait at most.</summary>
    public const int Capacity = 1 << 20;

    private readonly Lock _lock = new();
    private byte[] _bytes = [];
    private int _start;
    private int _length;
    private bool _isOpen;

    /// <summary>Takes frames from now on. The memory is had the first time.</summary>
    public void Open()
    {
        byte[] bytes = _bytes.Length > 0 ? _bytes : GC.AllocateUninitializedArray<byte>(Capacity);
        lock (_lock)
            (_bytes, _start, _length, _isOpen) = (bytes, 0, 0, true);
    }

    /// <summary>Takes no more, and drops what waits. The thread that takes calls it.</summary>
    public void Close()
    {
        lock (_lock)
            (_start, _length, _isOpen) = (0, 0, false);
    }

    /// <summary>Adds a frame, by a copy.</summary>
    /// <param name="peer">Whom it is for.</param>
    /// <param name="datagram">The datagram, 1 to <see cref="StreamFrame.MaximumDatagram"/> bytes.</param>
    /// <param name="wasEmpty">Whether nothing has waited before.</param>
    /// <returns>False if it does not fit, or nothing is taken.</returns>
    public bool TryAdd(ulong peer, ReadOnlySpan<byte> datagram, out bool wasEmpty)
    {
        Span<byte> header = stackalloc byte[StreamFrame.HeaderSize];
        StreamFrame.WriteHeader(header, peer, datagram.Length);
        lock (_lock)
        {
            wasEmpty = _length == 0;
            if (!_isOpen || header.Length + datagram.Length > Capacity - _length)
                return false;
            Copy(header);
            Copy(datagram);
            return true;
        }
    }

    /// <summary>What is to be sent next, where it lies; empty for nothing. It stays until <see cref="Release"/>.</summary>
    public ReadOnlySpan<byte> Peek()
    {
        lock (_lock)
            return _bytes.AsSpan(_start, Math.Min(_length, _bytes.Length - _start));
    }

    /// <summary>Frees the first bytes.</summary>
    public void Release(int count)
    {
        lock (_lock)
            (_start, _length) = ((_start + count) % Capacity, _length - count);
    }

    private void Copy(ReadOnlySpan<byte> bytes)
    {
        int end = (_start + _length) % Capacity;
        int first = Math.Min(bytes.Length, Capacity - end);
        bytes[..first].CopyTo(_bytes.AsSpan(end));
        bytes[first..].CopyTo(_bytes);
        _length += bytes.Length;
    }
}
