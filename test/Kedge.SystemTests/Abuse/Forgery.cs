using System.Buffers.Binary;
using Kedge.Crypto;

namespace Kedge.SystemTests.Abuse;

/// <summary>
/// WireGuard messages as somebody writes them who knows the device's public key and nothing else (WireGuard paper, section 5.4).
/// </summary>
/// <param name="devicePublicKey">The device's public key in base64.</param>
internal sealed class Forgery(string devicePublicKey)
{
    public const int InitiationSize = 148, ResponseSize = 92, CookieReplySize = 64;

    private readonly byte[] _mac1Key = Hash("mac1----"u8, devicePublicKey);
    private readonly byte[] _cookieKey = Hash("cookie--"u8, devicePublicKey);

    /// <summary>A message of a type and a length, with random bytes behind the type.</summary>
    public static byte[] Junk(Random random, uint type, int length)
    {
        var message = new byte[length];
        random.NextBytes(message);
        BinaryPrimitives.WriteUInt32LittleEndian(message, type);
        return message;
    }

    /// <summary>A transport message for a session, with a random counter and random contents.</summary>
    public static byte[] Transport(Random random, uint receiver, int length)
    {
        byte[] message = Junk(random, 4, length);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4), receiver);
        return message;
    }

    /// <summary>An initiation whose first MAC is right, and whose second one is made with a cookie where there is one.</summary>
    public byte[] Initiation(Random random, uint sender, byte[]? cookie = null)
    {
        byte[] message = Junk(random, 1, InitiationSize);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4), sender);
        Blake2s.Mac(_mac1Key, message.AsSpan(0, 116), message.AsSpan(116, 16));
        message.AsSpan(132).Clear();
        if (cookie is not null)
            Blake2s.Mac(cookie, message.AsSpan(0, 132), message.AsSpan(132, 16));
        return message;
    }

    /// <summary>The cookie in the device's reply to <paramref name="initiation"/>; null where it is no reply to it.</summary>
    public byte[]? OpenCookie(ReadOnlySpan<byte> reply, ReadOnlySpan<byte> initiation)
    {
        var cookie = new byte[16];
        return reply.Length == CookieReplySize
            && reply.Slice(4, 4).SequenceEqual(initiation.Slice(4, 4))
            && XChaCha20Poly1305.TryOpen(_cookieKey, reply.Slice(8, 24), initiation.Slice(116, 16), reply[32..], cookie)
                ? cookie
                : null;
    }

    private static byte[] Hash(ReadOnlySpan<byte> label, string publicKey)
    {
        var hash = new byte[Blake2s.HashSize];
        Blake2s.Hash(label, Convert.FromBase64String(publicKey), hash);
        return hash;
    }
}
