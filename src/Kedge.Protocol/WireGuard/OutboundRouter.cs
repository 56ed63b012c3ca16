using System.Diagnostics.CodeAnalysis;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// Decides where a packet from the tunnel goes: to the peer whose allowed IPs hold its destination, or nowhere. One of our own datagrams
/// that a route has led back into the tunnel goes nowhere: it would come back again and again, longer each time; so would one that has been
/// through other tunnels as well, which <see cref="TunnelNesting"/> ends. Owned by one sending thread; allocates nothing.
/// </summary>
/// <param name="device">Whose peers there are.</param>
public sealed class OutboundRouter(WireGuardDevice device)
{
    private const ulong NoFragment = ulong.MaxValue;

    private readonly TunnelNesting _nesting = new();
    private ulong _loopingFragment = NoFragment;

    /// <summary>Finds the way of a packet.</summary>
    /// <param name="packet">The packet.</param>
    /// <param name="peer">Whom it is for; null where there is nobody.</param>
    /// <param name="path">Where that is.</param>
    /// <param name="timeToLive">The time to live, or hop limit, of the datagram that carries it; 0 for the kernel's.</param>
    /// <param name="reason">Why it goes nowhere.</param>
    /// <returns>False if it goes nowhere, which is not counted here.</returns>
    public bool TryRoute(
        IpPacket packet,
        [NotNullWhen(true)] out PeerTunnel? peer,
        [NotNullWhen(true)] out PeerPath? path,
        out byte timeToLive,
        out DropReason reason)
    {
        timeToLive = 0;
        IpAddress destination = packet.Destination;
        peer = device.AllowedIps.Find(destination);
        path = peer?.Path;
        if (path is null)
            reason = peer is null ? DropReason.NoRoute : DropReason.NoEndpoint;
        else if (!UdpFragment.TryRead(packet, out UdpFragment udp))
            reason = DropReason.None;
        else if (destination == path.Remote.Address && IsOwnDatagram(packet, udp, path.Remote.Port))
            reason = DropReason.RoutingLoop;
        else
            reason = _nesting.TryEnter(packet, udp, out timeToLive) ? DropReason.None : DropReason.RoutingLoop;
        return reason == DropReason.None;
    }

    /// <summary>Whether a packet for a peer without a path waits until there is one.</summary>
    public static bool Waits(PeerTunnel? peer, DropReason reason) => reason == DropReason.NoEndpoint && peer?.PathFinder is not null;

    /// <summary>Whether the sender of a packet that goes nowhere is told so.</summary>
    public static bool IsAnswered(DropReason reason) => reason is DropReason.NoRoute or DropReason.NoEndpoint;

    // Only the first fragment of a datagram has ports; the others follow it, with the same identification.
    private bool IsOwnDatagram(IpPacket packet, in UdpFragment udp, ushort remotePort)
    {
        ulong fragment = udp.KeyOf(packet);
        if (!udp.HasPorts)
            return fragment == _loopingFragment;
        bool isOwn = udp.SourcePort == device.ListenPort && udp.DestinationPort == remotePort;
        if (udp.IsFragment)
            _loopingFragment = isOwn ? fragment : NoFragment;
        return isOwn;
    }
}
