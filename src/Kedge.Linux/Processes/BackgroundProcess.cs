using System.Collections;
using System.Globalization;
using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Linux.Namespaces;
using Kedge.Protocol;

namespace Kedge.Linux.Processes;

/// <summary>
/// A process started in a session of its own, which goes on when this one ends, as daemons do. It says by <see cref="SignalReady"/> that it
/// is at work. Its standard input and output are <c>/dev/null</c>, and its standard error is a pipe to <see cref="WaitReady"/>: it never
/// holds this process's own, whose readers may be waiting for their end. (A copy of them in the process could not be closed: the runtime
/// makes some at its start.) Disposal closes this end only.
/// </summary>
public sealed unsafe class BackgroundProcess : IDisposable
{
    private const string ReadyVariable = "KEDGE_READY_FD";

    /// <summary>
    /// More bytes than either <c>posix_spawnattr_t</c> (336) or <c>posix_spawn_file_actions_t</c> (80) has in any C library.
    /// </summary>
    private const int OpaqueLength = 512;

    private readonly ProcessHandle? _handle; // null: it has ended, and somebody else has waited for it
    private readonly Descriptor _ready;
    private readonly Descriptor _error;

    private BackgroundProcess(int id, ProcessHandle? handle, Descriptor ready, Descriptor error)
    {
        Id = id;
        _handle = handle;
        _ready = ready;
        _error = error;
    }

    /// <summary>Whether this is a process that <see cref="Start"/> started, and it has not called <see cref="SignalReady"/> yet.</summary>
    public static bool IsThis => Environment.GetEnvironmentVariable(ReadyVariable) is not null;

    /// <summary>The process's number.</summary>
    public int Id { get; }

    /// <summary>Starts a program. All descriptors of this process but the standard ones and those named are marked close-on-exec.</summary>
    /// <param name="program">The program's file.</param>
    /// <param name="commandLine">Its command line, starting with the name it is called by.</param>
    /// <param name="inherited">Descriptors that it gets under the same numbers.</param>
    /// <exception cref="LinuxException">It could not be started.</exception>
    public static BackgroundProcess Start(string program, IReadOnlyList<string> commandLine, params ReadOnlySpan<int> inherited)
    {
        (Descriptor ready, Descriptor readyWriter) = CreatePipe();
        (Descriptor error, Descriptor errorWriter) = CreatePipe();
        using (readyWriter)
        using (errorWriter)
        {
            try
            {
                // Whatever our own starter left open without that mark must not stay open in a daemon.
                _ = Descriptor.Check(Libc.close_range(3, uint.MaxValue, Libc.CLOSE_RANGE_CLOEXEC), "mark", "descriptors");
                int id = Spawn(program, commandLine, errorWriter.Number, [readyWriter.Number, .. inherited]);
                return new BackgroundProcess(id, ProcessHandle.OfChild(id), ready, error);
            }
            catch
            {
                ready.Dispose();
                error.Dispose();
                throw;
            }
        }
    }

    /// <summary>
    /// In the process that <see cref="Start"/> started: tells the starter that this one is at work. In any other process, and the second
    /// time, it does nothing.
    /// </summary>
    public static void SignalReady()
    {
        string? variable = Environment.GetEnvironmentVariable(ReadyVariable);
        if (!int.TryParse(variable, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            return;
        Environment.SetEnvironmentVariable(ReadyVariable, null);
        using var pipe = new Descriptor(number);
        byte ready = 1;
        _ = Libc.write(number, &ready, 1); // Where the starter is gone, nobody wants to know.
    }

    /// <summary>Blocks until the process says that it is at work, or ends.</summary>
    /// <param name="timeout">How long at most; <see cref="Timeout.InfiniteTimeSpan"/> for as long as it takes.</param>
    /// <param name="told">Handed what the process writes to its standard error meanwhile; null throws it away.</param>
    /// <returns>Whether it said so; false where it ended first, or the time has passed.</returns>
    public bool WaitReady(TimeSpan timeout, Action<ReadOnlySpan<byte>>? told = null)
    {
        Span<Libc.Pollfd> pipes = stackalloc Libc.Pollfd[2];
        pipes[0] = new() { Descriptor = _ready.Number, Events = Libc.POLLIN };
        pipes[1] = new() { Descriptor = _error.Number, Events = Libc.POLLIN };
        Instant deadline = timeout == Timeout.InfiniteTimeSpan ? Instant.Never : BootClock.Now + timeout;
        while (Poll.Wait(pipes, deadline))
        {
            // What was said before is passed on before anything else: it may be why the process has ended.
            if (pipes[1].Returned != 0)
            {
                if (!PassOn(told))
                    pipes[1].Descriptor = -1; // poll(2) passes over negative ones.
                continue;
            }
            byte ready;
            return Libc.read(_ready.Number, &ready, 1) == 1;
        }
        return false;
    }

    /// <summary>Sends a signal, unless the process has ended.</summary>
    /// <exception cref="LinuxException">This process may not do that.</exception>
    public void Signal(ProcessSignal signal) => _handle?.Signal(signal);

    /// <summary>Blocks until the process has ended. One thread at a time.</summary>
    /// <returns>
    /// Its exit code; 128 and the signal's number where a signal ended it, as a shell has it. Null where the code is lost, because
    /// something else in this process has waited for it.
    /// </returns>
    public int? WaitForExit()
    {
        _handle?.WaitForExit(Timeout.InfiniteTimeSpan);
        int status, waited;
        while ((waited = Libc.waitpid(Id, &status, 0)) < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR)
        {
            // Interrupted by a signal.
        }
        if (waited < 0)
            return null;
        int signal = status & 0x7F;
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _handle?.Dispose();
        _ready.Dispose();
        _error.Dispose();
    }

    private static (Descriptor Read, Descriptor Write) CreatePipe()
    {
        int* ends = stackalloc int[2];
        _ = Descriptor.Check(Libc.pipe2(ends, Libc.O_CLOEXEC), "create", "pipe");
        return (new Descriptor(ends[0]), new Descriptor(ends[1]));
    }

    private static int Spawn(string program, IReadOnlyList<string> commandLine, int error, ReadOnlySpan<int> inherited)
    {
        IEnumerable<string> environment =
            from DictionaryEntry variable in Environment.GetEnvironmentVariables()
            where (string)variable.Key != ReadyVariable
            select $"{variable.Key}={variable.Value}";
        using var argv = new NativeStrings(commandLine);
        using var envp = new NativeStrings([.. environment, $"{ReadyVariable}={inherited[0]}"]);
        byte* actions = stackalloc byte[OpaqueLength];
        byte* attributes = stackalloc byte[OpaqueLength];
        Check(Libc.posix_spawn_file_actions_init(actions), program);
        try
        {
            Check(Libc.posix_spawnattr_init(attributes), program);
            try
            {
                Check(Libc.posix_spawn_file_actions_addopen(actions, 0, "/dev/null", Libc.O_RDONLY, 0), program);
                Check(Libc.posix_spawn_file_actions_addopen(actions, 1, "/dev/null", Libc.O_WRONLY, 0), program);
                Check(Libc.posix_spawn_file_actions_adddup2(actions, error, 2), program);
                foreach (int number in inherited)
                    Check(Libc.posix_spawn_file_actions_adddup2(actions, number, number), program); // Takes the close-on-exec mark away.
                SetSession(attributes, program);
                int id;
                Check(Libc.posix_spawn(&id, program, actions, attributes, argv.Pointers, envp.Pointers), program);
                return id;
            }
            finally
            {
                _ = Libc.posix_spawnattr_destroy(attributes);
            }
        }
        finally
        {
            _ = Libc.posix_spawn_file_actions_destroy(actions);
        }
    }

    /// <summary>A new session, no signal blocked, and SIGPIPE, which the runtime ignores, with its default effect.</summary>
    private static void SetSession(byte* attributes, string program)
    {
        const int SetLength = 128; // sigset_t
        byte* signals = stackalloc byte[SetLength];
        new Span<byte>(signals, SetLength).Clear();
        Check(Libc.posix_spawnattr_setsigmask(attributes, signals), program);
        *(nuint*)signals = (nuint)1 << (Libc.SIGPIPE - 1);
        Check(Libc.posix_spawnattr_setsigdefault(attributes, signals), program);
        const short Flags = Libc.POSIX_SPAWN_SETSID | Libc.POSIX_SPAWN_SETSIGMASK | Libc.POSIX_SPAWN_SETSIGDEF;
        Check(Libc.posix_spawnattr_setflags(attributes, Flags), program);
    }

    /// <summary>Hands on what there is to read of the process's standard error.</summary>
    /// <returns>Whether there may be more; false at its end.</returns>
    private bool PassOn(Action<ReadOnlySpan<byte>>? told)
    {
        byte* buffer = stackalloc byte[1024];
        nint length = Libc.read(_error.Number, buffer, 1024);
        if (length <= 0)
            return length < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR;
        told?.Invoke(new ReadOnlySpan<byte>(buffer, (int)length));
        return true;
    }

    private static void Check(int error, string program)
    {
        if (error != 0)
            throw new LinuxException(error, "start", program);
    }
}
