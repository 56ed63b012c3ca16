namespace Kedge.Linux.Interop;

/// <summary>
/// A descriptor that several threads use in non-blocking calls while its owner may close it: each brackets its calls with
/// <see cref="TryAcquire"/> and <see cref="Release"/>, so that nobody ever calls with a number that has come to mean something else.
/// </summary>
internal sealed class SharedDescriptor(Descriptor descriptor)
{
    private int _users = 1; // The owner is one of them.
    private volatile bool _closed;

    /// <summary>The descriptor's number; for those who have acquired it, and the owner.</summary>
    public int Number => descriptor.Number;

    /// <summary>Keeps the descriptor open until <see cref="Release"/>; false where it has been closed.</summary>
    public bool TryAcquire()
    {
        int users = Volatile.Read(ref _users);
        while (users != 0)
        {
            int seen = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (seen == users)
                return true;
            users = seen;
        }
        return false;
    }

    /// <summary>Ends what <see cref="TryAcquire"/> began.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _users) != 0)
            return;
        descriptor.Dispose();
        _closed = true;
    }

    /// <summary>
    /// Called by the owner, once nobody can find the descriptor any more: returns when the last user has left and it is closed.
    /// </summary>
    public void Close()
    {
        Release();
        var wait = new SpinWait();
        while (!_closed)
            wait.SpinOnce();
    }
}
