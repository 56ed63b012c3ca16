using Kedge.Protocol.Ip;

namespace Kedge.Node.Dataplane;

/// <summary>
/// Datagrams of one kind on their way from the receiving threads to the thread that deals with them: a ring of fixed size, whose writers take
/// turns. When it is full, datagrams are lost; that is what a flood costs, and all that it costs.
/// </summary>
/// <param name="capacity">How many datagrams fit: a power of two.</param>
/// <param name="maximumLength">Bytes of the longest datagram that fits.</param>
/// <param name="cutsLonger">Whether of a longer one, too, so many bytes are kept, and its length.</param>
public sealed class DatagramQueue(int capacity, int maximumLength, bool cutsLonger = false)
{
    private readonly byte[] _messages = new byte[capacity * maximumLength];
    private readonly Slot[] _slots = new Slot[capacity];
    private readonly Lock _writing = new();
    private int _written;
    private int _read;

    /// <summary>Bytes that are kept of a datagram at most.</summary>
    public int MaximumLength => maximumLength;

    /// <summary>Whether a datagram of a length can be added.</summary>
    public bool Takes(int length) => cutsLonger || length <= maximumLength;

    /// <summary>How many datagrams wait. Any thread.</summary>
    public int Count => Volatile.Read(ref _written) - Volatile.Read(ref _read);

    /// <summary>Copies a datagram in. Any receiving thread.</summary>
    /// <param name="message">The datagram.</param>
    /// <param name="remote">Where it came from.</param>
    /// <param name="local">Where it arrived.</param>
    /// <param name="wasEmpty">Whether the reader may be asleep, and is to be woken.</param>
    /// <returns>False when the queue is full, or the datagram too long.</returns>
    public bool TryAdd(ReadOnlySpan<byte> message, Endpoint remote, Endpoint local, out bool wasEmpty)
    {
        wasEmpty = false;
        if (!Takes(message.Length))
            return false;
        lock (_writing)
        {
            if (Count == capacity)
                return false;
            int index = _written & (capacity - 1);
            message[..Math.Min(message.Length, maximumLength)].CopyTo(_messages.AsSpan(index * maximumLength, maximumLength));
            _slots[index] = new Slot(message.Length, remote, local);
            Volatile.Write(ref _written, _written + 1);
            // Either we see here that the reader has taken all others, or it sees, after the last of them, that there is one more.
            Interlocked.MemoryBarrier();
            wasEmpty = Count == 1;
            return true;
        }
    }

    /// <summary>Takes the oldest datagram out. The thread that deals with them.</summary>
    /// <param name="message">Where it goes: at least <see cref="MaximumLength"/> bytes.</param>
    /// <param name="length">Its length in bytes, though more than is kept.</param>
    /// <param name="remote">Where it came from.</param>
    /// <param name="local">Where it arrived.</param>
    /// <returns>False when there is none.</returns>
    public bool TryTake(Span<byte> message, out int length, out Endpoint remote, out Endpoint local)
    {
        (length, remote, local) = (0, default, default);
        if (Count == 0)
            return false;
        int index = _read & (capacity - 1);
        (length, remote, local) = _slots[index];
        _messages.AsSpan(index * maximumLength, Math.Min(length, maximumLength)).CopyTo(message);
        Volatile.Write(ref _read, _read + 1);
        Interlocked.MemoryBarrier();
        return true;
    }

    private readonly record struct Slot(int Length, Endpoint Remote, Endpoint Local);
}
