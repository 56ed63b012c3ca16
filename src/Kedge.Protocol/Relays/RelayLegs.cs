using System.Collections.Concurrent;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Relays;

/// <summary>What this device receives by relays: each channel's <see cref="RelayLeg"/>. Any thread.</summary>
public sealed class RelayLegs
{
    private readonly ConcurrentDictionary<uint, RelayLeg> _legs = new();

    /// <summary>The leg of a channel; null if there is none. Allocates nothing.</summary>
    public RelayLeg? Find(uint channel) => _legs.GetValueOrDefault(channel);

    /// <summary>Receives by a leg from now on.</summary>
    /// <returns>False if another leg has its channel.</returns>
    public bool TryAdd(RelayLeg leg) => _legs.GetOrAdd(leg.In, leg) == leg;

    /// <summary>Receives by a leg no more.</summary>
    public void Remove(RelayLeg leg) => _legs.TryRemove(KeyValuePair.Create(leg.In, leg));
}
