using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Rosenpass;

/// <summary>What an end is told about a peer.</summary>
/// <param name="PublicKey">The peer's static key.</param>
/// <param name="Dialect">What the peer speaks.</param>
public sealed record RosenpassPeerSettings(StaticPublicKey PublicKey, RosenpassDialect Dialect)
{
    /// <summary>A secret that both ends have beforehand, 32 bytes; empty for none. The peer copies it.</summary>
    public ReadOnlyMemory<byte> PresharedKey { get; init; }

    /// <summary>Where the peer is at first; none when it has to come to us.</summary>
    public Endpoint Endpoint { get; init; }

    /// <summary>
    /// What the output key is for: an organization's domain name, then labels of its own. Empty for WireGuard's PSK, which is what all
    /// released versions make. Both ends must agree.
    /// </summary>
    public IReadOnlyList<string> OutputKeyLabels { get; init; } = [];
}
