using Kedge.Crypto;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Fuzz.Rosenpass;

/// <summary>
/// What an attacker who sees everything can do to a message: change it, cut it, take it for another, and make its MAC right again.
/// </summary>
internal static class Forgery
{
    // Behind the MAC is the cookie, of the same size.
    private const int MacSize = 16, HeaderSize = 4, TrailerSize = 2 * MacSize;

    private const byte FirstType = 0x81, Types = 6;

    // The domain "mac" of each version of the protocol.
    private static readonly byte[] Blake2bDomain =
        Convert.FromHexString("8779e72b17ae66d7e46d93dc16c3b3c4491e54e1c79b0d8bebb8f2817f297e4b");
    private static readonly byte[] Shake256Domain =
        Convert.FromHexString("28015878ab6cacf337cd0d114885b7b22e137599b7ce5e36f410a3d2bea28739");

    /// <summary>A copy changed as the next few bytes of an input say. It may come out unchanged.</summary>
    public static byte[] Change(ReadOnlySpan<byte> message, ref Input reader, KeyedHash hash, StaticPublicKey receiver)
    {
        List<byte> bytes = [.. message];
        byte how = reader.Byte();
        for (int i = 0; i <= (how & 3); i++)
            bytes[(int)reader.Number(2) % bytes.Count] ^= reader.Byte();
        if ((how & 0x30) == 0x30)
            bytes.RemoveRange(0, (int)reader.Number(2) % bytes.Count);
        if ((how & 0x40) != 0)
            bytes[0] = (byte)(FirstType + (how % Types));
        byte[] changed = [.. bytes];
        if ((how & 0x80) != 0)
            Sign(changed, hash, receiver);
        return changed;
    }

    /// <summary>
    /// Whether a message says the same as another where that is authentic: all but the reserved bytes, the MAC and the cookie.
    /// </summary>
    public static bool IsEquivalent(ReadOnlySpan<byte> message, ReadOnlySpan<byte> original) =>
        message.Length == original.Length
        && message[0] == original[0]
        && message[HeaderSize..^TrailerSize].SequenceEqual(original[HeaderSize..^TrailerSize]);

    private static void Sign(Span<byte> message, KeyedHash hash, StaticPublicKey receiver)
    {
        if (message.Length < TrailerSize)
            return;
        byte[] key = Hash(hash, hash == KeyedHash.Blake2b ? Blake2bDomain : Shake256Domain, receiver.Bytes);
        Hash(hash, key, message[..^TrailerSize]).AsSpan(0, MacSize).CopyTo(message[^TrailerSize..]);
    }

    private static byte[] Hash(KeyedHash hash, byte[] key, ReadOnlySpan<byte> data)
    {
        byte[] digest = new byte[32];
        if (hash == KeyedHash.Shake256)
        {
            Sha3.Shake256(key, data, digest);
            return digest;
        }
        Blake2b.Keyed([.. key.Select(one => (byte)(one ^ 0x36))], data, digest);
        Blake2b.Keyed([.. key.Select(one => (byte)(one ^ 0x5C))], digest, digest);
        return digest;
    }
}
