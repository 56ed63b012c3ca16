using Kedge.Crypto;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Knock;

/// <summary>
/// The cookies by which those who knock prove their address while there is much to do: made, read, and looked for. One thread at a time;
/// zeroed on disposal.
/// </summary>
/// <param name="random">Bytes that nobody can predict.</param>
internal sealed class KnockCookies(RandomBytes random) : IDisposable
{
    private const int NonceOffset = 8;
    private const int CiphertextOffset = NonceOffset + XChaCha20Poly1305.NonceSize;

    private readonly CookieSecret _secret = new(Timing.Default, random);

    /// <summary>Reads the cookie in an answer.</summary>
    /// <param name="credentials">The network's.</param>
    /// <param name="datagram">The answer, 64 bytes.</param>
    /// <param name="tag">The tag of the message that it should answer.</param>
    /// <param name="cookie">Receives the cookie, 16 bytes.</param>
    /// <returns>Whether it answers that message.</returns>
    public static bool TryRead(KnockCredentials credentials, ReadOnlySpan<byte> datagram, ReadOnlySpan<byte> tag, Span<byte> cookie) =>
        XChaCha20Poly1305.TryOpen(
            credentials.CookieKey, datagram[NonceOffset..CiphertextOffset], tag, datagram[CiphertextOffset..], cookie);

    /// <summary>Whether a message bears the MAC of the cookie that its source has been given.</summary>
    public bool IsProven(Instant now, Span<byte> message, Endpoint source) =>
        _secret.IsMacValid(now, KnockMessage.CoveredByMac(message), KnockMessage.MacOf(message), source);

    /// <summary>Writes the answer that has a source's cookie.</summary>
    /// <param name="now">The time.</param>
    /// <param name="credentials">The network's.</param>
    /// <param name="message">The message that is answered.</param>
    /// <param name="source">Where that came from.</param>
    /// <param name="answer">Receives 64 bytes.</param>
    /// <returns>Bytes written.</returns>
    public int Write(Instant now, KnockCredentials credentials, Span<byte> message, Endpoint source, Span<byte> answer)
    {
        Span<byte> cookie = stackalloc byte[KnockMessage.MacSize];
        _secret.MakeCookie(now, source, cookie);
        answer = answer[..KnockMessage.CookieSize];
        KnockMessage.WriteHeader(answer, Datagram.KnockCookie, KnockMessage.SenderOf(message));
        Span<byte> nonce = answer[NonceOffset..CiphertextOffset];
        random(nonce);
        XChaCha20Poly1305.Seal(credentials.CookieKey, nonce, KnockMessage.TagOf(message), cookie, answer[CiphertextOffset..]);
        return answer.Length;
    }

    /// <inheritdoc/>
    public void Dispose() => _secret.Dispose();
}
