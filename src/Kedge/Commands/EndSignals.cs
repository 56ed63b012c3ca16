using System.Runtime.InteropServices;

namespace Kedge.Commands;

/// <summary>
/// Takes SIGTERM and SIGINT for as long as it is not disposed. They then do not have their own effect, which would leave no time to end in
/// order, and which what was started, and is to go on, would not survive.
/// </summary>
internal sealed class EndSignals : IDisposable
{
    private readonly PosixSignalRegistration _terminate, _interrupt;

    /// <summary>Takes them.</summary>
    /// <param name="end">Called for each signal, on a thread of the pool.</param>
    public EndSignals(Action end)
    {
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Take);
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Take);

        void Take(PosixSignalContext context)
        {
            context.Cancel = true;
            end();
        }
    }

    /// <summary>Gives them back their own effect.</summary>
    public void Dispose()
    {
        _terminate.Dispose();
        _interrupt.Dispose();
    }
}
