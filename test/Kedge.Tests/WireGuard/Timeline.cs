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

    /// <summary>When the next event is due; <see cref="Instant.Never"/> when there is none.</summary>
    public Instant NextEvent => _events.TryPeek(out _, out (Instant Time, long) next) ? next.Time : Instant.Never;

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

    /// <summary>Moves the clock on; it never goes back.</summary>
    public void AdvanceTo(Instant time)
    {
        if (time < Now)
            throw new ArgumentOutOfRangeException(nameof(time), $"The clock is at {Now} and cannot go back to {time}.");
        Now = time;
    }

    /// <summary>Does the next event that is due by now.</summary>
    /// <returns>False when none is.</returns>
    public bool TryRunEvent()
    {
        if (NextEvent > Now)
            return false;
        _events.Dequeue()();
        return true;
    }
}
