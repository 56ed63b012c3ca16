using System.Numerics;
using Kedge.Protocol.Ip;

namespace Kedge.Fuzz.Certificates;

/// <summary>The canonical form of RFC 3779 section 2.2.3, written slowly: on texts of zeros and ones.</summary>
internal static class SlowAddressBlocks
{
    private static readonly int[] AddressSizes = [4, 16];

    /// <summary>IPAddrBlocks of the addresses of some prefixes.</summary>
    public static byte[] Write(IReadOnlyList<IpPrefix> prefixes) =>
        Tagged(0x30, [.. AddressSizes.Select(size => Family(size, [.. prefixes.Where(prefix => prefix.Address.Size == size)]))]);

    /// <summary>A value with its tag and length.</summary>
    public static byte[] Tagged(byte tag, params byte[][] contents)
    {
        byte[] all = [.. contents.SelectMany(part => part)];
        byte[] length = all.Length switch
        {
            < 0x80 => [(byte)all.Length],
            < 0x100 => [0x81, (byte)all.Length],
            _ => [0x82, (byte)(all.Length >> 8), (byte)all.Length],
        };
        return [tag, .. length, .. all];
    }

    private static byte[] Family(int size, IpPrefix[] prefixes)
    {
        if (prefixes.Length == 0)
            return [];
        int width = size * 8;
        List<(BigInteger First, BigInteger Last)> ranges = [.. prefixes.Select(prefix => Range(prefix, width)).Order()];
        for (int i = 1; i < ranges.Count;)
        {
            if (ranges[i].First <= ranges[i - 1].Last + 1)
            {
                ranges[i - 1] = (ranges[i - 1].First, BigInteger.Max(ranges[i - 1].Last, ranges[i].Last));
                ranges.RemoveAt(i);
            }
            else
            {
                i++;
            }
        }
        byte[][] items = [.. ranges.Select(range => Item(Bits(range.First, width), Bits(range.Last, width)))];
        return Tagged(0x30, Tagged(0x04, [0, (byte)(size == 4 ? 1 : 2)]), Tagged(0x30, items));
    }

    private static (BigInteger First, BigInteger Last) Range(IpPrefix prefix, int width)
    {
        byte[] bytes = new byte[prefix.Address.Size];
        prefix.Address.CopyTo(bytes);
        var first = new BigInteger(bytes, isUnsigned: true, isBigEndian: true);
        return (first, first + BigInteger.Pow(2, width - prefix.Length) - 1);
    }

    // A prefix where all that differs is zeros in the first address and ones in the last.
    private static byte[] Item(string first, string last)
    {
        int common = 0;
        while (common < first.Length && first[common] == last[common])
            common++;
        return first[common..].Contains('1') || last[common..].Contains('0')
            ? Tagged(0x30, BitString(first.TrimEnd('0')), BitString(last.TrimEnd('1')))
            : BitString(first[..common]);
    }

    private static string Bits(BigInteger number, int width) =>
        string.Concat(Enumerable.Range(0, width).Select(i => (number >> (width - 1 - i)).IsEven ? '0' : '1'));

    private static byte[] BitString(string bits)
    {
        string padded = bits.PadRight((bits.Length + 7) / 8 * 8, '0');
        byte[] bytes = [.. Enumerable.Range(0, padded.Length / 8).Select(i => Convert.ToByte(padded.Substring(i * 8, 8), 2))];
        return Tagged(0x03, [(byte)(padded.Length - bits.Length)], bytes);
    }
}
