using Kedge.Protocol;

namespace Kedge.Node.KeyExchange;

/// <summary>A peer of a WireGuard interface, which is made with its PSK where it does not exist: it has none without.</summary>
public interface IWireGuardPeer
{
    /// <summary>Sets the PSK, and whatever else is known of the peer. One thread at a time; it may block for seconds.</summary>
    /// <param name="key">The PSK, 32 bytes; stays the caller's.</param>
    /// <exception cref="UserError">It cannot be set now; it may be tried again.</exception>
    void SetPresharedKey(ReadOnlySpan<byte> key);
}
