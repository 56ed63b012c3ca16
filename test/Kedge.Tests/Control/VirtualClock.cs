namespace Kedge.Tests.Control;

/// <summary>A clock that a test moves: the time of day back and forth, the process's own time forth only. Timers never fire.</summary>
internal sealed class VirtualClock : TimeProvider
{
    private readonly Lock _lock = new();
    private DateTimeOffset _now = new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private TimeSpan _elapsed = TimeSpan.FromHours(1);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow()
    {
        lock (_lock)
            return _now;
    }

    public override long GetTimestamp()
    {
        lock (_lock)
            return _elapsed.Ticks;
    }

    /// <summary>Time passes.</summary>
    public void Advance(TimeSpan time)
    {
        lock (_lock)
            (_now, _elapsed) = (_now + time, _elapsed + time);
    }

    /// <summary>Somebody sets the clock; no time passes.</summary>
    public void Set(TimeSpan by)
    {
        lock (_lock)
            _now += by;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new Stopped();

    private sealed class Stopped : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
