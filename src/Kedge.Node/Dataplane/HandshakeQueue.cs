using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>
/// Handshake messages and STUN servers' answers on their way from the receiving threads to the handshake thread: a ring of fixed size,
/// whose writers take turns. When it is full, messages are lost; that is what a flood costs, and all that it costs.
/// </summary>
public sealed class HandshakeQueue
{
    /// <summary>How many messages fit.</summary>
    public const int Capacity = 4096;

    /// <summary>Bytes of the longest message that fits: the longest handshake message, or a STUN server's answer with much to say.</summary>
    public const int MaximumLength = HandshakeInitiation.Size;

    private const int SlotSize = MaximumLength;

    private readonly byte[] _messages = new byte[Capacity * SlotSize];
    private readonly Slot[] _slots = new Slot[Capacity];
    private readonly Lock _writing = new();
    private int _written;
    private int _read;

    /// <summary>How many messages wait. Any thread.</summary>
    public int Count => Volatile.Read(ref _written) - Volatile.Read(ref _read);

    /// <summary>Copies a message in. Any receiving thread.</summary>
    /// <param name="message">At most <see cref="MaximumLength"/> bytes.</param>
    /// <param name="remote">Where it came from.</param>
    /// <param name="local">Where it arrived.</param>
    /// <param name="wasEmpty">Whether the reader may be asleep, and is to be woken.</param>
    /// <returns>False when the queue is full.</returns>
    public bool TryAdd(ReadOnlySpan<byte> message, Endpoint remote, Endpoint local, out bool wasEmpty)
    {
        wasEmpty = false;
        lock (_writing)
        {
            if (Count == Capacity)
                return false;
            int index = _written & (Capacity - 1);
            message.CopyTo(_messages.AsSpan(index * SlotSize, SlotSize));
            _slots[index] = new Slot(message.Length, remote, local);
            Volatile.Write(ref _written, _written + 1);
            // Either we see here that the reader has taken all others, or it sees, after the last of them, that there is one more.
            Interlocked.MemoryBarrier();
            wasEmpty = Count == 1;
            return true;
        }
    }

    /// <summary>Takes the oldest message out. The handshake thread.</summary>
    /// <param name="message">Where the message goes: at least <see cref="MaximumLength"/> bytes.</param>
    /// <param name="length">Its length in bytes.</param>
    /// <param name="remote">Where it came from.</param>
    /// <param name="local">Where it arrived.</param>
    /// <returns>False when there is none.</returns>
    public bool TryTake(Span<byte> message, out int length, out Endpoint remote, out Endpoint local)
    {
        (length, remote, local) = (0, default, default);
        if (Count == 0)
            return false;
        int index = _read & (Capacity - 1);
        (length, remote, local) = _slots[index];
        _messages.AsSpan(index * SlotSize, length).CopyTo(message);
        Volatile.Write(ref _read, _read + 1);
        Interlocked.MemoryBarrier();
        return true;
    }

    private readonly record struct Slot(int Length, Endpoint Remote, Endpoint Local);
}
