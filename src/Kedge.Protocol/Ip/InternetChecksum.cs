using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Kedge.Protocol.Ip;

/// <summary>The checksum of IP, TCP and UDP headers: the complement of a one's complement sum of 16-bit words (RFC 1071).</summary>
public static class InternetChecksum
{
    /// <summary>
    /// The checksum of <paramref name="bytes"/> in host order (RFC 1071); an odd byte at the end counts as if a zero followed. Over data
    /// that contains its own right checksum it is 0.
    /// </summary>
    public static ushort Compute(ReadOnlySpan<byte> bytes) => (ushort)~Sum(bytes);

    /// <summary>
    /// The one's complement sum of <paramref name="bytes"/> and <paramref name="initial"/>, all in host order: what a checksum is the
    /// complement of. Over data that contains its own right checksum it is 0xFFFF.
    /// </summary>
    /// <param name="bytes">What to sum up; an odd byte at the end counts as if a zero followed.</param>
    /// <param name="initial">A sum to go on from, folded or not: that of a pseudo-header.</param>
    public static ushort Sum(ReadOnlySpan<byte> bytes, uint initial = 0)
    {
        ulong sum = initial; // 32-bit words fold to the same sum as 16-bit ones, and 2^32 of them fit
        ReadOnlySpan<Vector256<ulong>> vectors = MemoryMarshal.Cast<byte, Vector256<ulong>>(bytes);
        if (!vectors.IsEmpty)
        {
            sum += Sum(vectors);
            bytes = bytes[(vectors.Length * Vector256<byte>.Count)..];
        }
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            ulong words = BinaryPrimitives.ReadUInt64BigEndian(bytes);
            sum += (words >> 32) + (uint)words;
        }
        if (bytes.Length >= 4)
        {
            sum += BinaryPrimitives.ReadUInt32BigEndian(bytes);
            bytes = bytes[4..];
        }
        if (bytes.Length >= 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(bytes);
            bytes = bytes[2..];
        }
        if (!bytes.IsEmpty)
            sum += (uint)bytes[0] << 8;
        return Fold(sum);
    }

    /// <summary>The checksum after one of the words it covers has changed: equation 3 of RFC 1624. All in host order.</summary>
    /// <param name="checksum">The checksum before.</param>
    /// <param name="oldWord">The word before.</param>
    /// <param name="newWord">The word now.</param>
    public static ushort Update(ushort checksum, ushort oldWord, ushort newWord) =>
        (ushort)~Fold((ulong)(ushort)~checksum + (ushort)~oldWord + newWord);

    // Words are added as this machine reads them, and the sum is put in order once: it does not matter when (RFC 1071 section 2.B).
    private static ushort Sum(ReadOnlySpan<Vector256<ulong>> vectors)
    {
        Vector256<ulong> low = default, high = default, otherLow = default, otherHigh = default;
        Vector256<ulong> lowMask = Vector256.Create<ulong>(uint.MaxValue);
        for (; vectors.Length >= 2; vectors = vectors[2..]) // two at a time, so that an addition need not wait for the one before
        {
            low += vectors[0] & lowMask;
            high += vectors[0] >>> 32;
            otherLow += vectors[1] & lowMask;
            otherHigh += vectors[1] >>> 32;
        }
        if (!vectors.IsEmpty)
        {
            low += vectors[0] & lowMask;
            high += vectors[0] >>> 32;
        }
        ushort sum = Fold(Vector256.Sum(low + high + otherLow + otherHigh));
        return BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(sum) : sum;
    }

    // A number and itself with its halves exchanged: the upper half of their sum is that of both halves, with the end-around carry.
    private static ushort Fold(ulong sum)
    {
        uint half = (uint)((sum + BitOperations.RotateLeft(sum, 32)) >> 32);
        return (ushort)((half + BitOperations.RotateLeft(half, 16)) >> 16);
    }
}
