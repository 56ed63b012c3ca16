namespace Kedge.Linux.Netlink;

/// <summary>What the kernel says about an interface.</summary>
/// <param name="Up">Whether it is administratively up (<c>IFF_UP</c>).</param>
/// <param name="Mtu">Bytes of the longest packet.</param>
/// <param name="Deleted">It is gone; nothing else follows.</param>
/// <param name="Moved">
/// It is in another network namespace now, where this monitor cannot see it: <paramref name="Up"/> and <paramref name="Mtu"/> are what
/// they were, and nothing else follows. A TUN descriptor goes on working.
/// </param>
public readonly record struct LinkState(bool Up, int Mtu, bool Deleted = false, bool Moved = false);
