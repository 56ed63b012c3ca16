namespace Kedge.Protocol.WireGuard;

/// <summary>
/// The packets of one peer that wait for a session, in their order. Bounded: when full, the oldest make room, because the newest are
/// those that somebody still waits for. Packets are copied in and out, so no buffer of a packet thread is held. Memory grows with what is
/// staged, up to the bound or the peer's share of what all peers have, is used again while packets come and go, and is let go of when the
/// last one has left. Not synchronised: the peer's lock guards it.
/// </summary>
public sealed class StagedPackets
{
    private const int InitialCapacity = 2048; // one packet of the usual size

    private readonly int _maximumPackets;
    private readonly int _maximumBytes;
    private readonly StagingMemory _memory;
    private byte[] _bytes = []; // a ring: the packets one behind the other
    private int[] _lengths = []; // a ring: their lengths
    private int _firstByte;
    private int _firstLength;
    private int _byteCount;

    /// <summary>An empty queue; it allocates nothing until a packet is added.</summary>
    /// <param name="maximumPackets">How many packets it holds at most.</param>
    /// <param name="maximumBytes">How many bytes they may have together; up to 1 GiB.</param>
    /// <param name="memory">The memory that all peers share; null for memory of its own.</param>
    /// <exception cref="ArgumentOutOfRangeException">A bound is not positive, or too large.</exception>
    public StagedPackets(int maximumPackets = 128, int maximumBytes = 256 * 1024, StagingMemory? memory = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maximumPackets);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maximumBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maximumBytes, 1 << 30);
        _maximumPackets = maximumPackets;
        _maximumBytes = maximumBytes;
        _memory = memory ?? new StagingMemory(1L << 40);
    }

    /// <summary>How many packets wait.</summary>
    public int Count { get; private set; }

    /// <summary>Copies a packet to the end of the queue.</summary>
    /// <param name="packet">The packet.</param>
    /// <param name="isRefused">
    /// Whether the packet itself was dropped, with the queue unchanged, because the peer's share of the memory leaves no room for it.
    /// </param>
    /// <returns>
    /// How many other packets were dropped to make room, the oldest first; or 1, with the queue unchanged, if the packet is too long ever to
    /// fit.
    /// </returns>
    public int Add(ReadOnlySpan<byte> packet, out bool isRefused)
    {
        isRefused = false;
        if (packet.Length > _maximumBytes)
            return 1;
        isRefused = (_lengths.Length == 0 || packet.Length > _bytes.Length) && !TryGrow(packet.Length);
        if (isRefused)
            return 0;
        int dropped = 0;
        for (; Count == _maximumPackets || packet.Length > _maximumBytes - _byteCount; dropped++)
            RemoveFirst();
        bool fits = packet.Length <= _bytes.Length - _byteCount || TryGrow(_byteCount + packet.Length);
        for (; !fits && packet.Length > _bytes.Length - _byteCount; dropped++)
            RemoveFirst();
        int start = (_firstByte + _byteCount) % _bytes.Length;
        int untilEnd = Math.Min(packet.Length, _bytes.Length - start);
        packet[..untilEnd].CopyTo(_bytes.AsSpan(start));
        packet[untilEnd..].CopyTo(_bytes);
        _lengths[(_firstLength + Count) % _lengths.Length] = packet.Length;
        _byteCount += packet.Length;
        Count++;
        return dropped;
    }

    /// <summary>Moves the oldest packet to the start of <paramref name="destination"/>.</summary>
    /// <param name="destination">At least as long as the longest packet that is ever added.</param>
    /// <param name="length">The packet's length in bytes.</param>
    /// <returns>False when no packet waits.</returns>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short; the packet stays.</exception>
    public bool TryTake(Span<byte> destination, out int length)
    {
        length = 0;
        if (Count == 0)
            return false;
        int next = _lengths[_firstLength];
        if (destination.Length < next)
            throw new ArgumentException($"The packet has {next} bytes, the destination {destination.Length}.", nameof(destination));
        int untilEnd = Math.Min(next, _bytes.Length - _firstByte);
        _bytes.AsSpan(_firstByte, untilEnd).CopyTo(destination);
        _bytes.AsSpan(0, next - untilEnd).CopyTo(destination[untilEnd..]);
        length = next;
        RemoveFirst();
        if (Count == 0)
            Clear();
        return true;
    }

    /// <summary>Drops all packets and lets go of the memory.</summary>
    /// <returns>How many packets were dropped.</returns>
    public int Clear()
    {
        int dropped = Count;
        _memory.Return(MemoryOf(_bytes.Length, _lengths.Length));
        _bytes = [];
        _lengths = [];
        _firstByte = _firstLength = _byteCount = Count = 0;
        return dropped;
    }

    private void RemoveFirst()
    {
        int length = _lengths[_firstLength];
        _firstByte = (_firstByte + length) % _bytes.Length;
        _firstLength = (_firstLength + 1) % _lengths.Length;
        _byteCount -= length;
        Count--;
    }

    /// <summary>Makes the ring longer, if the peer's share of the memory allows it.</summary>
    /// <param name="needed">Bytes that it must hold; up to the bound.</param>
    private bool TryGrow(int needed)
    {
        int capacity = Math.Max(_bytes.Length, Math.Min(InitialCapacity, _maximumBytes));
        while (capacity < needed)
            capacity = (int)Math.Min(capacity * 2L, _maximumBytes);
        int total = MemoryOf(capacity, _maximumPackets);
        if (!_memory.TryTake(total - MemoryOf(_bytes.Length, _lengths.Length), total))
            return false;
        if (_lengths.Length == 0)
            _lengths = new int[_maximumPackets];
        byte[] larger = new byte[capacity];
        int untilEnd = Math.Min(_byteCount, _bytes.Length - _firstByte);
        _bytes.AsSpan(_firstByte, untilEnd).CopyTo(larger);
        _bytes.AsSpan(0, _byteCount - untilEnd).CopyTo(larger.AsSpan(untilEnd));
        _bytes = larger;
        _firstByte = 0;
        return true;
    }

    private static int MemoryOf(int bytes, int lengths) => bytes + lengths * sizeof(int);
}
