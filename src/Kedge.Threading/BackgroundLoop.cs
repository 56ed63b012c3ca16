namespace Kedge.Threading;

/// <summary>Background work that goes on until it is canceled, whatever happens in one round of it.</summary>
public static class BackgroundLoop
{
    /// <summary>The wait after a round that failed.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    /// <summary>Repeats the work. Ends only when it is canceled, and never fails.</summary>
    /// <param name="work">One round, which includes the wait for what starts it; a round that returns is followed by the next.</param>
    /// <param name="onFault">Receives what a round threw; the next one begins after <see cref="Pause"/>. Must not throw.</param>
    /// <param name="clock">Measures the pause.</param>
    /// <param name="ending">Ends the loop; also passed to the work.</param>
    public static async Task RunAsync(
        Func<CancellationToken, Task> work, Action<Exception> onFault, TimeProvider clock, CancellationToken ending)
    {
        ArgumentNullException.ThrowIfNull(work);
        ArgumentNullException.ThrowIfNull(onFault);
        while (!ending.IsCancellationRequested)
        {
            try
            {
                await work(ending);
            }
            catch (OperationCanceledException) when (ending.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                onFault(exception);
                await Task.Delay(Pause, clock, ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }
}
