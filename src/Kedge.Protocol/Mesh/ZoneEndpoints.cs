using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;

namespace Kedge.Protocol.Mesh;

/// <summary>
/// Where this node stands, and where it tries each of its peers. One thread at a time.
/// </summary>
/// <param name="sessionLifetime">REJECT_AFTER_TIME of the device.</param>
public sealed class ZoneEndpoints(TimeSpan sessionLifetime)
{
    /// <summary>
    /// Seconds between keepalives behind a NAT: shorter than any NAT forgets (RFC 4787 section 4.3 allows two minutes, many take 30 s).
    /// </summary>
    public const ushort KeepaliveBehindNat = 25;

    private readonly Dictionary<PublicKey, (PeerEndpoint[] Offered, PeerEndpoints Choice)> _peers = [];

    /// <summary>Where this node stands.</summary>
    public Vantage Vantage { get; private set; } = new();

    /// <summary>Seconds between keepalives to each peer; 0 for none.</summary>
    public ushort PersistentKeepalive => Vantage.IsBehindNat ? KeepaliveBehindNat : (ushort)0;

    /// <summary>Where any peer may be reached.</summary>
    public IEnumerable<Endpoint> Candidates => _peers.Values.SelectMany(peer => peer.Choice.Candidates);

    /// <summary>Where a peer may be reached, best first.</summary>
    public IReadOnlyList<Endpoint> CandidatesOf(PublicKey key) => _peers.TryGetValue(key, out var peer) ? peer.Choice.Candidates : [];

    /// <summary>Sets where this node stands: other endpoints of the peers may be better from now on.</summary>
    public void MoveTo(Vantage vantage)
    {
        Vantage = vantage;
        foreach ((PeerEndpoint[] offered, PeerEndpoints choice) in _peers.Values)
            choice.Offer(vantage.Order(offered));
    }

    /// <summary>Sets where a peer can be reached, as others say.</summary>
    public void Offer(PublicKey key, IEnumerable<PeerEndpoint> endpoints)
    {
        PeerEndpoint[] offered = [.. endpoints];
        PeerEndpoints choice = _peers.TryGetValue(key, out var peer) ? peer.Choice : new PeerEndpoints();
        choice.Offer(Vantage.Order(offered));
        _peers[key] = (offered, choice);
    }

    /// <summary>Forgets a peer that is gone.</summary>
    public void Remove(PublicKey key) => _peers.Remove(key);

    /// <summary>Chooses where the device is to reach a peer.</summary>
    /// <param name="key">The peer.</param>
    /// <param name="seen">What the device shows of it; null if it does not have the peer yet.</param>
    /// <param name="now">The present.</param>
    /// <param name="wallClock">The present by the clock of the device's handshakes.</param>
    /// <returns>The endpoint to set; null to leave what the device has.</returns>
    public Endpoint? Choose(PublicKey key, PeerStatus? seen, Instant now, DateTimeOffset wallClock) =>
        _peers.TryGetValue(key, out var peer)
            ? peer.Choice.Choose(
                seen is null
                    ? default
                    : new PeerObservation(
                        seen.Endpoint, seen.LastHandshake is { } last ? wallClock - last : null, seen.SentBytes, seen.ReceivedBytes),
                now,
                sessionLifetime)
            : null;
}
