using System.Collections;
using System.Globalization;
using System.Runtime.InteropServices;
using Kedge.Linux.Interop;

namespace Kedge.Linux.Processes;

/// <summary>
/// A process started in a session of its own, which goes on when this one ends, as daemons do. Its standard input is <c>/dev/null</c>,
/// output and error are this process's. It says by <see cref="SignalReady"/> that it is at work. Disposal closes this end only.
/// </summary>
public sealed unsafe class BackgroundProcess : IDisposable
{
    private const string ReadyVariable = "KEDGE_READY_FD";

    /// <summary>
    /// More bytes than either <c>posix_spawnattr_t</c> (336) or <c>posix_spawn_file_actions_t</c> (80) has in any C library.
    /// </summary>
    private const int OpaqueLength = 512;

    private readonly Descriptor _ready;

    private BackgroundProcess(int id, Descriptor ready)
    {
        Id = id;
        _ready = ready;
    }

    /// <summary>The process's number.</summary>
    public int Id { get; }

    /// <summary>Starts a program. All descriptors of this process but the standard ones and those named are marked close-on-exec.</summary>
    /// <param name="program">The program's file.</param>
    /// <param name="commandLine">Its command line, starting with the name it is called by.</param>
    /// <param name="inherited">Descriptors that it gets under the same numbers.</param>
    /// <exception cref="LinuxException">It could not be started.</exception>
    public static BackgroundProcess Start(string program, IReadOnlyList<string> commandLine, params ReadOnlySpan<int> inherited)
    {
        int* ends = stackalloc int[2];
        _ = Descriptor.Check(Libc.pipe2(ends, Libc.O_CLOEXEC), "create", "pipe");
        var readEnd = new Descriptor(ends[0]);
        using var writeEnd = new Descriptor(ends[1]);
        try
        {
            // Whatever our own starter left open without that mark must not stay open in a daemon.
            _ = Descriptor.Check(Libc.close_range(3, uint.MaxValue, Libc.CLOSE_RANGE_CLOEXEC), "mark", "descriptors");
            return new BackgroundProcess(Spawn(program, commandLine, [writeEnd.Number, .. inherited]), readEnd);
        }
        catch
        {
            readEnd.Dispose();
            throw;
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
    /// <param name="timeout">How long at most.</param>
    /// <returns>Whether it said so; false where it ended first, or the time has passed.</returns>
    public bool WaitReady(TimeSpan timeout)
    {
        Libc.Pollfd readEnd = new() { Descriptor = _ready.Number, Events = Libc.POLLIN };
        byte ready;
        return Poll.Wait(new Span<Libc.Pollfd>(ref readEnd), timeout) && Libc.read(_ready.Number, &ready, 1) == 1;
    }

    /// <summary>Blocks until the process has ended.</summary>
    /// <returns>Its exit code; 128 and the signal's number where a signal ended it, as a shell has it.</returns>
    public int WaitForExit()
    {
        int status;
        while (Libc.waitpid(Id, &status, 0) < 0)
        {
            if (Marshal.GetLastPInvokeError() is var error and not Errno.EINTR)
                throw new LinuxException(error, "wait for", $"process {Id}");
        }
        int signal = status & 0x7F;
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal;
    }

    /// <inheritdoc/>
    public void Dispose() => _ready.Dispose();

    private static int Spawn(string program, IReadOnlyList<string> commandLine, ReadOnlySpan<int> inherited)
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

    /// <summary>A new session, no signal blocked, and SIGPIPE, which the runtime ignores, as it was by default.</summary>
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

    private static void Check(int error, string program)
    {
        if (error != 0)
            throw new LinuxException(error, "start", program);
    }
}
