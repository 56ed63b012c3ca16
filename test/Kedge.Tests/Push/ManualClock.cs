namespace Kedge.Tests.Push;

/// <summary>A clock that a test moves, with timers that fire when it has been moved past them.</summary>
internal sealed class ManualClock : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<ManualTimer> _timers = [];
    private TimeSpan _elapsed = TimeSpan.FromHours(1);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>How many timers wait for their time.</summary>
    public int Waiting
    {
        get
        {
            lock (_lock)
                return _timers.Count(timer => timer.At is not null);
        }
    }

    public override DateTimeOffset GetUtcNow() => new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero).AddTicks(GetTimestamp());

    public override long GetTimestamp()
    {
        lock (_lock)
            return _elapsed.Ticks;
    }

    /// <summary>Time passes, and timers fire in their order.</summary>
    public void Advance(TimeSpan time)
    {
        TimeSpan end;
        lock (_lock)
            end = _elapsed + time;
        while (true)
        {
            ManualTimer? next;
            lock (_lock)
            {
                next = _timers.Where(timer => timer.At <= end).MinBy(timer => timer.At);
                _elapsed = next?.At > _elapsed ? next.At.Value : next is null ? end : _elapsed;
                next?.Restart(_elapsed);
            }
            if (next is null)
                return;
            next.Fire();
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, () => callback(state));
        timer.Change(dueTime, period);
        lock (_lock)
            _timers.Add(timer);
        return timer;
    }

    private sealed class ManualTimer(ManualClock clock, Action fire) : ITimer
    {
        private TimeSpan _period;

        public TimeSpan? At { get; private set; }

        public void Fire() => fire();

        public void Restart(TimeSpan now) => At = _period > TimeSpan.Zero ? now + _period : null;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._lock)
            {
                At = dueTime < TimeSpan.Zero ? null : clock._elapsed + dueTime;
                _period = period;
            }
            return true;
        }

        public void Dispose()
        {
            lock (clock._lock)
            {
                At = null;
                clock._timers.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
