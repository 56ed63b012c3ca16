using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Kedge.Linux.Namespaces;
using Kedge.Threading;

namespace Kedge.Demo;

/// <summary>
/// A program that was started and whose output is kept. Whoever started it disposes it, which ends the program. Any thread may use it.
/// One that was not to be run to its end gets SIGTERM when this process dies, however it dies.
/// </summary>
public sealed class RunningProcess : IDisposable
{
    private const string Here = "on this host";

    private static readonly TimeSpan GracePeriod = TimeSpan.FromSeconds(3);

    // Until all has been read that a program has written which ran to its end: on a busy machine the reader's turn is late. Not longer,
    // because a descendant of the program may have its streams, and then they do not end.
    private static readonly TimeSpan ReadingPeriod = TimeSpan.FromSeconds(3);

    private readonly Process _process;
    private readonly string _where;
    private readonly Lock _lock = new();
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();

    // Counts the streams read to their end. They may outlive the program: what it leaves in the background inherits them.
    private readonly CountdownEvent _streams = new(2);
    private bool _disposed;
    private int _exitCode;

    private RunningProcess(Command command, string where, Process process)
    {
        Command = command;
        _where = where;
        _process = process;
        ProcessId = process.Id;
        // On threads of their own: where all of the pool's are busy, what a program has said would be seen too late.
        StartReading(process.StandardOutput, _output);
        StartReading(process.StandardError, _error);
    }

    /// <summary>What was started.</summary>
    public Command Command { get; }

    /// <summary>The program's process id.</summary>
    public int ProcessId { get; }

    /// <summary>Whether the program has ended.</summary>
    public bool HasExited => _disposed || _process.HasExited;

    /// <summary>What the program has written to its standard output so far, in whole lines.</summary>
    public string Output
    {
        get
        {
            lock (_lock)
                return _output.ToString();
        }
    }

    /// <summary>What the program has written to its standard error so far, in whole lines.</summary>
    public string Error
    {
        get
        {
            lock (_lock)
                return _error.ToString();
        }
    }

    /// <summary>Starts a program on this host itself.</summary>
    public static RunningProcess Start(Command command) => Start(command, Here, []);

    /// <summary>Runs a program to its end on this host itself; any exit code is fine.</summary>
    /// <exception cref="CommandException">It took longer than the command's timeout.</exception>
    public static CommandResult Run(Command command) => Run(command, Here, []);

    /// <summary>
    /// Waits until the program has written a line that contains <paramref name="part"/>, to either stream, and returns the line.
    /// </summary>
    /// <exception cref="CommandException">The program ended, or the time was over, without such a line.</exception>
    public string WaitForLine(string part, TimeSpan timeout)
    {
        string? found = null;
        bool ended = false;
        bool done = Wait.TryUntil(
            () =>
            {
                ended = HasExited; // before the search, so that its last words are not missed
                found = Find(part);
                return found is not null || ended;
            },
            timeout);
        if (found is null && done)
        {
            _streams.Wait(GracePeriod);
            found = Find(part);
        }
        return found ?? throw Failure($"no line with '{part}' {(done ? "before it ended" : $"within {timeout.TotalSeconds:0.###} s")}");
    }

    /// <summary>Waits until the program has ended by itself.</summary>
    /// <exception cref="CommandException">It did not within the time; it has been killed.</exception>
    public CommandResult WaitForExit(TimeSpan timeout)
    {
        if (!TryWaitForExit(timeout))
        {
            Kill();
            throw Failure($"still running after {timeout.TotalSeconds:0.###} s");
        }
        _streams.Wait(GracePeriod);
        return Result();
    }

    /// <summary>
    /// Ends the program, by SIGTERM, and by SIGKILL when it has not ended a second later. One that has ended already is fine.
    /// </summary>
    public CommandResult Stop()
    {
        Signal(ProcessSignal.Terminate);
        return TryWaitForExit(GracePeriod) ? WaitForExit(GracePeriod) : Kill();
    }

    /// <summary>Ends the program at once, by SIGKILL. One that has ended already is fine.</summary>
    public CommandResult Kill()
    {
        Signal(ProcessSignal.Kill);
        if (TryWaitForExit(GracePeriod))
            _streams.Wait(GracePeriod);
        return Result();
    }

    /// <summary>Sends a signal, unless the program has ended.</summary>
    public void Signal(ProcessSignal signal)
    {
        if (!HasExited) // It is our child: until we have seen it end, nobody else can get its id.
            ProcessSignals.Send(ProcessId, signal);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _exitCode = Stop().ExitCode;
        _disposed = true;
        _process.Dispose();
    }

    /// <summary>
    /// Starts a program by way of <paramref name="prefix"/>, such as <c>ip netns exec NAME</c>, which must replace itself by it.
    /// </summary>
    internal static RunningProcess Start(Command command, string where, IReadOnlyList<string> prefix) =>
        // The signal comes when the thread that started the program ends, not the process: hence a thread that never does.
        StartingThread.Run(() => Launch(command, where, ["setpriv", "--pdeathsig", "TERM", "--", .. prefix, .. command.Line])).Feed();

    /// <summary>Runs a program to its end.</summary>
    internal static CommandResult Run(Command command, string where, IReadOnlyList<string> prefix)
    {
        using RunningProcess process = Launch(command, where, [.. prefix, .. command.Line]).Feed();
        process.WaitForExit(command.Timeout);
        process._streams.Wait(ReadingPeriod);
        return process.Result();
    }

    private static RunningProcess Launch(Command command, string where, string[] line)
    {
        var start = new ProcessStartInfo(line[0], line[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["LC_ALL"] = "C";
        start.Environment["DOTNET_EnableDiagnostics"] = "0"; // whose pipes a program that is killed leaves in the folder of temporary files
        foreach ((string name, string value) in command.Environment)
            start.Environment[name] = value;
        return new RunningProcess(command, where, Process.Start(start)!);
    }

    private RunningProcess Feed()
    {
        try
        {
            _process.StandardInput.Write(Command.Input);
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It did not want to read it all; its exit code says whether that is a failure.
        }
        return this;
    }

    private string? Find(string part) =>
        (Output + Error).Split('\n').FirstOrDefault(line => line.Contains(part, StringComparison.Ordinal));

    private CommandException Failure(string what) => new(Command, _where, what, Result());

    private bool TryWaitForExit(TimeSpan timeout) => _disposed || _process.WaitForExit(timeout);

    private CommandResult Result() => new(_disposed ? _exitCode : HasExited ? _process.ExitCode : -1, Output, Error);

    private void StartReading(StreamReader stream, StringBuilder kept) =>
        DedicatedThread.Start("reads output", () => Read(stream, kept), EndReading);

    private void Read(StreamReader stream, StringBuilder kept)
    {
        while (stream.ReadLine() is { } line)
            Keep(kept, line);
        _streams.Signal();
    }

    private void EndReading(Exception exception)
    {
        // Those two: disposed, while something that the program has left in the background still has its streams.
        if (exception is not (IOException or ObjectDisposedException))
            Keep(_error, exception.ToString());
        _streams.Signal();
    }

    private void Keep(StringBuilder kept, string line)
    {
        lock (_lock)
            kept.Append(line).Append('\n');
    }

    /// <summary>
    /// The one thread that starts programs. It lives as long as this process, and so does the claim of its children on a signal.
    /// </summary>
    private static class StartingThread
    {
        private static readonly BlockingCollection<Action> Requests = [];

        static StartingThread() => DedicatedThread.Start(
            "starts programs",
            () =>
            {
                foreach (Action request in Requests.GetConsumingEnumerable())
                    request();
            },
            exception => Console.Error.WriteLine(exception));

        public static RunningProcess Run(Func<RunningProcess> start)
        {
            var done = new TaskCompletionSource<RunningProcess>(TaskCreationOptions.RunContinuationsAsynchronously);
            Requests.Add(() =>
            {
                try
                {
                    done.SetResult(start());
                }
                catch (Exception e)
                {
                    done.SetException(e);
                }
            });
            return done.Task.GetAwaiter().GetResult();
        }
    }
}
