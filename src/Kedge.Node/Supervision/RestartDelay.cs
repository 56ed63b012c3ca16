namespace Kedge.Node.Supervision;

/// <summary>How long to wait before a process that has ended is started again: not at all, then longer and longer while it keeps
/// ending.</summary>
public sealed class RestartDelay
{
    /// <summary>The longest wait.</summary>
    public static readonly TimeSpan Maximum = TimeSpan.FromSeconds(30);

    /// <summary>Who ran for this long was well.</summary>
    public static readonly TimeSpan WellAfter = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(250);

    private TimeSpan _next;

    /// <summary>The wait after a run.</summary>
    /// <param name="ran">How long the process ran.</param>
    public TimeSpan Next(TimeSpan ran)
    {
        if (ran >= WellAfter)
            _next = TimeSpan.Zero;
        TimeSpan delay = _next;
        _next = delay == TimeSpan.Zero ? First : TimeSpan.FromTicks(Math.Min(delay.Ticks * 2, Maximum.Ticks));
        return delay;
    }
}
