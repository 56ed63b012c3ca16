using System.Net;
using System.Net.Sockets;

namespace Kedge.Node.Connecting;

/// <summary>
/// Connects to the first of several addresses that answers (RFC 8305): the attempts begin one after the other, in an order in which the
/// families alternate, each when the one before it has failed or has been silent for <see cref="Stagger"/>. An address that is silent thus
/// delays the others, and does not keep them from being tried.
/// </summary>
public static class AddressRace
{
    /// <summary>The "Connection Attempt Delay" of section 5.</summary>
    public static readonly TimeSpan Stagger = TimeSpan.FromMilliseconds(250);

    /// <summary>Runs a race.</summary>
    /// <param name="addresses">The addresses, the preferred first (section 3); at least one.</param>
    /// <param name="connect">Connects to an address; what it throws is that address's failure.</param>
    /// <param name="patience">How long all attempts may take together.</param>
    /// <param name="clock">Measures time.</param>
    /// <param name="cancellation">Ends all attempts.</param>
    /// <returns>The connection, the caller's. All others are canceled, and disposed where they were made all the same.</returns>
    /// <exception cref="ConnectException">No address has answered with a connection.</exception>
    /// <exception cref="OperationCanceledException">It was canceled.</exception>
    public static async Task<T> RunAsync<T>(
        IReadOnlyList<IPAddress> addresses, Func<IPAddress, CancellationToken, Task<T>> connect, TimeSpan patience, TimeProvider clock,
        CancellationToken cancellation)
        where T : class, IDisposable
    {
        ArgumentNullException.ThrowIfNull(addresses);
        ArgumentNullException.ThrowIfNull(connect);
        using var timeout = new CancellationTokenSource(patience, clock);
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation, timeout.Token);
        List<(IPAddress Address, Task<T> Attempt)> attempts = [];
        try
        {
            foreach (IPAddress address in Alternate(addresses))
            {
                Task<T> attempt = connect(address, ending.Token);
                attempts.Add((address, attempt));
                using CancellationTokenSource waiting = CancellationTokenSource.CreateLinkedTokenSource(ending.Token);
                Task stagger = Task.Delay(Stagger, clock, waiting.Token);
                // Until it is the next one's turn: this one has failed, or time has passed. Any of them may succeed meanwhile.
                while (!stagger.IsCompleted && !attempt.IsCompleted)
                {
                    await Task.WhenAny([stagger, .. Open()]);
                    if (Winner(attempts) is { } early)
                        return early;
                }
                await waiting.CancelAsync();
                if (Winner(attempts) is { } winner)
                    return winner;
                if (ending.IsCancellationRequested)
                    break;
            }
            Task ended = Task.Delay(Timeout.InfiniteTimeSpan, ending.Token);
            while (!ended.IsCompleted && attempts.Any(one => !one.Attempt.IsCompleted))
            {
                await Task.WhenAny([ended, .. Open()]);
                if (Winner(attempts) is { } late)
                    return late;
            }
            cancellation.ThrowIfCancellationRequested();
            throw Failure(attempts);
        }
        finally
        {
            await ending.CancelAsync();
            T? winner = Winner(attempts);
            foreach ((_, Task<T> attempt) in attempts)
                _ = DisposeAsync(attempt, winner);
        }

        IEnumerable<Task> Open() => [.. attempts.Select(one => one.Attempt).Where(one => !one.IsCompleted)];
    }

    /// <summary>The addresses with their families in turn, beginning with the first's (section 4).</summary>
    internal static IEnumerable<IPAddress> Alternate(IReadOnlyList<IPAddress> addresses)
    {
        IPAddress[] first = [.. addresses.Where(address => address.AddressFamily == addresses[0].AddressFamily)];
        IPAddress[] second = [.. addresses.Where(address => address.AddressFamily != addresses[0].AddressFamily)];
        for (int i = 0; i < Math.Max(first.Length, second.Length); i++)
        {
            if (i < first.Length)
                yield return first[i];
            if (i < second.Length)
                yield return second[i];
        }
    }

    private static T? Winner<T>(List<(IPAddress Address, Task<T> Attempt)> attempts)
        where T : class => attempts.FirstOrDefault(one => one.Attempt.IsCompletedSuccessfully).Attempt?.Result;

    private static ConnectException Failure<T>(List<(IPAddress Address, Task<T> Attempt)> attempts)
    {
        // One that was canceled, or still goes on, has no exception.
        Exception?[] failures = [.. attempts.Select(one => one.Attempt.Exception?.InnerException)];
        SocketError?[] errors = [.. failures.Select(failure => (failure as SocketException)?.SocketErrorCode).Distinct()];
        string message = string.Join("; ", attempts.Zip(failures, (one, failure) =>
            failure is null ? $"{one.Address} does not answer" : $"{one.Address}: {failure.Message.TrimEnd('.')}"));
        SocketError? common = errors.Length == 1 ? errors[0] : null;
        return new ConnectException(message, common, failures.FirstOrDefault(failure => failure is not null));
    }

    private static async Task DisposeAsync<T>(Task<T> attempt, T? winner)
        where T : class, IDisposable
    {
        await ((Task)attempt).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (attempt.IsCompletedSuccessfully && attempt.Result != winner)
            attempt.Result.Dispose();
    }
}
