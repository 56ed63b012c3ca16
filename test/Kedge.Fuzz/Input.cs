using System.Buffers.Binary;

namespace Kedge.Fuzz;

/// <summary>
/// Reads an input as a stream of small decisions. Any bytes are a valid stream: behind the end everything is zero, so a shorter input means
/// a shorter story and never an error.
/// </summary>
public ref struct Input(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>Whether all bytes have been read.</summary>
    public readonly bool IsEmpty => _rest.IsEmpty;

    /// <summary>What has not been read yet.</summary>
    public readonly ReadOnlySpan<byte> Rest => _rest;

    /// <summary>The next byte.</summary>
    public byte Byte()
    {
        if (_rest.IsEmpty)
            return 0;
        byte value = _rest[0];
        _rest = _rest[1..];
        return value;
    }

    /// <summary>A number from 0 to <paramref name="count"/> - 1, from one byte.</summary>
    public int Pick(int count) => Byte() % count;

    /// <summary>One of <paramref name="values"/>, from one byte.</summary>
    public T Pick<T>(scoped ReadOnlySpan<T> values) => values[Pick(values.Length)];

    /// <summary>A yes or no, from one byte.</summary>
    public bool Flag() => (Byte() & 1) != 0;

    /// <summary>A number of <paramref name="size"/> bytes, 1 to 8, little-endian.</summary>
    public ulong Number(int size)
    {
        Span<byte> bytes = stackalloc byte[8];
        bytes.Clear();
        Fill(bytes[..size]);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    /// <summary>Fills <paramref name="destination"/> from the input, and with zeros behind its end.</summary>
    public void Fill(scoped Span<byte> destination)
    {
        int count = Math.Min(destination.Length, _rest.Length);
        _rest[..count].CopyTo(destination);
        destination[count..].Clear();
        _rest = _rest[count..];
    }

    /// <summary>Up to <paramref name="count"/> bytes: fewer where the input ends.</summary>
    public ReadOnlySpan<byte> Take(int count)
    {
        ReadOnlySpan<byte> taken = _rest[..Math.Min(count, _rest.Length)];
        _rest = _rest[taken.Length..];
        return taken;
    }
}
