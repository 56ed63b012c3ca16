using System.Security.Cryptography;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Node.KeyExchange;

/// <summary>What a <see cref="KeyExchange"/> is to do, with all files read.</summary>
/// <param name="Keys">The own key pair, which the exchange disposes.</param>
/// <param name="Listen">Where it receives; empty for any address and a port of the kernel's choice.</param>
/// <param name="Peers">With whom keys are exchanged; each has another public key.</param>
public sealed record KeyExchangeSettings(StaticKeyPair Keys, IReadOnlyList<Endpoint> Listen, IReadOnlyList<KeyExchangePeer> Peers)
{
    /// <summary>The protocol's times, or a test's.</summary>
    public RosenpassTiming Timing { get; init; } = RosenpassTiming.Default;

    /// <summary>Where it keeps, for <c>kedge status</c>, when keys were last exchanged; null for nowhere. See <see cref="ExchangeFolder"/>.</summary>
    public string? RunDirectory { get; init; }
}

/// <summary>One peer, and where its output keys go. Compared by reference.</summary>
public sealed class KeyExchangePeer
{
    private readonly byte[] _presharedKey;

    /// <summary>A peer whose output key goes nowhere.</summary>
    /// <param name="settings">What the protocol is told about it, but for its endpoint and the PSK.</param>
    /// <param name="presharedKey">The secret that both ends have beforehand, 32 bytes, or empty for none; becomes this object's.</param>
    public KeyExchangePeer(RosenpassPeerSettings settings, byte[] presharedKey)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _presharedKey = presharedKey;
        Settings = settings with { PresharedKey = presharedKey };
        Id = settings.PublicKey.IdUnder(settings.Dialect.Hash);
    }

    /// <summary>What the protocol is told about it, but for its endpoint.</summary>
    public RosenpassPeerSettings Settings { get; }

    /// <summary>Its name, by which output keys are told.</summary>
    public PeerId Id { get; }

    /// <summary>Where it is; null when it has to come to us.</summary>
    public EndpointName? Endpoint { get; init; }

    /// <summary>The file that its output key is written to; null for none.</summary>
    public string? KeyFile { get; init; }

    /// <summary>The WireGuard peer whose PSK its output key becomes; null for none.</summary>
    public IWireGuardPeer? WireGuard { get; init; }

    /// <summary>The program to be run after each exchange, and its arguments; empty for none.</summary>
    public IReadOnlyList<string> ExchangeCommand { get; init; } = [];

    /// <summary>Whether its output key goes anywhere.</summary>
    public bool HasDestination => KeyFile is not null || WireGuard is not null || ExchangeCommand.Count > 0;

    /// <summary>Zeroes the PSK, once the exchange has copied it.</summary>
    internal void ZeroPresharedKey() => CryptographicOperations.ZeroMemory(_presharedKey);
}
