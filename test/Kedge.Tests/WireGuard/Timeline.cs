using Kedge.Protocol;

namespace Kedge.Tests.WireGuard;

/// <summary>
/// A clock that moves only from one event to the next, and the events that lie ahead. Starts at 0: an instant like any other.
/// </summary>
internal sealed class Timeline
{
    private readonly PriorityQueue<Action, (Instant Time, long Order)> _events = new();
    private long _order;

    /// <summary>The time.</summary>
    public Instant Now { get; private set; } = new(0);

    /// <summary>Does something after a while; what is due at the same time is done in the order in which it was asked for.</summary>
    public void After(TimeSpan time, Action action) => _events.Enqueue(action, (Now + time, _order++));

    /// <summary>
    /// Does something <paramref name="times"/> times, the first time one interval from now, and hands it the numbers from 0 on.
    /// </summary>
    public void Every(TimeSpan interval, int times, Action<int> action)
    {
        Schedule(0);

        void Schedule(int number)
        {
            if (number == times)
                return;
            After(interval, () =>
            {
                action(number);
                Schedule(number + 1);
            });
        }
    }

    /// <summary>How often the clock has moved on or an event has happened.</summary>
    public long Steps { get; private set; }

    /// <summary>Lets time pass, from one event or deadline to the next; after each, those with deadlines are polled.</summary>
    /// <param name="time">How much.</param>
    /// <param name="deadline">The next deadline; one in the past means now.</param>
    /// <param name="poll">Lets those do something whose deadline has come.</param>
    public void Run(TimeSpan time, Func<Instant> deadline, Action poll)
    {
        Instant end = Now + time;
        poll();
        while (Next(deadline) is var next && next <= end)
            RunAt(next, poll);
        AdvanceTo(end);
    }

    /// <summary>Lets time pass until a condition holds, and fails when it does not hold in time.</summary>
    /// <param name="condition">What is waited for.</param>
    /// <param name="atMost">How much time may pass.</param>
    /// <inheritdoc cref="Run"/>
    /// <param name="deadline">The next deadline; one in the past means now.</param>
    /// <param name="poll">Lets those do something whose deadline has come.</param>
    public void RunUntil(Func<bool> condition, TimeSpan atMost, Func<Instant> deadline, Action poll)
    {
        Instant end = Now + atMost;
        poll();
        while (!condition())
        {
            Instant next = Next(deadline);
            if (next > end)
                Assert.Fail($"What was waited for has not happened by {end}.");
            RunAt(next, poll);
        }
    }

    private Instant Next(Func<Instant> deadline) =>
        Instant.Earlier(_events.TryPeek(out _, out (Instant Time, long) next) ? next.Time : Instant.Never, deadline());

    private void RunAt(Instant next, Action poll)
    {
        if (next > Now)
            AdvanceTo(next);
        if (_events.TryPeek(out _, out (Instant Time, long) first) && first.Time <= Now)
        {
            Steps++;
            _events.Dequeue()();
        }
        poll();
    }

    // The clock never goes back.
    private void AdvanceTo(Instant time)
    {
        if (time < Now)
            throw new ArgumentOutOfRangeException(nameof(time), $"The clock is at {Now} and cannot go back to {time}.");
        if (time > Now)
            Steps++;
        Now = time;
    }
}
