namespace Kedge.Threading;

/// <summary>
/// The one way to make a thread. An exception that escapes a thread's body goes to a handler and never ends the process. Threads are
/// background threads: they do not keep the process alive.
/// </summary>
public static class DedicatedThread
{
    /// <summary>Makes a thread that does not run before it is started.</summary>
    /// <param name="name">Its name, as a debugger and <c>ps -T</c> show it; Linux keeps the first 15 bytes.</param>
    /// <param name="body">What it does.</param>
    /// <param name="onFault">Receives the exception that ended the body, on the same thread. Must not throw.</param>
    public static Thread Create(string name, Action body, Action<Exception> onFault)
    {
        ArgumentNullException.ThrowIfNull(body);
        ArgumentNullException.ThrowIfNull(onFault);
        return new Thread(() => Guard(body, onFault)) { Name = name, IsBackground = true };
    }

    /// <summary>Makes a thread and starts it.</summary>
    /// <inheritdoc cref="Create"/>
    public static Thread Start(string name, Action body, Action<Exception> onFault)
    {
        Thread thread = Create(name, body, onFault);
        thread.Start();
        return thread;
    }

    /// <summary>Runs an action on a thread of its own, and returns when it has ended. What it throws is thrown here.</summary>
    /// <param name="name">The thread's name.</param>
    /// <param name="action">What to do, where the calling thread must not, such as entering a namespace.</param>
    public static void Run(string name, Action action) => RunAsync(name, action).GetAwaiter().GetResult();

    /// <summary>Runs an action on a thread of its own.</summary>
    /// <param name="name">The thread's name.</param>
    /// <param name="action">What to do, where the thread pool must not wait for it.</param>
    /// <returns>Ends when the action has ended, as it did.</returns>
    public static Task RunAsync(string name, Action action)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Start(
            name,
            () =>
            {
                action();
                ended.SetResult();
            },
            ended.SetException);
        return ended.Task;
    }

    private static void Guard(Action body, Action<Exception> onFault)
    {
        try
        {
            body();
        }
        catch (Exception exception)
        {
            onFault(exception);
        }
    }
}
