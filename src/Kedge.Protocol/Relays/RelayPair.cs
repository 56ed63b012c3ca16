using System.Threading;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Relays;

/// <summary>Two peers between which a relay passes datagrams on, in both directions and with one budget.</summary>
internal sealed class RelayPair
{
    /// <summary>The budget, under <see cref="Lock"/>.</summary>
    public ByteBudget Budget;

    /// <summary>Two peers with new channels.</summary>
    public RelayPair(RelaySwitch relay, RelayAccount first, uint firstNumber, RelayAccount second, uint secondNumber) => Channels =
    [
        new RelayChannel(relay, this, firstNumber, first, second),
        new RelayChannel(relay, this, secondNumber, second, first),
    ];

    /// <summary>Guards what both directions have in common, and what each remembers.</summary>
    public Lock Lock { get; } = new();

    /// <summary>Both directions.</summary>
    public IReadOnlyList<RelayChannel> Channels { get; }

    /// <summary>When a datagram was last passed on, or the pair was asked for.</summary>
    public Instant LastUse { get; set; }

    /// <summary>The direction from a peer, which is one of the two.</summary>
    public RelayChannel From(PeerTunnel peer) => Channels[0].From == peer ? Channels[0] : Channels[1];
}
