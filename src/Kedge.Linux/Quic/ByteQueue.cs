using Kedge.Linux.Interop;

namespace Kedge.Linux.Quic;

/// <summary>
/// Bytes in order, in chunks of a pool: appended at one end, taken at the other. Between the two, <see cref="Sent"/> is how far they were
/// handed on without being let go, because they may be needed again until they are acknowledged. Owned by one thread.
/// </summary>
internal sealed unsafe class ByteQueue(ChunkPool pool)
{
    private nint[] _chunks = new nint[2]; // a ring
    private int _first;
    private int _count;
    private int _start; // where the first byte is in the first chunk
    private long _length;
    private long _sent;

    /// <summary>Bytes that are held.</summary>
    public long Length => _length;

    /// <summary>Bytes of them that were handed on.</summary>
    public long Sent => _sent;

    /// <summary>Bytes that were not handed on yet.</summary>
    public long Unsent => _length - _sent;

    /// <summary>Where the next bytes may be put, at least one; what was put there is added by <see cref="Commit"/>.</summary>
    public Span<byte> Room()
    {
        long end = _start + _length;
        if (end == (long)_count * ChunkPool.ChunkLength)
            AddChunk();
        int offset = (int)(end % ChunkPool.ChunkLength);
        return new Span<byte>(Chunk(_count - 1) + offset, ChunkPool.ChunkLength - offset);
    }

    /// <summary>Adds bytes that were put into <see cref="Room"/>. Gives its chunk back if they are none and nothing else is in it.</summary>
    public void Commit(int length)
    {
        _length += length;
        if (_length == 0)
            Clear();
    }

    /// <summary>Appends a copy.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            Span<byte> room = Room();
            int length = Math.Min(room.Length, bytes.Length);
            bytes[..length].CopyTo(room);
            _length += length;
            bytes = bytes[length..];
        }
    }

    /// <summary>Describes bytes from a position on, for a call that takes several pieces.</summary>
    /// <param name="position">Counted from the first byte held.</param>
    /// <param name="limit">How many bytes at most.</param>
    /// <param name="vectors">Where the pieces are put.</param>
    /// <param name="most">How many pieces at most.</param>
    /// <returns>How many pieces there are.</returns>
    public int Describe(long position, long limit, Libc.Iovec* vectors, int most)
    {
        int count = 0;
        long end = Math.Min(_length, position + limit);
        while (position < end && count < most)
        {
            long place = _start + position;
            int offset = (int)(place % ChunkPool.ChunkLength);
            long length = Math.Min(ChunkPool.ChunkLength - offset, end - position);
            vectors[count++] = new() { Base = Chunk((int)(place / ChunkPool.ChunkLength)) + offset, Length = (nuint)length };
            position += length;
        }
        return count;
    }

    /// <summary>The first bytes that lie together; empty if there are none.</summary>
    public ReadOnlySpan<byte> First() => _length == 0
        ? default
        : new ReadOnlySpan<byte>(Chunk(0) + _start, (int)Math.Min(_length, ChunkPool.ChunkLength - _start));

    /// <summary>Notes that so many more bytes were handed on.</summary>
    public void MarkSent(long count) => _sent += count;

    /// <summary>Lets the first bytes go.</summary>
    public void Release(long count)
    {
        count = Math.Min(count, _length);
        _length -= count;
        _sent = Math.Max(0, _sent - count);
        long place = _start + count;
        while (_count > 0 && place >= ChunkPool.ChunkLength)
        {
            RemoveFirst();
            place -= ChunkPool.ChunkLength;
        }
        _start = (int)place;
        if (_length == 0)
            Clear();
    }

    /// <summary>Lets all go.</summary>
    public void Clear()
    {
        while (_count > 0)
            RemoveFirst();
        (_start, _length, _sent) = (0, 0, 0);
    }

    private byte* Chunk(int index) => (byte*)_chunks[(_first + index) % _chunks.Length];

    private void AddChunk()
    {
        if (_count == _chunks.Length)
        {
            nint[] larger = new nint[2 * _chunks.Length];
            for (int i = 0; i < _count; i++)
                larger[i] = (nint)Chunk(i);
            (_chunks, _first) = (larger, 0);
        }
        _chunks[(_first + _count++) % _chunks.Length] = (nint)pool.Rent();
    }

    private void RemoveFirst()
    {
        pool.Return(Chunk(0));
        _first = (_first + 1) % _chunks.Length;
        _count--;
    }
}
