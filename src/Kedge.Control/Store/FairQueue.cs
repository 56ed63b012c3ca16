using System.Diagnostics.CodeAnalysis;
using Kedge.Control.Scheduling;

namespace Kedge.Control.Store;

/// <summary>
/// A queue with lanes that take turns: <see cref="Lane.Controller"/> has every other turn, and the other lanes share the rest. Any thread may
/// add; one thread takes.
/// </summary>
/// <param name="most">How many items may wait, not counting those of <see cref="Lane.Controller"/>.</param>
internal sealed class FairQueue<T>(int most) : IDisposable
    where T : class
{
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _waiting = new(0);
    private readonly Queue<T> _first = new();
    private readonly RoundRobin<Lane, T> _others = new();
    private bool _firstWasServed;
    private bool _isClosed;

    /// <summary>Adds an item at the end of its lane.</summary>
    /// <returns>Whether it was added, or why not.</returns>
    public QueueOutcome TryAdd(Lane lane, T item)
    {
        lock (_lock)
        {
            if (_isClosed)
                return QueueOutcome.Closed;
            if (lane == Lane.Controller)
                _first.Enqueue(item);
            else if (_others.Count < most)
                _others.Add(lane, item);
            else
                return QueueOutcome.Full;
            _waiting.Release();
            return QueueOutcome.Added;
        }
    }

    /// <summary>Takes the next item; blocks until there is one.</summary>
    /// <returns>False once the queue is closed and empty.</returns>
    public bool TryTake([MaybeNullWhen(false)] out T item)
    {
        _waiting.Wait();
        return TryTakeNext(out item);
    }

    /// <summary>Takes the next item if there is one.</summary>
    public bool TryTakeWaiting([MaybeNullWhen(false)] out T item)
    {
        item = default;
        return _waiting.Wait(0) && TryTakeNext(out item);
    }

    /// <summary>Closes the queue: nothing can be added, but what is in it can still be taken.</summary>
    /// <returns>False if it was closed already.</returns>
    public bool TryClose()
    {
        lock (_lock)
        {
            if (_isClosed)
                return false;
            _isClosed = true;
            _waiting.Release();
            return true;
        }
    }

    public void Dispose() => _waiting.Dispose();

    private bool TryTakeNext([MaybeNullWhen(false)] out T item)
    {
        lock (_lock)
        {
            if (_first.Count > 0 && !(_firstWasServed && _others.Count > 0))
            {
                _firstWasServed = true;
                item = _first.Dequeue();
                return true;
            }
            _firstWasServed = false;
            if (_others.TryTakeNext(out item))
                return true;
            _waiting.Release(); // closed, and it stays so
            return false;
        }
    }
}

/// <summary>Whether an item was added to a queue.</summary>
internal enum QueueOutcome
{
    /// <summary>It was added.</summary>
    Added,

    /// <summary>Too many items wait already.</summary>
    Full,

    /// <summary>The queue is closed.</summary>
    Closed,
}
