using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// Bounds how many tunnels a packet can be put into, one inside the other. Two devices whose datagrams are routed into each other, be they
/// of two processes or machines, do not know their own datagrams again: each comes back in one of the other's, longer by two headers, until
/// it is cut into fragments, which are then two packets that go round. So a datagram of WireGuard that enters a tunnel hands its hop limit
/// on to the datagram that carries it, less <see cref="Step"/>, as tunnels do that inherit it (RFC 2003 section 3.1): eight tunnels inside
/// each other work, as the first begins with 64, and a ninth does not. RFC 2473 section 4.1.2 describes such loops. Everything else enters
/// with a hop limit of its own, so traceroute sees a tunnel as one hop. Owned by one sending thread; allocates nothing.
/// </summary>
public sealed class TunnelNesting
{
    /// <summary>By how much the hop limit of a datagram inside a tunnel is greater than that of the one that carries it.</summary>
    public const int Step = 8;

    /// <summary>The greatest hop limit handed on: what is usual for datagrams that carry none of WireGuard.</summary>
    public const int Most = 64;

    private const ulong NoFragment = ulong.MaxValue;

    private ulong _fragment = NoFragment;

    /// <summary>Whether a packet may enter the tunnel.</summary>
    /// <param name="packet">The packet.</param>
    /// <param name="udp">What it says of UDP.</param>
    /// <param name="timeToLive">The time to live, or hop limit, of the datagram that carries it; 0 for the kernel's.</param>
    public bool TryEnter(IpPacket packet, in UdpFragment udp, out byte timeToLive)
    {
        timeToLive = 0;
        if (!IsWireGuard(packet, udp))
            return true;
        int left = Math.Min(packet.HopLimit - Step, Most);
        timeToLive = (byte)Math.Max(left, 0);
        return left > 0;
    }

    // Only the first fragment shows what it is a part of; the others follow it, with the same identification.
    private bool IsWireGuard(IpPacket packet, in UdpFragment udp)
    {
        ulong fragment = udp.KeyOf(packet);
        if (!udp.HasPorts)
            return fragment == _fragment;
        bool isWireGuard = Datagram.BeginsLikeWireGuard(udp.PayloadOf(packet));
        if (udp.IsFragment)
            _fragment = isWireGuard ? fragment : NoFragment;
        return isWireGuard;
    }
}
