namespace Kedge.Tests.Threading;

/// <summary>A clock that throws as often as a test wants, for the places where nothing else can be made to fail.</summary>
internal sealed class FaultyClock(TimeProvider clock) : TimeProvider
{
    private int _failures;

    public override long TimestampFrequency => clock.TimestampFrequency;

    /// <summary>Makes the next calls that read the time fail.</summary>
    public void Fail(int times) => Volatile.Write(ref _failures, times);

    public override DateTimeOffset GetUtcNow()
    {
        ThrowIfDue();
        return clock.GetUtcNow();
    }

    public override long GetTimestamp()
    {
        ThrowIfDue();
        return clock.GetTimestamp();
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        clock.CreateTimer(callback, state, dueTime, period);

    private void ThrowIfDue()
    {
        if (Interlocked.Decrement(ref _failures) >= 0)
            throw new InvalidOperationException("The clock stands still.");
    }
}
