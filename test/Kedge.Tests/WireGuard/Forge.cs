using Kedge.Crypto;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>
/// What somebody can do who knows public keys and what was on the wire. Written from the paper, section 5.4.4, not from the device.
/// </summary>
internal static class Forge
{
    private const int MacSize = 16;

    /// <summary>A copy of a handshake message with another byte at one place, and a first MAC that is right again.</summary>
    public static byte[] Altered(byte[] message, int index, PublicKey receiver)
    {
        byte[] altered = [.. message];
        altered[index] ^= 0x40;
        WriteMac1(altered, receiver);
        return altered;
    }

    /// <summary>Writes msg.mac1 = Mac(Hash("mac1----" || Spub), everything before it).</summary>
    public static void WriteMac1(Span<byte> message, PublicKey receiver) =>
        Blake2s.Mac(Hash("mac1----"u8, receiver), message[..^(2 * MacSize)], message[^(2 * MacSize)..^MacSize]);

    /// <summary>Writes msg.mac2 = Mac(cookie, everything before it).</summary>
    public static void WriteMac2(Span<byte> message, ReadOnlySpan<byte> cookie) => Blake2s.Mac(cookie, message[..^MacSize], message[^MacSize..]);

    /// <summary>Reads the cookie in a reply to <paramref name="message"/>, as whoever has sent that can: section 5.4.7.</summary>
    public static byte[] ReadCookie(byte[] reply, byte[] message, PublicKey sender)
    {
        var cookie = new byte[MacSize];
        Assert.True(
            XChaCha20Poly1305.TryOpen(Hash("cookie--"u8, sender), reply.AsSpan(8, 24), message.AsSpan()[^(2 * MacSize)..^MacSize], reply.AsSpan(32), cookie),
            "The cookie reply does not decrypt.");
        return cookie;
    }

    /// <summary>An initiation that only its first MAC is right of: what a flood is made of.</summary>
    public static byte[] Initiation(Random random, PublicKey receiver)
    {
        var message = new byte[HandshakeInitiation.Size];
        random.NextBytes(message);
        message.AsSpan(0, 4).Clear();
        message[0] = 1;
        message.AsSpan()[^MacSize..].Clear();
        WriteMac1(message, receiver);
        return message;
    }

    private static byte[] Hash(ReadOnlySpan<byte> label, PublicKey key)
    {
        var hash = new byte[Blake2s.HashSize];
        Blake2s.Hash(label, key.ToArray(), hash);
        return hash;
    }
}
