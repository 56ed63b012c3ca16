using System.Buffers.Binary;

namespace Kedge.Fuzz;

/// <summary>Makes new inputs of old ones. All it does follows from its seed.</summary>
public sealed class Mutator(int seed, IReadOnlyList<byte[]> dictionary, int maximumLength)
{
    private static readonly ulong[] Interesting =
    [
        0, 1, 2, 4, 15, 16, 17, 31, 32, 63, 64, 127, 128, 255, 256, 4095, 4096, 8127, 8128, 8191, 8192, 32767, 32768, 65535, 65536,
        int.MaxValue, 1UL << 31, uint.MaxValue, 1UL << 32, long.MaxValue, 1UL << 63, ulong.MaxValue - 8192, ulong.MaxValue,
    ];

    private readonly Random _random = new(seed);

    /// <summary>A number from 0 to <paramref name="count"/> - 1.</summary>
    public int Pick(int count) => _random.Next(count);

    /// <summary>A changed copy of <paramref name="parent"/>.</summary>
    /// <param name="parent">The input to change.</param>
    /// <param name="other">Another input that worked, to take parts from.</param>
    public byte[] Mutate(byte[] parent, byte[] other)
    {
        List<byte> bytes = [.. parent];
        int changes = 1 << _random.Next(5);
        for (int i = 0; i < changes; i++)
            Change(bytes, other);
        if (bytes.Count > maximumLength)
            bytes.RemoveRange(maximumLength, bytes.Count - maximumLength);
        return [.. bytes];
    }

    private void Change(List<byte> bytes, byte[] other)
    {
        if (bytes.Count == 0)
        {
            Insert(bytes, Noise());
            return;
        }
        int at = _random.Next(bytes.Count);
        switch (_random.Next(12))
        {
            case 0 or 1:
                bytes[at] ^= (byte)(1 << _random.Next(8));
                break;
            case 2 or 3:
                bytes[at] = (byte)_random.Next(256);
                break;
            case 4:
                bytes[at] += (byte)(_random.Next(2) == 0 ? 1 + _random.Next(16) : 255 - _random.Next(16));
                break;
            case 5:
                Overwrite(bytes, at, Number());
                break;
            case 6:
                bytes.RemoveRange(at, Math.Min(bytes.Count - at, 1 + _random.Next(1 << _random.Next(7))));
                break;
            case 7:
                Insert(bytes, Noise());
                break;
            case 8:
                Insert(bytes, Part([.. bytes]));
                break;
            case 9 when dictionary.Count > 0:
                byte[] word = dictionary[_random.Next(dictionary.Count)];
                if (_random.Next(2) == 0)
                    Insert(bytes, word);
                else
                    Overwrite(bytes, at, word);
                break;
            case 10 when other.Length > 0:
                if (_random.Next(2) == 0)
                {
                    bytes.RemoveRange(at, bytes.Count - at); // cross over
                    bytes.AddRange(other.AsSpan(_random.Next(other.Length)));
                }
                else
                    Insert(bytes, Part(other));
                break;
            default:
                Resize(bytes, (int)Math.Min(Interesting[_random.Next(24)], (ulong)maximumLength));
                break;
        }
    }

    private byte[] Noise()
    {
        var noise = new byte[1 + _random.Next(1 << _random.Next(6))];
        if (_random.Next(4) != 0)
            _random.NextBytes(noise);
        return noise;
    }

    /// <summary>An interesting number in 1, 2, 4 or 8 bytes of either order.</summary>
    private byte[] Number()
    {
        ulong value = Interesting[_random.Next(Interesting.Length)];
        var bytes = new byte[8];
        int size = 1 << _random.Next(4);
        if (_random.Next(2) == 0)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
            return bytes[..size];
        }
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return bytes[^size..];
    }

    private byte[] Part(byte[] whole)
    {
        int start = _random.Next(whole.Length);
        return whole[start..(start + Math.Min(whole.Length - start, 1 + _random.Next(1 << _random.Next(8))))];
    }

    private void Insert(List<byte> bytes, byte[] part) => bytes.InsertRange(_random.Next(bytes.Count + 1), part);

    private static void Overwrite(List<byte> bytes, int at, byte[] part)
    {
        for (int i = 0; i < part.Length && at + i < bytes.Count; i++)
            bytes[at + i] = part[i];
    }

    private void Resize(List<byte> bytes, int length)
    {
        if (length < bytes.Count)
            bytes.RemoveRange(length, bytes.Count - length);
        else if (_random.Next(4) == 0) // seldom: long inputs are slow
            bytes.AddRange(new byte[length - bytes.Count]);
    }
}
