namespace Kedge.Linux.Interop;

/// <summary>
/// An eventfd with which any thread ends another thread's wait. Signals are not counted: any number of them before a wait ends that wait.
/// A signal after disposal does nothing.
/// </summary>
internal sealed unsafe class WakeEvent : IDisposable
{
    private readonly Descriptor _descriptor =
        Descriptor.From(Libc.eventfd(0, Libc.EFD_NONBLOCK | Libc.EFD_CLOEXEC), "create", "eventfd");

    /// <summary>What to wait on, for reading.</summary>
    public int Number => _descriptor.Number;

    /// <summary>Makes the descriptor readable.</summary>
    public void Signal()
    {
        bool held = false;
        try
        {
            _descriptor.DangerousAddRef(ref held);
            ulong one = 1;
            _ = Libc.write(_descriptor.Number, &one, sizeof(ulong)); // Fails only where 2^64 - 2 signals are waiting already.
        }
        catch (ObjectDisposedException)
        {
            // Nobody waits any more.
        }
        finally
        {
            if (held)
                _descriptor.DangerousRelease();
        }
    }

    /// <summary>Makes the descriptor unreadable until the next signal; returns whether there was one.</summary>
    public bool TryConsume()
    {
        ulong count;
        return Libc.read(_descriptor.Number, &count, sizeof(ulong)) > 0;
    }

    public void Dispose() => _descriptor.Dispose();
}
