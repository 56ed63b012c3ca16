using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// One peer of a <see cref="RosenpassExchange"/>: where it is, how old its key is, and the handshake under way. Owned by the exchange's
/// thread, but for <see cref="Keys"/>.
/// </summary>
public sealed class RosenpassPeer
{
    private readonly RosenpassTiming _timing;
    private readonly bool _isFirst;
    private Endpoint _lastSource;

    internal RosenpassPeer(RosenpassPeerSettings settings, PeerId own, RosenpassTiming timing)
    {
        _timing = timing;
        Keys = new PeerKeys(settings);
        Id = settings.PublicKey.IdUnder(settings.Dialect.Hash);
        ConfiguredEndpoint = settings.Endpoint;
        _isFirst = own.IsBefore(Id);
    }

    /// <summary>The peer's name, under the hash of its dialect.</summary>
    public PeerId Id { get; }

    /// <summary>What the peer speaks.</summary>
    public RosenpassDialect Dialect => Keys.Dialect;

    /// <summary>Where the peer is said to be; none when it has to come to us.</summary>
    public Endpoint ConfiguredEndpoint { get; internal set; }

    /// <summary>Where the last exchange was finished with, and otherwise <see cref="ConfiguredEndpoint"/>.</summary>
    public Endpoint Endpoint => _lastSource.IsNone ? ConfiguredEndpoint : _lastSource;

    /// <summary>When the key in force was exchanged; null when there is none, or it has become stale.</summary>
    public Instant? Exchanged { get; private set; }

    /// <summary>Whether this end was the initiator of the key in force.</summary>
    public bool IsInitiator { get; private set; }

    /// <summary>Whether the peer was removed; its jobs still come back.</summary>
    internal bool IsRemoved { get; private set; }

    internal PeerKeys Keys { get; }

    /// <summary>The handshake of which this end is the initiator.</summary>
    internal InitiatorHandshake? Handshake { get; set; }

    /// <summary>Whether a job starts a handshake.</summary>
    internal bool IsStarting { get; set; }

    /// <summary>From when on a new handshake may start.</summary>
    internal Instant RekeyAt { get; private set; } = new(long.MinValue);

    /// <summary>Biscuits up to this number finish no handshake any more.</summary>
    internal UInt128 BiscuitUsed { get; set; }

    /// <summary>What the last handshake of which this end was the responder is confirmed with.</summary>
    internal Confirmation? Confirmation { get; private set; }

    /// <summary>When a key becomes stale.</summary>
    internal Instant StaleAt => Exchanged is { } exchanged ? exchanged + _timing.RejectAfterTime : Instant.Never;

    /// <summary>When the handshake is given up.</summary>
    internal Instant GiveUpAt => Handshake is { } handshake ? handshake.Started + _timing.HandshakeLifetime : Instant.Never;

    /// <summary>When the last message is sent again.</summary>
    internal Instant RetransmitAt => Handshake is { } handshake && !Endpoint.IsNone ? handshake.RetransmitAt : Instant.Never;

    /// <summary>
    /// When a handshake is to be started. One that only waits for its confirmation is in nobody's way: if it still waits when the next is due,
    /// the other end has lost it.
    /// </summary>
    internal Instant StartAt =>
        IsStarting || Endpoint.IsNone || Handshake is { AwaitsEmptyData: false } ? Instant.Never : RekeyAt;

    /// <summary>
    /// Where the next transmission goes. While there is no key, the address that last worked and the configured one take turns.
    /// </summary>
    internal Endpoint NextDestination =>
        Exchanged is null && !ConfiguredEndpoint.IsNone && Handshake is { Transmissions: var sent } && sent % 2 == 1
            ? ConfiguredEndpoint
            : Endpoint;

    /// <summary>Takes note of an exchange that this end has finished.</summary>
    /// <param name="now">The time.</param>
    /// <param name="source">Where the message that finished it came from.</param>
    /// <param name="isInitiator">This end's role.</param>
    /// <param name="jitter">Added to the time of the next.</param>
    internal void FinishExchange(Instant now, Endpoint source, bool isInitiator, TimeSpan jitter)
    {
        Exchanged = now;
        IsInitiator = isInitiator;
        RekeyAt = now + jitter + (isInitiator ? _timing.RekeyAfterTimeInitiator : _timing.RekeyAfterTimeResponder);
        _lastSource = source;
    }

    /// <summary>
    /// Whether the other end's handshake is to be refused, because ours was under way at the same time. Both ends would otherwise take the
    /// other's last, each after its own, and be left with different keys. The end with the smaller id has its way, but not for long: an end
    /// that has restarted knows nothing of our handshake.
    /// </summary>
    internal bool HasPrecedence(Instant now) =>
        _isFirst && Handshake is { AwaitsEmptyData: true } && Exchanged is { } exchanged && now - exchanged < _timing.PrecedenceTime;

    /// <summary>
    /// Voids the biscuits given out so far: with precedence, an <see cref="InitConf"/> still under way must not undo our handshake.
    /// </summary>
    internal void VoidBiscuits(UInt128 lastBiscuitNo)
    {
        if (_isFirst)
            BiscuitUsed = lastBiscuitNo;
    }

    /// <summary>Keeps what the peer's handshake is confirmed with, in place of what was kept of the last.</summary>
    internal void KeepConfirmation(Confirmation? confirmation)
    {
        Confirmation?.Dispose();
        Confirmation = confirmation;
    }

    /// <summary>Forgets the key, which has become stale.</summary>
    internal void ForgetExchange()
    {
        Exchanged = null;
        KeepConfirmation(null);
    }

    /// <summary>Starts no handshake for a while: with this peer's public key none can be made.</summary>
    internal void Postpone(Instant now) => RekeyAt = now + _timing.HandshakeLifetime;

    /// <summary>Zeroes all secrets but the handshake's.</summary>
    internal void Remove()
    {
        IsRemoved = true;
        KeepConfirmation(null);
        Keys.Dispose();
    }
}
