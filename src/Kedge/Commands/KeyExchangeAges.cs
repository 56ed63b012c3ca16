using Kedge.Commands.Node;
using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.WireGuard;

namespace Kedge.Commands;

/// <summary>How long ago keys were exchanged with the peers of an interface.</summary>
/// <param name="exchanges">When that was, by the boot clock; null as a value for not yet.</param>
/// <param name="now">The boot clock.</param>
public sealed class KeyExchangeAges(IReadOnlyDictionary<PublicKey, Instant?> exchanges, Instant now)
{
    /// <summary>No keys are exchanged.</summary>
    public static KeyExchangeAges None { get; } = new(new Dictionary<PublicKey, Instant?>(), default);

    /// <summary>The peers that keys are exchanged with.</summary>
    public IEnumerable<PublicKey> Peers => exchanges.Keys;

    /// <summary>Whether keys are exchanged with a peer.</summary>
    public bool Contains(PublicKey peer) => exchanges.ContainsKey(peer);

    /// <summary>How long ago the last exchange with a peer was; null where there was none.</summary>
    public TimeSpan? Of(PublicKey peer) => exchanges.GetValueOrDefault(peer) is { } last ? now - last : null;

    /// <summary>Reads what the processes that exchange keys have recorded.</summary>
    /// <exception cref="UserError">It may not be read.</exception>
    internal static KeyExchangeAges Read(NodePlace place) => new(place.Exchanges.Read(), BootClock.Now);
}
