using System.Diagnostics.CodeAnalysis;
using Kedge.Control.Scheduling;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;

namespace Kedge.Control.Listening;

/// <summary>
/// Paces TLS handshakes, which are the expensive part of a connection. When connections arrive faster than that, they wait. Sources are served
/// in rotation, so one that floods delays only itself, and while both kinds wait, every other turn goes to a known source. An IPv6 /48 counts
/// as one source. As many may wait as can be served within <see cref="LongestWait"/>; beyond that one of the connections of the source with
/// the most is dropped at random, which may be the newcomer. A connection that is closed while it waits uses no turn. Any thread.
/// </summary>
internal sealed class HandshakeTurns : IDisposable
{
    /// <summary>Turns a second. That many handshakes take a tenth of a core.</summary>
    public const int DefaultPerSecond = 50;

    /// <summary>The longest that a connection waits.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);

    private readonly TimeProvider _clock;
    private readonly Random _random;
    private readonly long _interval;
    private readonly int _room;
    private readonly Lock _lock = new();
    private readonly RoundRobin<IpAddress, Waiter> _strangers = new();
    private readonly RoundRobin<IpAddress, Waiter> _acquaintances = new();
    private readonly ITimer _timer;
    private bool _isTurnOfAcquaintances;
    private long _next; // when the next turn may be taken
    private long _entered, _sentAway;

    /// <summary>Creates turns that begin now.</summary>
    /// <param name="clock">The clock.</param>
    /// <param name="perSecond">Turns a second.</param>
    /// <param name="random">Chooses which connection to drop.</param>
    public HandshakeTurns(TimeProvider clock, int perSecond = DefaultPerSecond, Random? random = null)
    {
        (_clock, _random) = (clock, random ?? Random.Shared);
        _interval = clock.TimestampFrequency / perSecond;
        _room = (int)(perSecond * LongestWait.TotalSeconds);
        _timer = clock.CreateTimer(_ => GiveTurns(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>How many turns have been taken.</summary>
    public long Entered => Interlocked.Read(ref _entered);

    /// <summary>How many connections have been dropped.</summary>
    public long SentAway => Interlocked.Read(ref _sentAway);

    /// <summary>How many connections are waiting.</summary>
    public int Waiting
    {
        get
        {
            lock (_lock)
                return _strangers.Count + _acquaintances.Count;
        }
    }

    /// <summary>Waits for a turn.</summary>
    /// <param name="address">Where the connection comes from.</param>
    /// <param name="isKnown">Whether its source is known.</param>
    /// <param name="cancellation">Signals that the connection has been closed.</param>
    /// <returns>True if it has a turn; false if it was dropped or has been closed.</returns>
    public async ValueTask<bool> EnterAsync(IpAddress address, bool isKnown, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
            return false;
        var waiter = new Waiter(SourcePrefix.SiteOf(address), isKnown, _clock.GetTimestamp());
        lock (_lock)
        {
            if (_strangers.Count + _acquaintances.Count == 0 && _next <= waiter.Since)
            {
                TakeTurn(waiter.Since);
                return true;
            }
            Line(isKnown).Add(waiter.Source, waiter);
            if (_strangers.Count + _acquaintances.Count > _room)
                SendAway((_strangers.Count > _acquaintances.Count ? _strangers : _acquaintances).TakeOfLargest(_random));
            SetTimer(waiter.Since);
        }
        await using (cancellation.UnsafeRegister(_ => Leave(waiter), null))
            return await waiter.HasTurn.Task;
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private RoundRobin<IpAddress, Waiter> Line(bool isKnown) => isKnown ? _acquaintances : _strangers;

    private void GiveTurns()
    {
        lock (_lock)
        {
            long now = _clock.GetTimestamp();
            while (_next <= now && TryTakeNext(now, out Waiter? waiter))
            {
                TakeTurn(_next);
                waiter.HasTurn.TrySetResult(true);
            }
            SetTimer(now);
        }
    }

    private bool TryTakeNext(long now, [NotNullWhen(true)] out Waiter? waiter)
    {
        while (Line(_isTurnOfAcquaintances).TryTakeNext(out waiter) || Line(!_isTurnOfAcquaintances).TryTakeNext(out waiter))
        {
            if (_clock.GetElapsedTime(waiter.Since, now) <= LongestWait)
            {
                _isTurnOfAcquaintances = !waiter.IsKnown;
                return true;
            }
            SendAway(waiter);
        }
        return false;
    }

    private void TakeTurn(long turn)
    {
        _next = turn + _interval;
        Interlocked.Increment(ref _entered);
    }

    private void SendAway(Waiter waiter)
    {
        Interlocked.Increment(ref _sentAway);
        waiter.HasTurn.TrySetResult(false);
    }

    private void Leave(Waiter waiter)
    {
        lock (_lock)
        {
            if (Line(waiter.IsKnown).Remove(waiter.Source, waiter))
                waiter.HasTurn.TrySetResult(false);
        }
    }

    // Timers count whole milliseconds; rounded down, this one would fire just before the turn.
    private void SetTimer(long now)
    {
        if (_strangers.Count + _acquaintances.Count > 0)
            _timer.Change(TimeSpan.FromMilliseconds(Math.Max(0, Math.Ceiling(_clock.GetElapsedTime(now, _next).TotalMilliseconds))), Timeout.InfiniteTimeSpan);
    }

    private sealed record Waiter(IpAddress Source, bool IsKnown, long Since)
    {
        public TaskCompletionSource<bool> HasTurn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
