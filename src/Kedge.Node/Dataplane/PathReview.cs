using Kedge.Linux;
using Kedge.Linux.Netlink;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Node.Dataplane;

/// <summary>
/// Keeps peers from being answered on a way that is not the best any more. What is sent to a peer leaves from the address that the peer
/// spoke to and by the interface that it came in by, until the routes change: then the kernel is asked again, and where it would take
/// another interface for that address, both are left, as the kernel's WireGuard does. Owned by the handshake thread, of which it takes only
/// a little time at once, however many peers there are.
/// </summary>
public sealed class PathReview : IDisposable
{
    /// <summary>How long changes are gathered before the first look.</summary>
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(200);

    /// <summary>The time from one look to the next.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    /// <summary>Questions to the kernel at one look; each takes some ten microseconds.</summary>
    private const int QuestionsAtOnce = 200;

    private readonly WireGuardDevice _wireGuard;
    private readonly RouteChanges _changes;
    private readonly RouteSocket _kernel;
    private PeerTunnel[] _peers = [];
    private int _next;
    private Instant _lookAt = Instant.Never;

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
    /// <returns>When there is something to do again, unless routes change before.</returns>
    public Instant Poll(Instant now, uint mark)
    {
        if (_lookAt == Instant.Never)
        {
            if (!_changes.Take())
                return Instant.Never;
            _changes.IsPaused = true;
            _lookAt = now + Delay;
        }
        if (now < _lookAt)
            return _lookAt;
        if (_next == _peers.Length)
            Begin();
        for (int questions = 0; _next < _peers.Length && questions < QuestionsAtOnce; _next++)
        {
            if (_peers[_next].Path is { Relay: null } path)
            {
                Review(_peers[_next], path, mark);
                questions++;
            }
        }
        _lookAt = _next < _peers.Length ? now + Interval : Instant.Never;
        _changes.IsPaused = _lookAt != Instant.Never;
        return _lookAt;
    }

    /// <inheritdoc/>
    public void Dispose() => _kernel.Dispose();

    private void Begin()
    {
        _changes.Take();
        _peers = [.. _wireGuard.Peers];
        _next = 0;
    }

    private void Review(PeerTunnel peer, PeerPath path, uint mark)
    {
        if (!path.Left.IsNone && IsBest(path.Remote, path.Left, mark) is true)
            peer.TryRefinePath(path, path = path with { Left = default });
        if (!path.Local.IsNone && IsBest(path.Remote, path.Local, mark) is false)
            peer.TryRefinePath(path, path with { Local = default, Left = path.Local });
    }

    // Null where there is no way to the peer at present; which one there will be, the next change tells.
    private bool? IsBest(Endpoint remote, Endpoint local, uint mark)
    {
        try
        {
            int index = _kernel.FindOutputInterface(remote, local.Address, mark);
            return local.ScopeId == 0 || index == local.ScopeId;
        }
        catch (LinuxException e)
        {
            return e.Errno == Errno.EINVAL ? false : null; // not this machine's address any more
        }
    }
}
