using Kedge.Protocol;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.KeyExchange;

/// <summary>A peer of a WireGuard interface, which is made with its PSK where it does not exist.</summary>
public interface IWireGuardPeer
{
    /// <summary>The interface.</summary>
    string Interface { get; }

    /// <summary>The peer's public key.</summary>
    PublicKey PublicKey { get; }

    /// <summary>
    /// Sets the PSK and nothing else, before the first exchange: no packet passes with a key that nobody else has, and no handshake begins
    /// with a peer whose endpoint is not known. One thread at a time; it may block for seconds.
    /// </summary>
    /// <inheritdoc cref="SetPresharedKey" path="/param|/exception"/>
    void SetPresharedKeyAlone(ReadOnlySpan<byte> key);

    /// <summary>Sets the PSK, and whatever else is known of the peer. One thread at a time; it may block for seconds.</summary>
    /// <param name="key">The PSK, 32 bytes; stays the caller's.</param>
    /// <exception cref="UserError">It cannot be set now; it may be tried again.</exception>
    void SetPresharedKey(ReadOnlySpan<byte> key);
}
