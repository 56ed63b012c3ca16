namespace Kedge.Protocol;

/// <summary>
/// A point in time of a clock that never goes back and goes on while the machine sleeps. Its zero means nothing;
/// only differences do. Protocol code is handed instants and returns deadlines; it never reads a clock.
/// </summary>
/// <param name="Ticks">Time since the clock's zero, in units of 100 ns.</param>
public readonly record struct Instant(long Ticks) : IComparable<Instant>
{
    /// <summary>Later than every other instant: the deadline of what is not waiting for anything.</summary>
    public static readonly Instant Never = new(long.MaxValue);

    /// <summary>The earlier of two instants.</summary>
    public static Instant Earlier(Instant a, Instant b) => a.Ticks <= b.Ticks ? a : b;

    /// <summary>The later of two instants.</summary>
    public static Instant Later(Instant a, Instant b) => a.Ticks >= b.Ticks ? a : b;

    /// <inheritdoc/>
    public int CompareTo(Instant other) => Ticks.CompareTo(other.Ticks);

    /// <summary>
    /// The instant <paramref name="span"/> after <paramref name="instant"/>; <see cref="Never"/> stays <see cref="Never"/>.
    /// </summary>
    public static Instant operator +(Instant instant, TimeSpan span) => instant == Never ? Never : new(instant.Ticks + span.Ticks);

    /// <summary>The time from <paramref name="earlier"/> to <paramref name="later"/>.</summary>
    public static TimeSpan operator -(Instant later, Instant earlier) => new(later.Ticks - earlier.Ticks);

    /// <summary>Whether <paramref name="a"/> is earlier than <paramref name="b"/>.</summary>
    public static bool operator <(Instant a, Instant b) => a.Ticks < b.Ticks;

    /// <summary>Whether <paramref name="a"/> is later than <paramref name="b"/>.</summary>
    public static bool operator >(Instant a, Instant b) => a.Ticks > b.Ticks;

    /// <summary>Whether <paramref name="a"/> is no later than <paramref name="b"/>.</summary>
    public static bool operator <=(Instant a, Instant b) => a.Ticks <= b.Ticks;

    /// <summary>Whether <paramref name="a"/> is no earlier than <paramref name="b"/>.</summary>
    public static bool operator >=(Instant a, Instant b) => a.Ticks >= b.Ticks;

    /// <summary>Seconds since the clock's zero.</summary>
    public override string ToString() => this == Never ? "never" : $"{TimeSpan.FromTicks(Ticks).TotalSeconds:F3} s";
}
