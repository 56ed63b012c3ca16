namespace Kedge.Protocol.WireGuard;

/// <summary>
/// Where initiations get their timestamps from. Peers refuse a timestamp that is not later than the last one they saw, for as long as they
/// run; so timestamps must grow even when the clock goes back, and over restarts. What may have been used is therefore written down
/// before it is used: up to a reservation that lies a minute ahead, so that the disk is touched once a minute and not once an initiation.
/// <para>Owned by the handshake thread. One source serves one static key.</para>
/// </summary>
public sealed class TimestampSource
{
    /// <summary>How far ahead timestamps are reserved.</summary>
    public const ulong ReservationSeconds = 60;

    /// <summary>
    /// Nanoseconds are rounded down to 2^24 (17 ms): finer ones would tell an observer about the load of this machine.
    /// </summary>
    private const uint Granularity = 1 << 24;

    private readonly Action<Tai64N> _reserve;
    private Tai64N _reserved;

    /// <summary>Continues after what was reserved before.</summary>
    /// <param name="reserved">The last reservation on disk; default when there is none.</param>
    /// <param name="reserve">
    /// Writes a reservation down, and returns when the death of this process cannot undo that any more. Where the disk fails it may return
    /// all the same: then only a clock that goes back before the next restart can lock this node out, which is better than not to speak
    /// at all.
    /// </param>
    public TimestampSource(Tai64N reserved, Action<Tai64N> reserve) => (Latest, _reserved, _reserve) = (reserved, reserved, reserve);

    /// <summary>
    /// The latest timestamp that may have been used, with any peer: what a peer of which nothing else is known has seen at most.
    /// </summary>
    public Tai64N Latest { get; private set; }

    /// <summary>
    /// A timestamp for one peer. Others may be given the same: if each initiation, to whomever, took a later one, many peers that do not
    /// answer would drive the timestamps away from the clock.
    /// </summary>
    /// <param name="wallClock">The time of day.</param>
    /// <param name="previous">The last timestamp that the peer may have seen, <see cref="Latest"/> at most.</param>
    /// <returns>
    /// A timestamp later than <paramref name="previous"/>, and not earlier than <paramref name="wallClock"/> to within 17 ms.
    /// </returns>
    public Tai64N Next(DateTimeOffset wallClock, Tai64N previous)
    {
        Tai64N next = Round(Tai64N.From(wallClock));
        if (next < Latest)
            next = Latest;
        if (next <= previous)
            next = After(next);
        if (next > _reserved)
        {
            _reserved = next.AddSeconds(ReservationSeconds);
            _reserve(_reserved);
        }
        return Latest = next;
    }

    /// <summary>
    /// Gives back what was reserved and not used: for a clean end, after which nothing more is taken. Without it a program that is
    /// restarted again and again would run a minute further ahead of the clock each time.
    /// </summary>
    public void Release()
    {
        if (Latest < _reserved)
            _reserve(_reserved = Latest);
    }

    private static Tai64N Round(Tai64N time) => time with { Nanoseconds = time.Nanoseconds & ~(Granularity - 1) };

    private static Tai64N After(Tai64N time)
    {
        uint nanoseconds = Round(time).Nanoseconds + Granularity;
        return nanoseconds >= 1_000_000_000 ? new(time.Seconds + 1, 0) : time with { Nanoseconds = nanoseconds };
    }
}
