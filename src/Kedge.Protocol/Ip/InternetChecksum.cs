using System.Buffers.Binary;

namespace Kedge.Protocol.Ip;

/// <summary>The checksum of IP, TCP and UDP headers: the complement of a one's complement sum of 16-bit words (RFC 1071).</summary>
public static class InternetChecksum
{
    /// <summary>
    /// The checksum of <paramref name="bytes"/> in host order (RFC 1071); an odd byte at the end counts as if a zero followed. Over data
    /// that contains its own right checksum it is 0.
    /// </summary>
    public static ushort Compute(ReadOnlySpan<byte> bytes)
    {
        ulong sum = 0; // 32-bit words fold to the same sum as 16-bit ones, and 2^32 of them fit
        for (; bytes.Length >= 4; bytes = bytes[4..])
            sum += BinaryPrimitives.ReadUInt32BigEndian(bytes);
        if (bytes.Length >= 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(bytes);
            bytes = bytes[2..];
        }
        if (!bytes.IsEmpty)
            sum += (uint)bytes[0] << 8;
        return (ushort)~Fold(sum);
    }

    /// <summary>The checksum after one of the words it covers has changed: equation 3 of RFC 1624. All in host order.</summary>
    /// <param name="checksum">The checksum before.</param>
    /// <param name="oldWord">The word before.</param>
    /// <param name="newWord">The word now.</param>
    public static ushort Update(ushort checksum, ushort oldWord, ushort newWord) =>
        (ushort)~Fold((ulong)(ushort)~checksum + (ushort)~oldWord + newWord);

    private static ushort Fold(ulong sum)
    {
        while (sum > ushort.MaxValue)
            sum = (sum >> 16) + (sum & ushort.MaxValue);
        return (ushort)sum;
    }
}
