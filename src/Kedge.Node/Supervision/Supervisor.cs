using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Processes;
using Kedge.Protocol;
using Kedge.Threading;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.Supervision;

/// <summary>A process to be kept running.</summary>
/// <param name="Name">What it is called in messages, such as <c>node process</c>.</param>
/// <param name="CommandLine">Its command line, starting with the name that it is called by.</param>
/// <param name="LogFile">The file that it appends its log to.</param>
/// <param name="Running">Finds the one that runs already, whoever started it; null where there is none.</param>
public sealed record SupervisedProcess(string Name, IReadOnlyList<string> CommandLine, string LogFile, Func<ProcessIdentity?> Running);

/// <summary>
/// Keeps processes running that outlive this one: each has a session of its own, one that runs already is adopted, and one that ends is
/// started again. When the supervisor ends it leaves them alone.
/// </summary>
/// <param name="program">The program's file, this one.</param>
/// <param name="log">Where starts, ends and failures are told.</param>
public sealed class Supervisor(string program, ILogger log)
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly List<ProcessIdentity> _started = [];

    /// <summary>
    /// Adopts the process that runs, or starts it and waits until it is at work; then watches it on a thread of its own, for as long as
    /// this
    /// process lives.
    /// </summary>
    /// <returns>Whether it was started; false where it ran already.</returns>
    /// <exception cref="UserError">It could not be started; the message is what it said.</exception>
    public bool Keep(SupervisedProcess process)
    {
        ProcessHandle? running = Adopt(process);
        BackgroundProcess? started = null;
        if (running is null)
        {
            started = Start(process, out string told);
            if (started is null)
                throw new UserError(told);
            lock (_lock)
                if (ProcessIdentity.Of(started.Id) is { } identity)
                    _started.Add(identity);
        }
        DedicatedThread.Start(
            $"watches the {process.Name}",
            () => Watch(process, running, started),
            exception => Log.WatchFailed(log, process.Name, exception));
        return started is not null;
    }

    /// <summary>Ends the processes that were started here, the last one first: for a start that fails half-way.</summary>
    public void EndStarted()
    {
        lock (_lock)
        {
            foreach (ProcessIdentity identity in Enumerable.Reverse(_started))
            {
                using ProcessHandle? handle = ProcessHandle.Open(identity);
                handle?.End(EndTimeout);
            }
            _started.Clear();
        }
    }

    private ProcessHandle? Adopt(SupervisedProcess process)
    {
        if (process.Running() is not { } identity || ProcessHandle.Open(identity) is not { } handle)
            return null;
        Log.ProcessAdopted(log, process.Name, identity.Id);
        return handle;
    }

    /// <summary>Starts the process; null where it ended before it was at work, or did not get there in time.</summary>
    private BackgroundProcess? Start(SupervisedProcess process, out string told)
    {
        using var error = new MemoryStream();
        using var complaints = new MemoryStream();
        using var follower = new LogFollower(process.LogFile, complaints);
        follower.SkipToEnd();
        BackgroundProcess started = BackgroundProcess.Start(program, process.CommandLine);
        if (started.WaitReady(StartTimeout, error.Write))
        {
            told = "";
            Log.ProcessStarted(log, process.Name, started.Id);
            return started;
        }
        started.Signal(ProcessSignal.Kill); // in case it hangs
        started.WaitForExit();
        started.Dispose();
        follower.Poll();
        told = LastWords(error);
        if (told.Length == 0)
            told = $"The {process.Name} did not start. {LastComplaint(complaints)}";
        return null;
    }

    private void Watch(SupervisedProcess process, ProcessHandle? adopted, BackgroundProcess? started)
    {
        var delay = new RestartDelay();
        Instant since = BootClock.Now;
        while (true)
        {
            int? exitCode = started?.WaitForExit();
            adopted?.WaitForExit(Timeout.InfiniteTimeSpan);
            started?.Dispose();
            adopted?.Dispose();
            Log.ProcessEnded(log, process.Name, exitCode?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "unknown");
            do
            {
                Thread.Sleep(delay.Next(BootClock.Now - since));
                since = BootClock.Now;
            }
            while (!TryRun(process, out adopted, out started));
        }
    }

    /// <summary>Adopts the process or starts it again. No exception leaves it: the next attempt may succeed.</summary>
    private bool TryRun(SupervisedProcess process, out ProcessHandle? adopted, out BackgroundProcess? started)
    {
        (adopted, started) = (null, null);
        try
        {
            adopted = Adopt(process);
            if (adopted is not null)
                return true;
            started = Start(process, out string told);
            if (started is null)
                Log.ProcessNotStarted(log, process.Name, told);
        }
        catch (LinuxException exception)
        {
            Log.ProcessNotStarted(log, process.Name, exception.Message);
        }
        catch (Exception exception)
        {
            Log.WatchFailed(log, process.Name, exception);
        }
        return started is not null;
    }

    /// <summary>The last line of a log that is an error or a warning, without its time and name.</summary>
    private static string LastComplaint(MemoryStream log)
    {
        string? line = System.Text.Encoding.UTF8.GetString(log.ToArray()).Split('\n')
            .LastOrDefault(line => line.Split(' ') is [_, "error" or "warning", ..]);
        return line is null ? "It gave no reason." : line[(line.IndexOf(": ", StringComparison.Ordinal) + 2)..];
    }

    /// <summary>What a process said to a person before it ended: the program's own prefix is not repeated.</summary>
    private static string LastWords(MemoryStream error)
    {
        const string Prefix = "kedge: ";
        string text = System.Text.Encoding.UTF8.GetString(error.ToArray()).Trim();
        return text.StartsWith(Prefix, StringComparison.Ordinal) ? text[Prefix.Length..] : text;
    }
}
