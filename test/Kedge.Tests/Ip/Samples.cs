using System.Text;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.Ip;

/// <summary>Random values for tests. The seed is the test's argument, so that the name of a failed test tells it.</summary>
internal static class Samples
{
    /// <summary>An address of either family; IPv6 ones have runs of zero groups as real ones do.</summary>
    public static IpAddress Address(Random random)
    {
        byte[] bytes = new byte[random.Next(2) == 0 ? 4 : 16];
        random.NextBytes(bytes);
        for (int i = 0; i + 1 < bytes.Length && bytes.Length == 16; i += 2)
        {
            if (random.Next(2) == 0)
                bytes[i] = bytes[i + 1] = 0;
        }
        return IpAddress.FromBytes(bytes);
    }

    /// <summary>An address of the same family that shares a random number of leading bits.</summary>
    public static IpAddress AddressNear(Random random, IpAddress address)
    {
        byte[] bytes = address.ToIPAddress().GetAddressBytes();
        int index = random.Next(bytes.Length * 8 + 1);
        if (index == bytes.Length * 8)
            return address;
        bytes[index / 8] ^= (byte)(0x80 >> (index % 8));
        if (random.Next(2) == 0)
            random.NextBytes(bytes.AsSpan(index / 8 + 1));
        return IpAddress.FromBytes(bytes);
    }

    /// <summary>The text with up to two characters inserted, removed, replaced or doubled.</summary>
    public static string Damaged(Random random, string text, string alphabet)
    {
        var damaged = new StringBuilder(text);
        for (int edits = random.Next(3); edits > 0; edits--)
        {
            int at = random.Next(damaged.Length + 1);
            char c = alphabet[random.Next(alphabet.Length)];
            if (at == damaged.Length || random.Next(3) == 0)
                damaged.Insert(at, c);
            else if (random.Next(2) == 0)
                damaged[at] = c;
            else
                damaged.Remove(at, 1);
        }
        return damaged.ToString();
    }
}
