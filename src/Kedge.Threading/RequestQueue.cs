using System.Collections.Concurrent;

namespace Kedge.Threading;

/// <summary>What other threads want done on the thread that owns something.</summary>
/// <param name="wake">Ends the wait of that thread, if it waits; called by any thread.</param>
public sealed class RequestQueue(Action wake)
{
    private readonly ConcurrentQueue<Action> _requests = new();

    /// <summary>Has something done on the owning thread, in the order of the calls. Any thread.</summary>
    public void Post(Action request)
    {
        _requests.Enqueue(request);
        wake();
    }

    /// <summary>Does what was posted, on the calling thread, which is the owning one. What a request throws is thrown here.</summary>
    public void RunAll()
    {
        while (_requests.TryDequeue(out Action? request))
            request();
    }
}
