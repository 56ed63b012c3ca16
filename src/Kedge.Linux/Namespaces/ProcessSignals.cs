using System.Runtime.InteropServices;

namespace Kedge.Linux.Namespaces;

/// <summary>A signal of signal(7), by its number.</summary>
public enum ProcessSignal
{
    /// <summary>None: only tells whether the process is there.</summary>
    None = 0,

    /// <summary>SIGHUP: the terminal is gone, or, for a process that runs without one, its settings have changed.</summary>
    HangUp = 1,

    /// <summary>SIGINT, what Ctrl-C sends.</summary>
    Interrupt = 2,

    /// <summary>SIGKILL, which no process can catch.</summary>
    Kill = 9,

    /// <summary>SIGTERM, the polite request to end.</summary>
    Terminate = 15,

    /// <summary>SIGCONT: go on.</summary>
    Continue = 18,

    /// <summary>SIGSTOP: stand still, which no process can catch.</summary>
    Stop = 19,
}

/// <summary>Sends signals to processes, which the base library can do for SIGKILL alone.</summary>
public static class ProcessSignals
{
    private const int NoSuchProcess = 3; // ESRCH

    /// <summary>Sends a signal to one process.</summary>
    /// <param name="processId">The process, greater than 0: groups of processes are not meant here.</param>
    /// <param name="signal">The signal.</param>
    /// <returns>Whether there is such a process.</returns>
    /// <exception cref="LinuxException">This process may not do that (EPERM).</exception>
    public static bool Send(int processId, ProcessSignal signal)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(processId);
        if (NamespaceCalls.Kill(processId, (int)signal) == 0)
            return true;
        if (Marshal.GetLastPInvokeError() is var error and not NoSuchProcess)
            throw new LinuxException(error, "kill", $"{processId}");
        return false;
    }
}
