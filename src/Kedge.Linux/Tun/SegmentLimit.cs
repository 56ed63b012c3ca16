using Kedge.Linux.Netlink;

namespace Kedge.Linux.Tun;

/// <summary>
/// Keeps a TUN's <c>gso_max_segs</c> fitted to its MTU, so that the datagrams made of one packet fit into one message of UDP: then one read
/// is one send there, and one receive and one write at the other end. It is a wish only: without CAP_NET_ADMIN, or once the interface has
/// been moved to another namespace, the kernel does not grant it. Any thread. Whoever made it disposes it, once no thread uses it.
/// </summary>
internal sealed class SegmentLimit : IDisposable
{
    /// <summary>What holds for an interface of which nothing is known: as many as the kernel can count (<c>GSO_MAX_SEGS</c>).</summary>
    public const int Unlimited = ushort.MaxValue;

    /// <summary>Bytes of the longest UDP payload over IPv4, which is all segments together.</summary>
    private const int LongestPayload = 65507;

    /// <summary>Bytes that WireGuard adds to a packet: header (16) and tag (16).</summary>
    private const int Overhead = 32;

    /// <summary>What one message of UDP holds on a kernel of today (<c>UDP_MAX_SEGMENTS</c>).</summary>
    private const int MostSegments = 128;

    private readonly Lock _changing = new();
    private readonly RouteSocket _kernel;
    private readonly NetworkLink _link;
    private readonly IAttachedLink _attached;
    private int _segments = Unlimited;

    private SegmentLimit(RouteSocket kernel, NetworkLink link, IAttachedLink attached) =>
        (_kernel, _link, _attached) = (kernel, link, attached);

    /// <summary>How many segments the interface's packets have at most.</summary>
    public int Segments => Volatile.Read(ref _segments);

    /// <summary>The limit of an interface of the calling thread's network namespace; null where the kernel tells nothing of it.</summary>
    /// <param name="name">The name that it has now.</param>
    /// <param name="attached">The interface itself; the caller's.</param>
    public static SegmentLimit? Open(string name, IAttachedLink attached)
    {
        RouteSocket? kernel = null;
        try
        {
            kernel = RouteSocket.Open();
            if (kernel.FindLink(name) is { } link)
                return new SegmentLimit(kernel, link, attached);
        }
        catch (LinuxException)
        {
            // A sandbox without rtnetlink.
        }
        kernel?.Dispose();
        return null;
    }

    /// <summary>How many segments of an MTU fit into one message of UDP; 1 at least, as the kernel wants it.</summary>
    public static int For(int mtu) => Math.Clamp(LongestPayload / (mtu + Overhead), 1, MostSegments);

    /// <summary>Fits the limit to an MTU. Waits for the kernel's lock on all interfaces, which may take milliseconds.</summary>
    public void Fit(int mtu)
    {
        int segments = For(mtu);
        lock (_changing)
        {
            if (segments == _segments)
                return;
            try
            {
                bool isThere = IsThere();
                if (isThere)
                    _kernel.SetGsoMaxSegments(_link, segments);
                _segments = isThere ? segments : Unlimited;
            }
            catch (LinuxException)
            {
                _segments = Unlimited;
            }
        }
    }

    // Where the interface has been moved away, its index may be another one's.
    private bool IsThere() => _attached.CurrentName is { } name && _kernel.FindLink(name)?.Index == _link.Index;

    public void Dispose() => _kernel.Dispose();
}
