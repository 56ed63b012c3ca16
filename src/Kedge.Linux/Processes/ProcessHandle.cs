using System.Runtime.InteropServices;
using Kedge.Linux.Interop;
using Kedge.Linux.Namespaces;

namespace Kedge.Linux.Processes;

/// <summary>
/// A hold on a process that need not be a child of this one (a pidfd): signals reach it and nobody else, even where it ends meanwhile and
/// its number is used again. Any thread; whoever opened it disposes it, which does nothing to the process.
/// </summary>
public sealed unsafe class ProcessHandle : IDisposable
{
    private readonly Descriptor _descriptor;

    private ProcessHandle(int id, Descriptor descriptor)
    {
        Id = id;
        _descriptor = descriptor;
    }

    /// <summary>The process's number.</summary>
    public int Id { get; }

    /// <summary>Takes hold of a process; null where it has ended.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public static ProcessHandle? Open(ProcessIdentity identity)
    {
        if (Open(identity.Id) is not { } handle)
            return null;
        if (identity.IsAlive) // Only now, when the number can no longer become another's unnoticed.
            return handle;
        handle.Dispose();
        return null;
    }

    /// <summary>
    /// Takes hold of a child that was just started, whether or not it has ended: its number is nobody else's before it has been waited for.
    /// Null where somebody has done that.
    /// </summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    internal static ProcessHandle? OfChild(int id) => Open(id);

    /// <summary>Sends a signal.</summary>
    /// <returns>Whether the process was there to get it.</returns>
    /// <exception cref="LinuxException">This process may not do that.</exception>
    public bool Signal(ProcessSignal signal)
    {
        if (Libc.pidfd_send_signal(_descriptor.Number, (int)signal, null, 0) == 0)
            return true;
        if (Marshal.GetLastPInvokeError() is var error and not Errno.ESRCH)
            throw new LinuxException(error, "signal", $"process {Id}");
        return false;
    }

    /// <summary>Blocks until the process has ended.</summary>
    /// <param name="timeout">How long at most; <see cref="Timeout.InfiniteTimeSpan"/> for as long as it takes.</param>
    /// <returns>Whether it has.</returns>
    public bool WaitForExit(TimeSpan timeout)
    {
        Span<Libc.Pollfd> descriptors = [new() { Descriptor = _descriptor.Number, Events = Libc.POLLIN }];
        return Poll.Wait(descriptors, timeout == Timeout.InfiniteTimeSpan ? Protocol.Instant.Never : BootClock.Now + timeout);
    }

    /// <summary>Asks the process to end, and ends it where it does not.</summary>
    /// <param name="grace">How long it may take.</param>
    public void End(TimeSpan grace)
    {
        Signal(ProcessSignal.Terminate);
        if (WaitForExit(grace))
            return;
        Signal(ProcessSignal.Kill);
        WaitForExit(grace);
    }

    /// <inheritdoc/>
    public void Dispose() => _descriptor.Dispose();

    private static ProcessHandle? Open(int id)
    {
        int number = Libc.pidfd_open(id, 0);
        return number < 0 && Marshal.GetLastPInvokeError() is Errno.ESRCH or Errno.EINVAL
            ? null
            : new ProcessHandle(id, Descriptor.From(number, "open", $"process {id}"));
    }
}
