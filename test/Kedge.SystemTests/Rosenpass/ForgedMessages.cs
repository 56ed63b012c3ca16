using System.Buffers.Binary;
using Kedge.Crypto;

namespace Kedge.SystemTests.Rosenpass;

/// <summary>
/// Messages of Rosenpass as somebody writes them who knows an end's public key and nothing else: what a message begins with, random bytes,
/// and a MAC, the first half of H(H("mac", public key), message). Protocol version V02, that of all releases.
/// </summary>
/// <param name="publicKey">The end's public key.</param>
internal sealed class ForgedMessages(byte[] publicKey)
{
    public const byte InitHello = 0x81, RespHello = 0x82, InitConf = 0x83, EmptyData = 0x84, CookieReply = 0x86;

    /// <summary>Sizes in bytes, as releases have them.</summary>
    public const int InitHelloSize = 1092, RespHelloSize = 1132, InitConfSize = 176, EmptyDataSize = 64;

    private const int MacSize = 16, CookieSize = 16;

    private static readonly byte[] MacDomain = Convert.FromHexString("8779e72b17ae66d7e46d93dc16c3b3c4491e54e1c79b0d8bebb8f2817f297e4b");

    private readonly byte[] _macKey = Hash(MacDomain, publicKey);

    /// <summary>A message of a type and a size, with random bytes behind its header, the MAC among them.</summary>
    public static byte[] Junk(Random random, byte type, int size)
    {
        byte[] message = new byte[size];
        random.NextBytes(message);
        if (size >= sizeof(uint))
            BinaryPrimitives.WriteUInt32LittleEndian(message, type);
        return message;
    }

    /// <summary>A message as <see cref="Junk"/> makes it, with the right MAC.</summary>
    public byte[] Signed(Random random, byte type, int size)
    {
        byte[] message = Junk(random, type, size);
        int signed = size - MacSize - CookieSize;
        Hash(_macKey, message.AsSpan(0, signed)).AsSpan(0, MacSize).CopyTo(message.AsSpan(signed));
        return message;
    }

    // BLAKE2b over the data, keyed with one variation of the key, and over the result, keyed with another.
    private static byte[] Hash(byte[] key, ReadOnlySpan<byte> data)
    {
        byte[] inner = new byte[32], outer = new byte[32];
        Blake2b.Keyed([.. key.Select(one => (byte)(one ^ 0x36))], data, inner);
        Blake2b.Keyed([.. key.Select(one => (byte)(one ^ 0x5C))], inner, outer);
        return outer;
    }
}
