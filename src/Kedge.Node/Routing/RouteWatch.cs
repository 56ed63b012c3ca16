using Kedge.Linux;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Netlink;

namespace Kedge.Node.Routing;

/// <summary>
/// Notices when others change what <see cref="Router"/> has set for an interface: the interface itself, its addresses, its routes, and the
/// rules of all overlay interfaces, whose prefixes belong to one of them each. One thread waits; any thread ends its wait. Whoever made it
/// disposes it, after that thread has ended.
/// </summary>
public sealed class RouteWatch : IDisposable
{
    private readonly string _interfaceName;
    private readonly RouteMonitor _monitor;
    private int _index;
    private (bool IsUp, int Mtu) _state;
    private volatile bool _isCancelled;

    /// <summary>Begins to watch.</summary>
    /// <param name="interfaceName">The interface, which need not exist yet.</param>
    /// <param name="inside">Where it is; null for the calling thread's namespace.</param>
    /// <exception cref="LinuxException">There is no such namespace, or the kernel refused.</exception>
    public RouteWatch(string interfaceName, NetworkNamespace? inside)
    {
        _interfaceName = interfaceName;
        _monitor = RouteMonitor.Open(inside);
        using RouteSocket kernel = RouteSocket.Open(inside);
        if (kernel.FindLink(interfaceName) is { } link)
            Note(link);
    }

    /// <summary>Blocks until something was changed, by whomever.</summary>
    /// <returns>Whether something was; false after <see cref="Cancel"/>.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public bool Wait()
    {
        while (!_isCancelled)
        {
            bool concerns = false;
            while (_monitor.TryRead(out RouteChange change))
                concerns |= Concerns(change);
            if (concerns)
                return true;
            _monitor.Wait();
        }
        return false;
    }

    /// <summary>Ends the current and every later <see cref="Wait"/>.</summary>
    public void Cancel()
    {
        _isCancelled = true;
        _monitor.Wake();
    }

    /// <inheritdoc/>
    public void Dispose() => _monitor.Dispose();

    private bool Concerns(RouteChange change) => change.Kind switch
    {
        RouteChangeKind.Link => change.Link!.Name == _interfaceName && (Note(change.Link) | change.IsDeleted),
        RouteChangeKind.Address => change.IsDeleted && change.Index == _index,
        RouteChangeKind.Route => change.IsDeleted && change.Table == OverlayRules.TableOf(_index),
        // The rule for the main table does not say whose it is.
        RouteChangeKind.Rule => change.Protocol == Router.Protocol && (change.IsDeleted || change.Table != OverlayRules.TableOf(_index)),
        _ => true,
    };

    /// <returns>Whether it is another than before.</returns>
    private bool Note(NetworkLink link)
    {
        bool isChanged = link.Index != _index || (link.IsUp, link.Mtu) != _state;
        (_index, _state) = (link.Index, (link.IsUp, link.Mtu));
        return isChanged;
    }
}
