using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Paths;

/// <content>The order in which NATs at both ends are opened, and who tells the peer.</content>
public sealed partial class PathFinder
{
    private static readonly TimeSpan[] Introductions = [.. ((int[])[0, 1600, 3200]).Select(ms => TimeSpan.FromMilliseconds(ms))];
    private static readonly Rate IntroductionRate = new(Burst: 6, TimeSpan.FromMilliseconds(500));

    private TokenBucket _introduced;
    private Instant? _introducedAt;
    private Instant _openingUntil;
    private Instant _introduceAt = Instant.Never;
    private int _introductions;
    private int _unanswered; // introductions that tell where this device is seen now
    private int _outdated; // those that do not, to which an answer may come

    /// <summary>STUN servers see this device elsewhere: who has just been told where it was is told where it is.</summary>
    internal void ReflexiveChanged(Instant now)
    {
        (_outdated, _unanswered) = (_outdated + _unanswered, 0);
        if (_introducedAt is { } introduced && now - introduced < OpeningTime * 3)
        {
            _paths.Introduce(_peer.PublicKey, opened: true);
        }
        else if (State == PathState.Connecting || _suspicion is not null)
        {
            _introduceAt = now;
            // Only now can the peer be told what to open its NATs for.
            if (now < _openingUntil)
                _openingUntil = now + OpeningTime;
        }
        else if (State == PathState.Direct && IsActive(now) && _candidates.Current is { } current && IsThroughNat(current))
        {
            // The NAT has other ports by now, and lets the peer's datagrams in no more; an end that only receives learns it in no other way.
            Suspect(now, needsPong: true);
            _introduceAt = now;
        }
    }

    /// <summary>Takes an introduction: the peer has opened its NATs towards us, or answers that it has pinged us.</summary>
    /// <param name="now">The time.</param>
    /// <param name="endpoints">Where the peer can be reached just now.</param>
    /// <param name="opened">Whether it is the answer to ours.</param>
    /// <returns>False for one too many, which changes nothing.</returns>
    internal bool TryIntroduce(Instant now, IReadOnlyList<PeerEndpoint> endpoints, bool opened)
    {
        if (!TokenBucket.TryTake(ref _introduced, now, IntroductionRate))
            return false;
        foreach (PeerEndpoint at in _paths.Surroundings.Select(endpoints.Where(IsOwn)))
            _candidates.FindOrAdd(now, at.Address, at.Kind);
        if (!opened || IsOpenForUs())
            _openingUntil = now;
        _candidates.Begin(now, Candidate.Opening);
        if (State is PathState.Idle or PathState.Waiting)
            Enter(now, PathState.Connecting);
        if (State == PathState.Connecting)
            BeginRound(now);
        if (opened)
            return true;
        // It may be because of this end that the path is dead: then its NAT has another port by now, which the peer is told next.
        _introducedAt = now;
        _paths.RefreshReflexive(now);
        _paths.Introduce(_peer.PublicKey, opened: true);
        return true;
    }

    // First the NATs on this side are opened, then the peer is told.
    private void BeginOpening(Instant now)
    {
        _openingUntil = now + OpeningTime;
        (_introductions, _introduceAt) = (0, now);
        (_unanswered, _outdated) = (0, 0);
        _candidates.Begin(now, Candidate.Opening);
    }

    // Whether the introduction that the peer answers has told it where this device is: what it did not know of, it has not opened its NATs
    // for.
    private bool IsOpenForUs()
    {
        if (_outdated > 0)
        {
            _outdated--;
            return false;
        }
        _unanswered = Math.Max(_unanswered - 1, 0);
        return true;
    }

    private void Introduce(Instant now)
    {
        _paths.Introduce(_peer.PublicKey, opened: false);
        if (_paths.Surroundings.Reflexive.Count > 0)
            _unanswered++;
        else
            _outdated++;
        _introduceAt = ++_introductions < Introductions.Length
            ? Instant.Later(_roundStart + Introductions[_introductions], now + Patience)
            : Instant.Never;
    }

    // Without NAT it is the peer itself that a datagram is for, so no router on the way takes it for its own.
    private byte TimeToLive(Instant now, Candidate candidate)
    {
        IpAddress address = candidate.At.Address.Address;
        bool opens = now < _openingUntil
            && candidate.At.Kind == PeerEndpointKind.Reflexive
            && address.IsIPv4
            && !_paths.Surroundings.IsOnLink(address);
        return opens ? _paths.Surroundings.OpeningTimeToLive : (byte)0;
    }
}
