using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Paths;

/// <summary>
/// The endpoints at which a peer may be reached, and the one that is used. Those that the peer tells stay until it tells others; of those
/// from which it was only heard there are a few, and they are forgotten. One thread at a time.
/// </summary>
internal sealed class CandidateSet
{
    /// <summary>How long an endpoint is remembered that the peer does not tell.</summary>
    public static readonly TimeSpan HeardTime = TimeSpan.FromSeconds(30);

    private const int MaximumHeard = 4;

    private readonly List<Candidate> _all = [];

    /// <summary>All of them, the told ones as the peer orders them.</summary>
    public IReadOnlyList<Candidate> All => _all;

    /// <summary>The one that is used, which is not forgotten; null for none.</summary>
    public Candidate? Current { get; set; }

    /// <summary>When a ping is due, or a candidate is to be forgotten.</summary>
    public Instant NextDeadline
    {
        get
        {
            Instant deadline = Instant.Never;
            foreach (Candidate candidate in _all)
            {
                Instant expires = candidate == Current ? Instant.Never : candidate.Expires;
                deadline = Instant.Earlier(deadline, Instant.Earlier(candidate.Due, expires));
            }
            return deadline;
        }
    }

    /// <summary>The candidate at an endpoint; null if there is none.</summary>
    public Candidate? Find(Endpoint endpoint) => _all.Find(candidate => candidate.At.Address == endpoint);

    /// <summary>A candidate of which a ping is due; null if there is none.</summary>
    public Candidate? FindDue(Instant now) => _all.Find(candidate => candidate.Due <= now);

    /// <summary>Has these endpoints be what the peer tells. Those that it told before are forgotten after a while.</summary>
    /// <param name="now">The time.</param>
    /// <param name="told">What it tells, each endpoint once.</param>
    /// <returns>Those that are new.</returns>
    public IReadOnlyList<Candidate> Update(Instant now, IReadOnlyList<PeerEndpoint> told)
    {
        foreach (Candidate candidate in _all)
            if (candidate.Expires == Instant.Never && !told.Any(at => at.Address == candidate.At.Address))
                candidate.Expires = now + HeardTime;
        List<Candidate> added = [];
        foreach (PeerEndpoint at in told)
        {
            if (Find(at.Address) is { } known)
                (known.At, known.Expires) = (at, Instant.Never);
            else
                added.Add(new Candidate(at, Instant.Never));
        }
        _all.AddRange(added);
        return added;
    }

    /// <summary>
    /// The candidate at an endpoint that the peer may not tell. Where there are too many of these, the least useful one gives way.
    /// </summary>
    public Candidate FindOrAdd(Instant now, Endpoint endpoint, PeerEndpointKind kind)
    {
        if (Find(endpoint) is { } known)
        {
            if (known.Expires != Instant.Never)
                known.Expires = now + HeardTime;
            return known;
        }
        Candidate[] heard = [.. _all.Where(candidate => candidate.Expires != Instant.Never && candidate != Current)];
        if (heard.Length >= MaximumHeard + (kind == PeerEndpointKind.Heard ? 0 : Surroundings.MaximumCandidates))
            _all.Remove(heard.MinBy(candidate => (candidate.LastPong is not null, candidate.Expires))!);
        var added = new Candidate(new PeerEndpoint(endpoint, kind), now + HeardTime);
        _all.Add(added);
        return added;
    }

    /// <summary>Begins a series of pings of each, of a stream a little later.</summary>
    public void Begin(Instant now, TimeSpan[] schedule)
    {
        foreach (Candidate candidate in _all)
            candidate.Begin(candidate.IsStream ? now + Candidate.StreamDelay : now, schedule);
    }

    /// <summary>Forgets those whose time has come.</summary>
    public void RemoveExpired(Instant now) => _all.RemoveAll(candidate => candidate.Expires <= now && candidate != Current);
}
