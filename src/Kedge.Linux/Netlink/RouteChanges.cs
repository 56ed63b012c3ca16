namespace Kedge.Linux.Netlink;

/// <summary>
/// Tells that routes, rules or addresses of a network namespace have changed, not which: somebody who needs to know asks the kernel what
/// holds now. One thread reads; wait for changes with a <see cref="Waiter"/>. Whoever opened it disposes it.
/// </summary>
public sealed class RouteChanges : IDisposable
{
    private readonly NetlinkEvents _events;

    /// <summary>Begins to watch the calling thread's network namespace.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public RouteChanges() => _events = new NetlinkEvents(NetlinkEvents.Routing);

    /// <summary>Whether a <see cref="Waiter"/> is not to be woken by changes, because the next look is planned anyway.</summary>
    public bool IsPaused { get; set; }

    /// <summary>What becomes readable when something changes.</summary>
    internal int Number => _events.Number;

    /// <summary>Forgets what has changed since the last call, without blocking.</summary>
    /// <returns>Whether anything has.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public bool Take()
    {
        bool any = false;
        while (_events.TryRead(out _))
            any = true;
        return _events.TakeLoss() || any;
    }

    /// <inheritdoc/>
    public void Dispose() => _events.Dispose();
}
