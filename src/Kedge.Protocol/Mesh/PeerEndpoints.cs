using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Mesh;

/// <summary>What is seen of one peer in a device, at one moment.</summary>
/// <param name="Endpoint">Where the device sends to; none where it has no endpoint.</param>
/// <param name="HandshakeAge">How long ago the last handshake was completed; null for never.</param>
/// <param name="SentBytes">Bytes sent so far.</param>
/// <param name="ReceivedBytes">Bytes received so far.</param>
public readonly record struct PeerObservation(Endpoint Endpoint, TimeSpan? HandshakeAge, ulong SentBytes, ulong ReceivedBytes);

/// <summary>
/// Which of the endpoints of one peer the device is to use. WireGuard moves an endpoint by itself wherever authentic packets come from, and
/// that is always right; this is for what it cannot know: where to begin, and where else to try when nobody answers.
/// <para>
/// While the peer answers nothing is changed. When it does not, although something is sent to it, the next endpoint has its turn.
/// A pure state machine: the caller observes the device now and then, and applies what <see cref="Choose"/> returns. One thread at a time.
/// </para>
/// </summary>
public sealed class PeerEndpoints
{
    /// <summary>How long an endpoint may stay silent while there is no session: one initiation (every 5 s) and its answer.</summary>
    public static readonly TimeSpan HandshakePatience = TimeSpan.FromSeconds(6);

    /// <summary>
    /// How long it may stay silent during a session: WireGuard asks for a new one after 15 s without an answer, and that is to be answered.
    /// </summary>
    public static readonly TimeSpan SessionPatience = TimeSpan.FromSeconds(21);

    /// <summary>How long after the last thing was sent nobody waits for an answer any more.</summary>
    private static readonly TimeSpan SendingTime = TimeSpan.FromSeconds(10);

    /// <summary>Handshakes nearer to each other than this are one, seen by two clocks.</summary>
    private static readonly TimeSpan HandshakeTolerance = TimeSpan.FromSeconds(1);

    private IReadOnlyList<Endpoint> _candidates = [];
    private Endpoint _learned;
    private PeerObservation _last;
    private bool _observed;
    private bool _hasMoved;
    private Instant _lastHandshake;
    private Instant _lastSending;
    private Instant? _waitingSince;

    /// <summary>What may be tried, best first.</summary>
    public IReadOnlyList<Endpoint> Candidates => _candidates;

    /// <summary>Says what may be tried, best first: <see cref="Vantage.Order"/> of what the peer tells. The same again changes
    /// nothing.</summary>
    public void Offer(IReadOnlyList<Endpoint> candidates)
    {
        if (_candidates.SequenceEqual(candidates))
            return;
        _hasMoved = _candidates.Count > 0;
        _candidates = [.. candidates];
    }

    /// <summary>Judges what is seen of the peer now.</summary>
    /// <param name="seen">What the device shows.</param>
    /// <param name="now">The present.</param>
    /// <param name="sessionLifetime">REJECT_AFTER_TIME of the device: the age at which a session is dead.</param>
    /// <returns>The endpoint that the device is to have from now on; null where it keeps what it has.</returns>
    public Endpoint? Choose(PeerObservation seen, Instant now, TimeSpan sessionLifetime)
    {
        bool answered = Answered(seen, now);
        bool sends = _observed && seen.SentBytes > _last.SentBytes;
        bool elsewhere = _observed && seen.Endpoint != _last.Endpoint;
        (_last, _observed) = (seen, true);
        if (answered || elsewhere)
            _waitingSince = null;
        if (answered && !seen.Endpoint.IsNone && !_candidates.Contains(seen.Endpoint))
            _learned = seen.Endpoint;
        if (sends)
            _lastSending = now;
        if (_candidates.Count == 0)
            return null;
        if (seen.Endpoint.IsNone)
            return Take(_candidates[0], now: null);

        bool alive = seen.HandshakeAge is { } age && age < sessionLifetime;
        if (_hasMoved && (!alive || _candidates.Contains(seen.Endpoint)))
        {
            // The peer has told new endpoints since the last session: one that is not among them is where it was, not where it is.
            _hasMoved = false;
            if (!alive && !_candidates.Contains(seen.Endpoint))
                return Take(_candidates[0], now);
        }
        if (answered)
            return null;
        if (sends)
            _waitingSince ??= now;
        else if (now - _lastSending > SendingTime)
            _waitingSince = null;
        if (_waitingSince is not { } since || now - since < (alive ? SessionPatience : HandshakePatience))
            return null;
        Endpoint next = After(seen.Endpoint);
        if (next != seen.Endpoint)
            return Take(next, now);
        _waitingSince = now;
        return null;
    }

    private bool Answered(PeerObservation seen, Instant now)
    {
        bool renewed = false;
        if (seen.HandshakeAge is { } age)
        {
            Instant handshake = now + -age;
            renewed = !_observed || _last.HandshakeAge is null || handshake - _lastHandshake > HandshakeTolerance;
            if (renewed)
                _lastHandshake = handshake;
        }
        return renewed || (_observed && seen.ReceivedBytes > _last.ReceivedBytes);
    }

    private Endpoint Take(Endpoint endpoint, Instant? now)
    {
        _last = _last with { Endpoint = endpoint };
        _waitingSince = now;
        return endpoint;
    }

    /// <summary>The one that is tried after another: in a circle, the last of which is where the peer was heard from once.</summary>
    private Endpoint After(Endpoint current)
    {
        Endpoint[] circle = _learned.IsNone || _candidates.Contains(_learned) ? [.. _candidates] : [.. _candidates, _learned];
        return circle[(Array.IndexOf(circle, current) + 1) % circle.Length];
    }
}
