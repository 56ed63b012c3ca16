using Kedge.Protocol;

namespace Kedge.Demo;

/// <summary>
/// One direction of a <see cref="Wire"/> without its threads: packets in their order, each with the instant at which it comes out, or lost
/// on the way. No more than 16 MiB are under way. One thread at a time.
/// </summary>
internal sealed class DelayLine
{
    private const int Capacity = 16 << 20;

    private readonly WireQuality _quality;
    private readonly Random _random;
    private readonly int _slotSize;
    private readonly byte[] _memory;
    private readonly (Instant Due, int Length)[] _packets;
    private int _first;
    private int _count;
    private Instant _free = new(long.MinValue);

    /// <summary>An empty line.</summary>
    /// <param name="quality">How bad it is.</param>
    /// <param name="mtu">Bytes of the longest packet.</param>
    /// <param name="seed">Decides which packets are lost.</param>
    /// <exception cref="ArgumentOutOfRangeException">The delay is negative, the loss no share, or the rate not positive.</exception>
    public DelayLine(WireQuality quality, int mtu, int seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(quality.Delay, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(quality.Loss, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(quality.Loss, 1);
        if (quality.BitsPerSecond is { } rate)
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rate);
        (_quality, _slotSize, _random) = (quality, mtu, new Random(seed));
        _packets = new (Instant, int)[Capacity / mtu];
        _memory = GC.AllocateUninitializedArray<byte>(_packets.Length * mtu); // Takes no memory before it is written to.
    }

    /// <summary>When the next packet comes out; <see cref="Instant.Never"/> for none.</summary>
    public Instant NextDue => _count > 0 ? _packets[_first].Due : Instant.Never;

    /// <summary>Puts a packet in.</summary>
    /// <param name="now">The time; never earlier than before.</param>
    /// <param name="packet">A packet of the MTU at most; it is copied.</param>
    /// <returns>False where it is lost: by chance, because it would wait too long for its turn, or for want of room.</returns>
    public bool TryAdd(Instant now, ReadOnlySpan<byte> packet)
    {
        if (_random.NextDouble() < _quality.Loss || _count == _packets.Length || packet.Length > _slotSize)
            return false;
        Instant sent = now;
        if (_quality.BitsPerSecond is { } rate)
        {
            Instant turn = _free > now ? _free : now;
            if (turn - now > _quality.Queue)
                return false;
            sent = _free = turn + TimeSpan.FromSeconds(8.0 * packet.Length / rate);
        }
        int slot = (_first + _count++) % _packets.Length;
        packet.CopyTo(_memory.AsSpan(slot * _slotSize));
        _packets[slot] = (sent + _quality.Delay, packet.Length);
        return true;
    }

    /// <summary>Takes out the next packet if it is due by now.</summary>
    /// <param name="now">The time.</param>
    /// <param name="packet">Where it goes; room for the MTU.</param>
    /// <param name="length">Its length in bytes.</param>
    public bool TryTake(Instant now, Span<byte> packet, out int length)
    {
        length = 0;
        if (NextDue > now || _count == 0)
            return false;
        length = _packets[_first].Length;
        _memory.AsSpan(_first * _slotSize, length).CopyTo(packet);
        _first = (_first + 1) % _packets.Length;
        _count--;
        return true;
    }
}
