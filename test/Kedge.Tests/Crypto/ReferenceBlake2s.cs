using System.Buffers.Binary;
using System.Numerics;

namespace Kedge.Tests.Crypto;

/// <summary>BLAKE2s as RFC 7693 describes it, slow and plain: what the fast one is compared with.</summary>
internal static class ReferenceBlake2s
{
    private const int BlockSize = 64, Rounds = 10;

    // Section 2.6: the first 32 bits of the fractions of the square roots of the first eight primes.
    private static readonly uint[] InitializationVector =
        [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

    // Section 2.7: SIGMA.
    private static readonly byte[][] MessageSchedule =
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ];

    /// <summary>Section 3.3: the hash of <paramref name="length"/> bytes, keyed where the key is not empty.</summary>
    public static byte[] Hash(byte[] key, byte[] data, int length)
    {
        byte[] message = key.Length == 0 ? data : [.. key, .. new byte[BlockSize - key.Length], .. data];
        int blocks = int.Max(1, (message.Length + BlockSize - 1) / BlockSize);
        byte[] padded = new byte[blocks * BlockSize];
        message.CopyTo(padded, 0);

        uint[] h = [.. InitializationVector];
        h[0] ^= 0x01010000 ^ ((uint)key.Length << 8) ^ (uint)length;
        for (int block = 0; block < blocks; block++)
        {
            bool last = block == blocks - 1;
            Compress(h, padded.AsSpan(block * BlockSize, BlockSize), last ? (uint)message.Length : (uint)((block + 1) * BlockSize), last);
        }
        byte[] hash = new byte[32];
        for (int i = 0; i < h.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(hash.AsSpan(4 * i), h[i]);
        return hash[..length];
    }

    // Section 3.2. Messages of 2^32 bytes and more, which need the counter's upper word, are not for a test.
    private static void Compress(uint[] h, ReadOnlySpan<byte> block, uint counter, bool last)
    {
        uint[] m = new uint[16], v = [.. h, .. InitializationVector];
        for (int i = 0; i < m.Length; i++)
            m[i] = BinaryPrimitives.ReadUInt32LittleEndian(block[(4 * i)..]);
        v[12] ^= counter;
        if (last)
            v[14] = ~v[14];
        for (int round = 0; round < Rounds; round++)
        {
            byte[] s = MessageSchedule[round];
            Mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
            Mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
            Mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
            Mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
            Mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
            Mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
            Mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
            Mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
        }
        for (int i = 0; i < h.Length; i++)
            h[i] ^= v[i] ^ v[i + 8];
    }

    // Section 3.1.
    private static void Mix(uint[] v, int a, int b, int c, int d, uint x, uint y)
    {
        v[a] += v[b] + x;
        v[d] = BitOperations.RotateRight(v[d] ^ v[a], 16);
        v[c] += v[d];
        v[b] = BitOperations.RotateRight(v[b] ^ v[c], 12);
        v[a] += v[b] + y;
        v[d] = BitOperations.RotateRight(v[d] ^ v[a], 8);
        v[c] += v[d];
        v[b] = BitOperations.RotateRight(v[b] ^ v[c], 7);
    }
}
