using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Kedge.Control.Push;

/// <summary>
/// Lets connections into their TLS handshake at an even pace, because that is what costs: a fleet that comes back all at once waits in
/// line, in memory that hardly counts, and what would wait too long is sent away to come again. Any thread.
/// </summary>
internal sealed class HandshakeLimiter(TimeProvider clock, int perSecond = HandshakeLimiter.DefaultPerSecond)
{
    /// <summary>Handshakes a second: a tenth of a core.</summary>
    public const int DefaultPerSecond = 50;

    /// <summary>How long a connection waits at most.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private long _next;
    private long _entered, _sentAway;

    /// <summary>How many connections were let in so far.</summary>
    public long Entered => Interlocked.Read(ref _entered);

    /// <summary>How many were sent away so far, because they would have waited too long.</summary>
    public long SentAway => Interlocked.Read(ref _sentAway);

    /// <summary>Puts the limiter before everything that is added to a listener after it.</summary>
    public void GuardHandshakes(ListenOptions listen) => listen.Use(next => async connection =>
    {
        if (await EnterAsync(connection.ConnectionClosed))
            await next(connection);
        else
            connection.Abort(new ConnectionAbortedException("More handshakes than can be carried out in time."));
    });

    /// <summary>Waits for one's turn.</summary>
    /// <param name="cancellation">The one who waits is gone.</param>
    /// <returns>False where the wait would be too long, or is over for another reason: there will be no turn.</returns>
    public async ValueTask<bool> EnterAsync(CancellationToken cancellation)
    {
        TimeSpan wait = Reserve();
        if (wait > LongestWait)
        {
            Interlocked.Increment(ref _sentAway);
            return false;
        }
        if (wait > TimeSpan.Zero)
            await Task.Delay(wait, clock, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (cancellation.IsCancellationRequested)
            return false;
        Interlocked.Increment(ref _entered);
        return true;
    }

    private TimeSpan Reserve()
    {
        lock (_lock)
        {
            long now = clock.GetTimestamp();
            long turn = Math.Max(now, _next);
            TimeSpan wait = clock.GetElapsedTime(now, turn);
            if (wait <= LongestWait)
                _next = turn + clock.TimestampFrequency / perSecond;
            return wait;
        }
    }
}
