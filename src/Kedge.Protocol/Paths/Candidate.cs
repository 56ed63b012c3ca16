using Kedge.Protocol.Ip;
using Kedge.Protocol.Relays;

namespace Kedge.Protocol.Paths;

/// <summary>
/// An endpoint at which a peer may be reached: the pings that are due there, those that are under way, and what has come back. One thread at
/// a time.
/// </summary>
/// <param name="at">The endpoint, and how it is known.</param>
/// <param name="expires">When it is forgotten; <see cref="Instant.Never"/> while the peer tells of it.</param>
internal sealed class Candidate(PeerEndpoint at, Instant expires)
{
    /// <summary>When pings of an endpoint of which nothing is known are sent.</summary>
    public static readonly TimeSpan[] Opening = [.. ((int[])[0, 100, 200, 400, 800, 1600, 3200]).Select(ms => TimeSpan.FromMilliseconds(ms))];

    /// <summary>When pings of a path that was good are sent.</summary>
    public static readonly TimeSpan[] Checking = [.. ((int[])[0, 250, 500]).Select(ms => TimeSpan.FromMilliseconds(ms))];

    /// <summary>Pongs after which an endpoint is known well enough.</summary>
    public const int EnoughPongs = 3;

    /// <summary>How much later than the others a stream is pinged.</summary>
    public static readonly TimeSpan StreamDelay = TimeSpan.FromMilliseconds(300);

    private const int Remembered = 8;
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(1);

    private readonly (ulong Id, Instant Sent)[] _underWay = new (ulong, Instant)[Remembered];
    private readonly TimeSpan[] _roundTrips = new TimeSpan[EnoughPongs];
    private TimeSpan[] _schedule = [];
    private Instant _start;
    private int _next;
    private uint _sent;
    private int _wantedPongs;
    private int _roundTripCount;

    /// <summary>The endpoint, and how it is known.</summary>
    public PeerEndpoint At { get; set; } = at;

    /// <summary>Whether it is the peer's stream: everything else is better.</summary>
    public bool IsStream => StreamAddress.IsStream(At.Address.Address);

    /// <summary>When it is forgotten; <see cref="Instant.Never"/> while the peer tells of it.</summary>
    public Instant Expires { get; set; } = expires;

    /// <summary>Pings sent since the last <see cref="Begin"/>, or under way then.</summary>
    public int Pings { get; private set; }

    /// <summary>Pongs since the last <see cref="Begin"/>.</summary>
    public int Pongs { get; private set; }

    /// <summary>When the last pong came; null for never.</summary>
    public Instant? LastPong { get; private set; }

    /// <summary>When the last ping was sent; null for never.</summary>
    public Instant? LastPing { get; private set; }

    /// <summary>Where the last pong arrived.</summary>
    public Endpoint Local { get; private set; }

    /// <summary>The shortest of the last round trips; null before the first.</summary>
    public TimeSpan? RoundTrip => _roundTripCount == 0 ? null : _roundTrips[..Math.Min(_roundTripCount, EnoughPongs)].Min();

    /// <summary>When the next ping is due.</summary>
    public Instant Due => _next < _schedule.Length && Pongs < _wantedPongs ? _start + _schedule[_next] : Instant.Never;

    /// <summary>When nothing more is to be expected of the pings that were sent.</summary>
    public Instant End => _schedule.Length == 0 ? default : _start + _schedule[^1] + AnswerTime;

    /// <summary>Whether pings are due or may still be answered.</summary>
    public bool IsTrying(Instant now) => Pongs < _wantedPongs && now < End;

    /// <summary>Begins a series of pings, in place of any that is under way.</summary>
    /// <param name="now">The time of the first ping.</param>
    /// <param name="schedule">When they are sent, from <paramref name="now"/> on.</param>
    /// <param name="wantedPongs">How many pongs end the series.</param>
    public void Begin(Instant now, TimeSpan[] schedule, int wantedPongs = EnoughPongs)
    {
        (_start, _schedule, _next, _wantedPongs, Pongs) = (now, schedule, 0, wantedPongs, 0);
        // What is under way may be answered yet, and then counts for this series.
        Pings = _underWay.Count(ping => ping.Sent != default && now - ping.Sent < AnswerTime);
    }

    /// <summary>Notes that the ping that was due has been sent, or would have been.</summary>
    /// <param name="now">The time.</param>
    /// <param name="id">Its identifier; null if it was not sent.</param>
    public void Pinged(Instant now, ulong? id)
    {
        if (id is { } sent)
        {
            // Not by its place in the series: what is under way when another begins may be answered yet.
            _underWay[_sent++ % Remembered] = (sent, now);
            LastPing = now;
            Pings++;
        }
        do
            _next++;
        while (_next < _schedule.Length && _start + _schedule[_next] <= now);
    }

    /// <summary>Takes a pong.</summary>
    /// <param name="now">The time.</param>
    /// <param name="id">The identifier of the ping that it answers.</param>
    /// <param name="local">Where it arrived.</param>
    /// <returns>False if no ping with this identifier is under way.</returns>
    public bool TryTakePong(Instant now, ulong id, Endpoint local)
    {
        int index = Array.FindIndex(_underWay, ping => ping.Id == id && ping.Sent != default);
        if (index < 0)
            return false;
        _roundTrips[_roundTripCount++ % EnoughPongs] = now - _underWay[index].Sent;
        _underWay[index] = default;
        (LastPong, Local) = (now, local);
        Pongs++;
        return true;
    }

    /// <summary>What came of it.</summary>
    public CandidateResult Result(Instant now) =>
        LastPong is not null && (Pongs > 0 || IsTrying(now)) ? CandidateResult.Answered
        : IsTrying(now) ? CandidateResult.Trying
        : LastPing is null ? CandidateResult.Untried
        : CandidateResult.Silent;
}
