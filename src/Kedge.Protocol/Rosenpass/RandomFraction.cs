using System.Buffers.Binary;

namespace Kedge.Protocol.Rosenpass;

/// <summary>Random numbers out of random bytes.</summary>
internal static class RandomFraction
{
    /// <summary>A number from 0, inclusive, to 1, exclusive.</summary>
    public static double NextFraction(this RandomBytes random) => random.NextUInt32() / (uint.MaxValue + 1.0);

    /// <summary>Any number of 32 bits.</summary>
    public static uint NextUInt32(this RandomBytes random)
    {
        Span<byte> bytes = stackalloc byte[4];
        random(bytes);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }
}
