using Kedge.Crypto;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard;

/// <summary>
/// What an attacker who sees everything can do to a datagram: change it, cut it, lengthen it, and make its first MAC right again.
/// </summary>
internal static class Forgery
{
    /// <summary>A copy changed as the next few bytes of an input say. It may come out unchanged.</summary>
    public static byte[] Change(ReadOnlySpan<byte> datagram, ref Input reader, PublicKey receiver)
    {
        List<byte> bytes = [.. datagram];
        byte how = reader.Byte();
        for (int i = 0; i <= (how & 3) && bytes.Count > 0; i++)
        {
            int at = reader.Byte() % bytes.Count;
            bytes[at] ^= reader.Byte();
        }
        if ((how & 0x30) == 0x30)
        {
            int length = reader.Byte();
            if (length < bytes.Count)
                bytes.RemoveRange(length, bytes.Count - length);
            else
                bytes.AddRange(new byte[length - bytes.Count]);
        }
        byte[] changed = [.. bytes];
        if ((how & 0x40) != 0)
            Sign(changed, receiver);
        return changed;
    }

    /// <summary>Makes the first MAC of a handshake message right: everybody who knows the receiver's public key can.</summary>
    public static void Sign(Span<byte> message, PublicKey receiver)
    {
        if (message.Length is not (HandshakeInitiation.Size or HandshakeResponse.Size))
            return;
        Span<byte> key = stackalloc byte[Blake2s.HashSize];
        Blake2s.Hash([.. "mac1----"u8, .. receiver.ToArray()], key);
        Blake2s.Mac(key, message[..^32], message[^32..^16]);
    }

    /// <summary>
    /// Whether an initiation or response says the same as the original where it is authenticated: all but type, sender's index and MACs.
    /// </summary>
    public static bool IsEquivalent(ReadOnlySpan<byte> message, ReadOnlySpan<byte> original) =>
        message.Length == original.Length && message[..4].SequenceEqual(original[..4]) && message[8..^32].SequenceEqual(original[8..^32]);
}
