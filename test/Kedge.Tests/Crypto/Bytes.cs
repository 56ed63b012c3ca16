namespace Kedge.Tests.Crypto;

/// <summary>Bytes to work on.</summary>
internal static class Bytes
{
    /// <summary>Bytes that count up, modulo 256.</summary>
    public static byte[] Ascending(int length, int first = 0) => [.. Enumerable.Range(first, length).Select(value => (byte)value)];

    /// <summary>Bytes that look random and are the same for the same seed.</summary>
    public static byte[] Random(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
