using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;

namespace Kedge.Protocol.Paths;

/// <content>
/// The way by streams: each end has one to the controller, or one has one to the other, a relay. Taken where nothing else answers, and left for
/// anything else.
/// </content>
public sealed partial class PathFinder
{
    /// <summary>How long a peer that has a stream is tried in other ways before this device opens its own.</summary>
    public static readonly TimeSpan StreamPatience = TimeSpan.FromSeconds(1);

    private Instant _streamAt;

    /// <summary>Whether the peer is reached by streams.</summary>
    internal bool IsByStream => State == PathState.Direct && _candidates.Current is { IsStream: true };

    private bool IsRelayByStream => _peer.Path?.Relay?.Via.Path is { } via && StreamAddress.IsStream(via.Remote.Address);

    /// <summary>Whether the peer can be reached by a stream, as far as it tells.</summary>
    internal bool TellsStream => _told.Any(at => at.Kind == PeerEndpointKind.Stream);

    /// <summary>Where the peer tells that its UDP can be reached, as far as this device may send there.</summary>
    internal IEnumerable<Endpoint> ToldEndpoints =>
        _paths.Surroundings.Select(_told).Where(at => at.Kind.IsDirect()).Select(at => at.Address);

    /// <summary>This device has a stream from now on: the peer's is tried, where it matters.</summary>
    internal void StreamOpened(Instant now)
    {
        bool isNeeded = State is PathState.Connecting or PathState.Waiting || _suspicion is not null || IsByStream;
        if (isNeeded && _candidates.Find(StreamAddress.Of(_peer.PublicKey)) is { } candidate)
            candidate.Begin(now, Candidate.Opening);
    }

    // A peer has no stream but its own.
    private bool IsOwn(PeerEndpoint at) => at.Kind != PeerEndpointKind.Stream || at.Address == StreamAddress.Of(_peer.PublicKey);

    private Instant NextStreamWish(Instant now) => now < _streamAt ? _streamAt : Instant.Never;

    private void WishForStream(Instant now)
    {
        bool isTried = State is PathState.Connecting or PathState.Waiting && now >= _streamAt;
        if ((isTried && (TellsStream || _paths.HearsNothing(now))) || (IsByStream && (now - LastUse < IdleTime || _paths.IsKept(this))))
            _paths.NeedStream(now);
    }
}
