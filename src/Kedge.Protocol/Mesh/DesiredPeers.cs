using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Protocol.Mesh;

/// <summary>A peer as a device should have it.</summary>
/// <param name="Key">Its WireGuard key.</param>
/// <param name="AllowedIps">Exactly the prefixes that are its own.</param>
/// <param name="PersistentKeepalive">Seconds between keepalives; 0 for none.</param>
/// <param name="Endpoint">Where it is to be reached from now on; null where the device's own knowledge stays.</param>
public sealed record DesiredPeer(PublicKey Key, IReadOnlyCollection<IpPrefix> AllowedIps, ushort PersistentKeepalive, Endpoint? Endpoint = null)
{
    /// <summary>Where it tells that it can be reached, to be handed to the device; null if the device has it, or is not to look for it.</summary>
    public IReadOnlyList<PeerEndpoint>? Candidates { get; init; }

    /// <summary>Whether it may pass on what is for this device: its certificate says so.</summary>
    public bool MayRelay { get; init; }
}

/// <summary>
/// What must be changed of a device so that it has the peers that it should have. Only differences: a peer that is right is not mentioned,
/// so its session, its endpoint and its queued packets are left alone.
/// </summary>
public static class DesiredPeers
{
    /// <summary>Compares all peers. Those of the device that are not desired go first, so that a prefix is never at two peers.</summary>
    /// <param name="present">What the device has.</param>
    /// <param name="desired">What it should have, each key once.</param>
    /// <returns>The change; null where there is nothing to change.</returns>
    public static DeviceChange? Difference(IEnumerable<PeerStatus> present, IEnumerable<DesiredPeer> desired)
    {
        Dictionary<PublicKey, PeerStatus> has = present.ToDictionary(peer => peer.PublicKey);
        var change = new DeviceChange();
        DesiredPeer[] wanted = [.. desired];
        foreach (PublicKey gone in has.Keys.Except(wanted.Select(peer => peer.Key)))
            change.Peers.Add(new PeerChange(gone) { Remove = true });
        foreach (DesiredPeer peer in wanted)
            if (Difference(has.GetValueOrDefault(peer.Key), peer) is { } peerChange)
                change.Peers.Add(peerChange);
        return change.Peers.Count == 0 ? null : change;
    }

    /// <summary>Compares one peer.</summary>
    /// <param name="present">What the device has of it; null where it does not have it.</param>
    /// <param name="desired">What it should have.</param>
    /// <returns>The change; null where there is nothing to change.</returns>
    public static PeerChange? Difference(PeerStatus? present, DesiredPeer desired)
    {
        var change = new PeerChange(desired.Key);
        bool differs = present is null;
        if (desired.Endpoint is { } endpoint && endpoint != present?.Endpoint)
        {
            change.Endpoint = endpoint;
            differs = true;
        }
        if (desired.Candidates is { } candidates)
        {
            change.Candidates = candidates;
            differs = true;
        }
        if (desired.MayRelay != (present?.MayRelay ?? false))
        {
            change.MayRelay = desired.MayRelay;
            differs = true;
        }
        if (desired.PersistentKeepalive != (present?.PersistentKeepaliveInterval ?? 0))
        {
            change.PersistentKeepaliveInterval = desired.PersistentKeepalive;
            differs = true;
        }
        IEnumerable<IpPrefix> has = present?.AllowedIps ?? [];
        foreach (IpPrefix prefix in has.Except(desired.AllowedIps))
            change.AllowedIps.Add(new AllowedIpChange(prefix, Remove: true));
        foreach (IpPrefix prefix in desired.AllowedIps.Except(has))
            change.AllowedIps.Add(new AllowedIpChange(prefix, Remove: false));
        return differs || change.AllowedIps.Count > 0 ? change : null;
    }
}
