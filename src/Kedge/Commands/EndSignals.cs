using System.Runtime.InteropServices;

namespace Kedge.Commands;

/// <summary>
/// Handles, until it is disposed, all signals that ask a process to end or end it by default: SIGTERM and SIGINT, SIGHUP of a terminal that
/// closes, and SIGUSR1, SIGUSR2 and SIGALRM. Their default effect would leave no time to clean up. Signals that the process was started
/// to ignore, such as SIGHUP by nohup(1), stay ignored.
/// </summary>
internal sealed class EndSignals : IDisposable
{
    // signal(7); those without a name in .NET are the same on x86-64 and ARM64.
    private static readonly PosixSignal[] s_signals =
        [PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGHUP, (PosixSignal)10, (PosixSignal)12, (PosixSignal)14];

    private readonly PosixSignalRegistration[] _registrations;

    /// <summary>Starts to handle them.</summary>
    /// <param name="end">Called for each signal, on a thread of the pool.</param>
    /// <param name="exceptHangUp">Whether SIGHUP is left out, because it means something else to the process.</param>
    public EndSignals(Action end, bool exceptHangUp = false)
    {
        IEnumerable<PosixSignal> signals = s_signals.Where(signal => signal != PosixSignal.SIGHUP || !exceptHangUp);
        _registrations = [.. signals.Select(signal => PosixSignalRegistration.Create(signal, Take))];

        void Take(PosixSignalContext context)
        {
            context.Cancel = true;
            end();
        }
    }

    /// <summary>Restores their default effect.</summary>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
    }
}
