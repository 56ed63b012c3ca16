using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Rosenpass;

/// <summary>The MAC of a message: shows that its sender knows the receiver's public key.</summary>
internal static class Macs
{
    /// <summary>Writes the MAC, and a cookie of zeros.</summary>
    public static void Sign(Envelope message, KeyedHash hash, StaticPublicKey receiver)
    {
        Compute(message, hash, receiver, message.Mac);
        message.Cookie.Clear();
    }

    /// <summary>Whether the MAC is right.</summary>
    public static bool IsValid(Envelope message, KeyedHash hash, StaticPublicKey receiver)
    {
        Span<byte> expected = stackalloc byte[Envelope.MacSize];
        Compute(message, hash, receiver, expected);
        return CryptographicOperations.FixedTimeEquals(expected, message.Mac);
    }

    private static void Compute(Envelope message, KeyedHash hash, StaticPublicKey receiver, Span<byte> mac)
    {
        Span<byte> full = stackalloc byte[KeyedHashes.Size];
        hash.Compute(receiver.HashesUnder(hash).MacKey, message.CoveredByMac, full);
        full[..Envelope.MacSize].CopyTo(mac);
    }
}

/// <summary>Cookies, which are made with SHAKE256 in every dialect that has them.</summary>
internal static class Cookies
{
    /// <summary>Bytes of a cookie and of a message's proof of it.</summary>
    public const int Size = 16;

    /// <summary>The hash of cookies.</summary>
    public const KeyedHash Hash = KeyedHash.Shake256;

    private static readonly HashDomains Domains = HashDomains.Of(Hash);

    /// <summary>The cookie of a source under a secret.</summary>
    public static void MakeValue(ReadOnlySpan<byte> secret, Endpoint source, Span<byte> value)
    {
        // The port belongs to the source: without it everybody behind one NAT address could use a neighbour's cookie.
        Span<byte> bytes = stackalloc byte[18];
        int length = source.Address.CopyTo(bytes);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(bytes[length..], source.Port);
        Compute(Domains.CookieValue, secret, bytes[..(length + 2)], value);
    }

    /// <summary>The proof that the sender of a message has a cookie.</summary>
    public static void MakeProof(ReadOnlySpan<byte> value, Envelope message, Span<byte> proof) =>
        Compute(Domains.Cookie, value, message.CoveredByCookie, proof);

    private static void Compute(ReadOnlySpan<byte> domain, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> destination)
    {
        Span<byte> hash = stackalloc byte[KeyedHashes.Size];
        Hash.Compute(domain, key, hash);
        Hash.Compute(hash, data, hash);
        hash[..Size].CopyTo(destination);
        CryptographicOperations.ZeroMemory(hash);
    }
}

/// <summary>
/// The responder's side of cookies. A secret makes them for <see cref="RosenpassTiming.CookieEpoch"/>, and they are good for as long again.
/// One thread at a time; zeroed on disposal.
/// </summary>
internal sealed class CookieIssuer(StaticPublicKey own, RosenpassTiming timing, RandomBytes random) : IDisposable
{
    private readonly byte[] _secret = GC.AllocateArray<byte>(Cookies.Size, pinned: true);
    private readonly byte[] _previous = GC.AllocateArray<byte>(Cookies.Size, pinned: true);
    private Instant? _made;
    private bool _hasPrevious;

    /// <summary>Whether a message proves that its sender was given a cookie at this source.</summary>
    public bool IsValid(Instant now, Envelope message, Endpoint source)
    {
        if (_made is not { } made || now - made >= 2 * timing.CookieEpoch)
            return false;
        bool valid = IsValid(_secret, message, source);
        return valid || (_hasPrevious && now - made < timing.CookieEpoch && IsValid(_previous, message, source));
    }

    /// <summary>Writes the reply to an <see cref="InitHello"/>, without padding.</summary>
    public void Reply(Instant now, InitHello message, Endpoint source, CookieReply reply)
    {
        Renew(now);
        Span<byte> value = stackalloc byte[Cookies.Size];
        Cookies.MakeValue(_secret, source, value);
        reply.SetType();
        message.Sidi.CopyTo(reply.Sid);
        random(reply.Nonce);
        XChaCha20Poly1305.Seal(own.HashesUnder(Cookies.Hash).CookieKey, reply.Nonce, message.Envelope.Mac, value, reply.CookieEncrypted);
    }

    /// <summary>Zeroes the secrets.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_secret);
        CryptographicOperations.ZeroMemory(_previous);
        _made = null;
    }

    private static bool IsValid(ReadOnlySpan<byte> secret, Envelope message, Endpoint source)
    {
        Span<byte> value = stackalloc byte[Cookies.Size], proof = stackalloc byte[Cookies.Size];
        Cookies.MakeValue(secret, source, value);
        Cookies.MakeProof(value, message, proof);
        return CryptographicOperations.FixedTimeEquals(proof, message.Cookie);
    }

    private void Renew(Instant now)
    {
        if (_made is { } made && now - made < timing.CookieEpoch)
            return;
        _hasPrevious = _made is { } last && now - last < 2 * timing.CookieEpoch;
        _secret.CopyTo(_previous, 0);
        random(_secret);
        _made = now;
    }
}
