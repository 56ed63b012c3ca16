using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// The two MACs at the end of an initiation or response (paper, section 5.4.4), and the keys that they and cookies are made with.
/// </summary>
internal static class HandshakeMacs
{
    /// <summary>Bytes of one MAC, and of a cookie.</summary>
    public const int Size = 16;

    /// <summary>The first MAC: shows that the sender knows the receiver's public key.</summary>
    public static Span<byte> Mac1(Span<byte> message) => message[^(2 * Size)..^Size];

    /// <summary>The second MAC: shows that the sender holds a cookie, so that its address is its own. Zero without one.</summary>
    public static Span<byte> Mac2(Span<byte> message) => message[^Size..];

    /// <summary>What the first MAC covers.</summary>
    public static ReadOnlySpan<byte> CoveredByMac1(ReadOnlySpan<byte> message) => message[..^(2 * Size)];

    /// <summary>What the second MAC covers.</summary>
    public static ReadOnlySpan<byte> CoveredByMac2(ReadOnlySpan<byte> message) => message[..^Size];

    /// <summary>The key of the first MAC of messages to the holder of <paramref name="receiver"/>.</summary>
    public static byte[] Mac1Key(PublicKey receiver) => LabelledKey("mac1----"u8, receiver);

    /// <summary>The key that the holder of <paramref name="sender"/> encrypts cookie replies with.</summary>
    public static byte[] CookieKey(PublicKey sender) => LabelledKey("cookie--"u8, sender);

    private static byte[] LabelledKey(ReadOnlySpan<byte> label, PublicKey publicKey)
    {
        var hash = new byte[Blake2s.HashSize];
        Span<byte> key = stackalloc byte[PublicKey.Size];
        publicKey.CopyTo(key);
        Blake2s.Hash(label, key, hash);
        return hash;
    }
}

/// <summary>
/// What a responder makes cookies of: a secret that changes every two minutes (paper, section 5.3). One thread at a time; zeroed on
/// disposal.
/// </summary>
internal sealed class CookieSecret(Timing timing, RandomBytes random) : IDisposable
{
    private readonly byte[] _secret = GC.AllocateArray<byte>(32, pinned: true);
    private Instant? _made;

    /// <summary>Whether a MAC is made with the cookie that this source has been given.</summary>
    /// <param name="now">The time.</param>
    /// <param name="covered">What the MAC covers.</param>
    /// <param name="mac">The MAC, 16 bytes.</param>
    /// <param name="source">Where the message came from.</param>
    public bool IsMacValid(Instant now, ReadOnlySpan<byte> covered, ReadOnlySpan<byte> mac, Endpoint source)
    {
        if (_made is not { } made || now - made >= timing.CookieLifetime)
            return false;
        Span<byte> cookie = stackalloc byte[HandshakeMacs.Size];
        Span<byte> expected = stackalloc byte[HandshakeMacs.Size];
        Compute(source, cookie);
        Blake2s.Mac(cookie, covered, expected);
        return CryptographicOperations.FixedTimeEquals(expected, mac);
    }

    /// <summary>Makes the cookie of a source.</summary>
    /// <param name="now">The time.</param>
    /// <param name="source">The source.</param>
    /// <param name="cookie">Receives the cookie, 16 bytes.</param>
    public void MakeCookie(Instant now, Endpoint source, Span<byte> cookie)
    {
        if (_made is not { } made || now - made >= timing.CookieLifetime)
        {
            random(_secret);
            _made = now;
        }
        Compute(source, cookie);
    }

    /// <summary>Zeroes the secret.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_secret);

    // The port belongs to the source: without it everybody behind one NAT address could use a neighbour's cookie.
    private void Compute(Endpoint source, Span<byte> cookie)
    {
        Span<byte> bytes = stackalloc byte[18];
        int length = source.Address.CopyTo(bytes);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(bytes[length..], source.Port);
        Blake2s.Mac(_secret, bytes[..(length + 2)], cookie);
    }
}

/// <summary>
/// The responder's side of cookies: judges the MACs of what arrives, and makes cookie replies (paper, sections 5.3 and 5.4.7). Owned by the
/// handshake thread.
/// </summary>
internal sealed class CookieIssuer(PublicKey own, Timing timing, RandomBytes random) : IDisposable
{
    private readonly byte[] _mac1Key = HandshakeMacs.Mac1Key(own);
    private readonly byte[] _cookieKey = HandshakeMacs.CookieKey(own);
    private readonly CookieSecret _secret = new(timing, random);

    /// <summary>Whether the first MAC is right.</summary>
    public bool IsMac1Valid(Span<byte> message)
    {
        Span<byte> expected = stackalloc byte[HandshakeMacs.Size];
        Blake2s.Mac(_mac1Key, HandshakeMacs.CoveredByMac1(message), expected);
        return CryptographicOperations.FixedTimeEquals(expected, HandshakeMacs.Mac1(message));
    }

    /// <summary>Whether the second MAC is made with the cookie that this source has been given.</summary>
    public bool IsMac2Valid(Instant now, Span<byte> message, Endpoint source) =>
        _secret.IsMacValid(now, HandshakeMacs.CoveredByMac2(message), HandshakeMacs.Mac2(message), source);

    /// <summary>Writes the cookie reply to <paramref name="message"/>, whose first MAC is valid, for its source.</summary>
    public void Reply(Instant now, Span<byte> message, uint receiver, Endpoint source, CookieReply reply)
    {
        Span<byte> cookie = stackalloc byte[HandshakeMacs.Size];
        _secret.MakeCookie(now, source, cookie);
        reply.Type = MessageType.CookieReply;
        reply.Receiver = receiver;
        random(reply.Nonce);
        XChaCha20Poly1305.Seal(_cookieKey, reply.Nonce, HandshakeMacs.Mac1(message), cookie, reply.Cookie);
    }

    /// <summary>Zeroes the secret.</summary>
    public void Dispose() => _secret.Dispose();
}

/// <summary>
/// The initiator's side of cookies: puts the MACs under messages to one peer, and keeps the cookie that the peer has given. Owned by the
/// handshake thread.
/// </summary>
internal sealed class CookieHolder(PublicKey peer, Timing timing) : IDisposable
{
    private readonly byte[] _mac1Key = HandshakeMacs.Mac1Key(peer);
    private readonly byte[] _cookieKey = HandshakeMacs.CookieKey(peer);
    private readonly byte[] _cookie = GC.AllocateArray<byte>(HandshakeMacs.Size, pinned: true);
    private readonly byte[] _lastMac1 = new byte[HandshakeMacs.Size];
    private Instant? _received;
    private bool _awaitsReply;

    /// <summary>Writes both MACs at the end of <paramref name="message"/>.</summary>
    public void Sign(Instant now, Span<byte> message)
    {
        Blake2s.Mac(_mac1Key, HandshakeMacs.CoveredByMac1(message), HandshakeMacs.Mac1(message));
        HandshakeMacs.Mac1(message).CopyTo(_lastMac1);
        _awaitsReply = true;
        if (_received is { } received && now - received < timing.CookieLifetime - timing.CookieLatency)
            Blake2s.Mac(_cookie, HandshakeMacs.CoveredByMac2(message), HandshakeMacs.Mac2(message));
        else
            HandshakeMacs.Mac2(message).Clear();
    }

    /// <summary>Takes the cookie from a reply to the last message signed; false when it is no such reply.</summary>
    public bool TryAccept(Instant now, CookieReply reply)
    {
        Span<byte> cookie = stackalloc byte[HandshakeMacs.Size];
        if (!_awaitsReply || !XChaCha20Poly1305.TryOpen(_cookieKey, reply.Nonce, _lastMac1, reply.Cookie, cookie))
            return false;
        cookie.CopyTo(_cookie);
        _received = now;
        _awaitsReply = false;
        return true;
    }

    /// <summary>Zeroes the cookie.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_cookie);
}
