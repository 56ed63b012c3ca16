using Kedge.Linux;
using Kedge.Linux.Netlink;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>
/// Keeps peers from being answered on a way that is not the best any more. What is sent to a peer leaves from the address that the peer
/// spoke to and by the interface that it came in by, until the routes change: then the kernel is asked again, and where it would take
/// another interface for that address, both are left, as the kernel's WireGuard does.
/// <para>
/// It also asks the kernel how long packets may be on the way to a stock peer, which answers no probes: the MTU of the interface, or what was
/// set or learned for the route, which ICMP errors can forge and which is therefore believed down to <see cref="MtuSearch.SafeMtu"/> alone. TCP
/// is cut to that.
/// </para>
/// Owned by the handshake thread, of which it takes only a little time at once, however many peers there are.
/// </summary>
public sealed class PathReview : IDisposable
{
    /// <summary>How long changes are gathered before the first look.</summary>
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(200);

    /// <summary>The time from one look to the next.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    /// <summary>How often it looks although nothing is known to have changed: what the kernel learns of a route it tells nobody.</summary>
    private static readonly TimeSpan LongInterval = TimeSpan.FromMinutes(1);

    /// <summary>Questions to the kernel at one look; each takes some ten microseconds.</summary>
    private const int QuestionsAtOnce = 200;

    private readonly WireGuardDevice _wireGuard;
    private readonly RouteChanges _changes;
    private readonly RouteSocket _kernel;
    private readonly Dictionary<int, int> _linkMtus = []; // by index, of one walk
    private PeerTunnel[] _peers = [];
    private int _next;
    private bool _onlyNew; // of this walk: it is only for paths that nothing is known of
    private int _pathChanges;
    private Instant _lookAt = Instant.Never; // of the walk that is under way or planned
    private Instant _allAt;

    /// <summary>Begins to watch.</summary>
    /// <param name="wireGuard">The state of the tunnels.</param>
    /// <param name="changes">The changes, in the network namespace of the UDP port; the caller's.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public PathReview(WireGuardDevice wireGuard, RouteChanges changes)
    {
        (_wireGuard, _changes) = (wireGuard, changes);
        _kernel = RouteSocket.Open();
    }

    /// <summary>Does what is due now.</summary>
    /// <param name="now">The time.</param>
    /// <param name="mark">The firewall mark of our datagrams.</param>
    /// <returns>When there is something to do again, unless routes or paths change before.</returns>
    public Instant Poll(Instant now, uint mark)
    {
        if (_lookAt == Instant.Never && !TryPlan(now))
            return _allAt;
        if (now < _lookAt)
            return _lookAt;
        if (_next == _peers.Length)
            Begin();
        for (int questions = 0; _next < _peers.Length && questions < QuestionsAtOnce; _next++)
        {
            PeerTunnel peer = _peers[_next];
            if (peer.Path is not { Relay: null } path || (_onlyNew && !IsUnknown(peer, path)))
                continue;
            Review(peer, path, mark);
            questions++;
        }
        if (_next < _peers.Length)
            return _lookAt = now + Interval;
        _lookAt = Instant.Never;
        _changes.IsPaused = false;
        return _allAt;
    }

    /// <inheritdoc/>
    public void Dispose() => _kernel.Dispose();

    private static bool IsUnknown(PeerTunnel peer, PeerPath path) =>
        peer.PathFinder is null && path.Mtu == PeerPath.UnknownMtu && !path.Remote.IsNone;

    private bool TryPlan(Instant now)
    {
        bool isAll = _changes.Take() || now >= _allAt;
        if (!isAll && _wireGuard.PathChanges == _pathChanges)
            return false;
        _onlyNew = !isAll;
        _changes.IsPaused = isAll;
        _lookAt = isAll ? now + Delay : now;
        return true;
    }

    private void Begin()
    {
        if (!_onlyNew)
        {
            _changes.Take();
            _allAt = BootClock.Now + LongInterval;
        }
        _pathChanges = _wireGuard.PathChanges;
        _linkMtus.Clear();
        _peers = [.. _wireGuard.Peers];
        _next = 0;
    }

    private void Review(PeerTunnel peer, PeerPath path, uint mark)
    {
        if (!path.Left.IsNone && FindRoute(path.Remote, path.Left, mark) is { IsBest: true })
            peer.TryRefinePath(path, path = path with { Left = default });
        RouteAnswer answer = FindRoute(path.Remote, path.Local, mark);
        if (!path.Local.IsNone && answer.IsBest is false)
        {
            peer.TryRefinePath(path, path = path with { Local = default, Left = path.Local });
            answer = FindRoute(path.Remote, default, mark);
        }
        if (peer.PathFinder is null && answer.Mtu != 0 && answer.Mtu != path.Mtu)
            peer.TryRefinePath(path, path with { Mtu = answer.Mtu });
    }

    private RouteAnswer FindRoute(Endpoint remote, Endpoint local, uint mark)
    {
        try
        {
            Route? route = _kernel.FindRoute(remote, local.Address, mark);
            int index = route?.Index ?? 0;
            return new RouteAnswer(local.ScopeId == 0 || index == local.ScopeId, index == 0 ? 0 : MtuOf(index, route!.Mtu));
        }
        catch (LinuxException e)
        {
            return new RouteAnswer(e.Errno == Errno.EINVAL ? false : null, 0); // not this machine's address any more
        }
    }

    private int MtuOf(int index, int ofRoute)
    {
        if (!_linkMtus.TryGetValue(index, out int mtu))
            _linkMtus[index] = mtu = _kernel.FindLink(index)?.Mtu ?? 0;
        return ofRoute == 0 ? mtu : Math.Min(mtu, Math.Max(ofRoute, MtuSearch.SafeMtu));
    }

    /// <summary>What the kernel says of a way.</summary>
    /// <param name="IsBest">
    /// Whether it would take this one; null where there is none to the peer at present; which one there will be, the next change tells.
    /// </param>
    /// <param name="Mtu">Bytes of the longest packet there; 0 where that is not known.</param>
    private readonly record struct RouteAnswer(bool? IsBest, int Mtu);
}
