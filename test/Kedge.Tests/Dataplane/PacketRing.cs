using Kedge.Linux;

namespace Kedge.Tests.Dataplane;

/// <summary>A bounded queue of packets with their addresses, in memory made beforehand, between any threads.</summary>
internal sealed class PacketRing(int capacity) : IDisposable
{
    private readonly PacketBuffer[] _slots = PacketBuffer.Allocate(capacity);
    private readonly Lock _lock = new();
    private readonly ManualResetEventSlim _readable = new();
    private int _first;
    private int _count;
    private bool _isWoken;

    public int Count
    {
        get
        {
            lock (_lock)
                return _count;
        }
    }

    /// <summary>Copies a packet in; false when the ring is full.</summary>
    public bool TryAdd(PacketBuffer packet) => TryAdd(packet, 0, packet.Length, packet.GsoSize);

    /// <summary>Copies a part of a packet in, with what belongs to the packet and another segment size; false when full.</summary>
    public bool TryAdd(PacketBuffer packet, int start, int length, ushort gsoSize)
    {
        lock (_lock)
        {
            if (_count == capacity)
                return false;
            Copy(packet, start, length, gsoSize, _slots[(_first + _count++) % capacity]);
            _readable.Set();
            return true;
        }
    }

    /// <summary>Copies packets out, as many as there are and fit.</summary>
    public int Take(ReadOnlySpan<PacketBuffer> buffers)
    {
        lock (_lock)
        {
            int taken = 0;
            for (; taken < buffers.Length && _count > 0; taken++, _count--, _first = (_first + 1) % capacity)
                Copy(_slots[_first], 0, _slots[_first].Length, _slots[_first].GsoSize, buffers[taken]);
            ResetIfQuiet();
            return taken;
        }
    }

    /// <summary>Blocks until there is a packet, or until <see cref="Wake"/> has been called since the last wait.</summary>
    public void WaitReadable()
    {
        _readable.Wait();
        lock (_lock)
        {
            _isWoken = false;
            ResetIfQuiet();
        }
    }

    public void Wake()
    {
        lock (_lock)
        {
            _isWoken = true;
            _readable.Set();
        }
    }

    public void Dispose() => _readable.Dispose();

    private void ResetIfQuiet()
    {
        if (_count == 0 && !_isWoken)
            _readable.Reset();
    }

    private static void Copy(PacketBuffer from, int start, int length, ushort gsoSize, PacketBuffer to)
    {
        to.Reset();
        to.Length = length;
        from.Packet.Slice(start, length).CopyTo(to.Packet);
        (to.Ecn, to.TimeToLive, to.Source, to.Destination) = (from.Ecn, from.TimeToLive, from.Source, from.Destination);
        (to.Vnet, to.GsoSize) = (from.Vnet, gsoSize);
    }
}
