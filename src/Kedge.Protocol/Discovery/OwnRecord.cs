using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// This node's record: made anew every ten minutes, and when something in it has changed, though not without a pause between. Where its endpoints
/// have changed, its peers are told at once.
/// </summary>
/// <param name="state">What is known.</param>
internal sealed class OwnRecord(DiscoveryState state)
{
    /// <summary>How old it becomes.</summary>
    public static readonly TimeSpan RefreshInterval = TimeSpan.FromMinutes(10);

    private static readonly Rate ChangeRate = new(4, TimeSpan.FromSeconds(5));

    private IReadOnlyList<PeerEndpoint> _endpoints = [];
    private IReadOnlyList<NodeId> _homes = [];
    private TokenBucket _changes;
    private Instant _changeAt = new(long.MinValue); // the first one is due at once
    private Instant _refreshAt = Instant.Never;
    private bool _isReached;
    private bool _hasMoved;
    private long _lastSequence;

    /// <summary>When <see cref="Poll"/> is to be called.</summary>
    public Instant NextDeadline => Instant.Earlier(_changeAt, _refreshAt);

    /// <summary>Where the node tells its peers that it can be reached, private addresses too.</summary>
    public IReadOnlyList<PeerEndpoint> Candidates => [.. _endpoints.Take(NodeRecord.MaximumEndpoints)];

    /// <summary>Sets where the node can be reached, best first.</summary>
    public void SetEndpoints(Instant now, IReadOnlyList<PeerEndpoint> endpoints)
    {
        if (_endpoints.SequenceEqual(endpoints))
            return;
        _endpoints = [.. endpoints];
        _hasMoved = true;
        Change(now);
    }

    /// <summary>Sets whether strangers reach the node.</summary>
    public void SetReached(Instant now, bool isReached)
    {
        if (_isReached == isReached)
            return;
        _isReached = isReached;
        Change(now);
    }

    /// <summary>Sets which anchors know the node.</summary>
    public void SetHomes(Instant now, IReadOnlyList<NodeId> homes)
    {
        if (_homes.SequenceEqual(homes))
            return;
        _homes = homes;
        Change(now);
    }

    /// <summary>
    /// Hears that somebody knows a record of this node with a sequence, as after it has lost its state: the next one has a higher one. What nobody
    /// would believe, because it lies in the future, is ignored.
    /// </summary>
    public void NoteSequence(Instant now, long sequence)
    {
        if (state.Self.Record is not { } record || sequence <= record.Sequence || sequence > HighestSequence(now))
            return;
        _lastSequence = Math.Max(_lastSequence, sequence);
        Change(now);
    }

    /// <summary>Makes the record anew if that is due.</summary>
    public void Poll(Instant now)
    {
        if (now < NextDeadline)
            return;
        long time = Math.Max(state.TimeAt(now).ToUnixTimeMilliseconds(), 0);
        _lastSequence = _lastSequence > HighestSequence(now) ? time : Math.Max(time, _lastSequence + 1);
        NodeTraits traits = (_isReached ? NodeTraits.ReachedByStrangers : 0) | (state.Settings.Relays ? NodeTraits.Relays : 0);
        state.Self.Record = NodeRecord.Create(
            state.Self.Certificate, _lastSequence, NodeRecord.MaximumLifetime, traits, PublicEndpoints, _homes, state.Settings.Sign);
        if (state.Self.IsInView || state.View.WouldTake(state.Self.Entry))
            state.View.Offer(state.Self);
        _changeAt = Instant.Never;
        _refreshAt = now + (0.9 * state.Jittered(RefreshInterval));
        if (!_hasMoved)
            return;
        _hasMoved = false;
        foreach (DiscoveryPeer peer in state.Peers)
            Tell(peer);
    }

    /// <summary>Sends the record to a peer.</summary>
    public void Tell(DiscoveryPeer peer)
    {
        if (state.Self.Record is not { } record)
            return;
        peer.KnownSequence = Math.Max(peer.KnownSequence, record.Sequence);
        state.Send(peer.Key, RecordsFrame.OfOne(record));
    }

    // Private addresses are for those alone to whom the node has said hello, unless it has no others.
    private IEnumerable<PeerEndpoint> PublicEndpoints
    {
        get
        {
            PeerEndpoint[] shown =
                [.. _endpoints.Where(at => !at.Kind.IsDirect() || !ReservedPrefixes.IsPrivate(at.Address.Address))];
            return shown.Any(at => at.Kind.IsDirect()) ? shown : _endpoints;
        }
    }

    private long HighestSequence(Instant now) => (state.TimeAt(now) + NodeRecord.ClockTolerance).ToUnixTimeMilliseconds();

    private void Change(Instant now)
    {
        if (_changeAt != Instant.Never)
            return;
        _changeAt = now + _changes.WaitFor(now, ChangeRate);
        _changes = _changes.Take(_changeAt, ChangeRate);
    }
}
