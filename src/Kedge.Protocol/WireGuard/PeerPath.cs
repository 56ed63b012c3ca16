using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// The way to a peer: directly, by the two ends of it, or by a relay; and how much the network between them carries at once. Immutable, so
/// that a new one can be published while other threads still use the last.
/// </summary>
/// <param name="Remote">Where the peer was last heard from, or is configured to be; none by a relay.</param>
/// <param name="Local">Our address that it last spoke to, and the interface; none lets the kernel choose.</param>
public sealed record PeerPath(Endpoint Remote, Endpoint Local)
{
    /// <summary>The <see cref="Mtu"/> where nothing says that there is a limit.</summary>
    public const int UnknownMtu = int.MaxValue;

    private const int PaddingMultiple = 16;

    /// <summary>
    /// Bytes of the longest IP packet, its header included, that the network carries: where <see cref="IsMeasured"/>, whatever is longer is
    /// dealt with before it is sent; else TCP alone is cut to it, as a precaution.
    /// </summary>
    public int Mtu { get; init; } = UnknownMtu;

    /// <summary>
    /// Whether <see cref="Mtu"/> was found out by probes, with a peer that puts halves of packets together again.
    /// </summary>
    public bool IsMeasured { get; init; }

    /// <summary>
    /// Our address, and the interface, that a better route has replaced: what the peer has sent there before it learned the new one does not
    /// bring it back. None if there is none.
    /// </summary>
    public Endpoint Left { get; init; }

    /// <summary>Who passes datagrams on to the peer; null on a direct way.</summary>
    public RelayLeg? Relay { get; private init; }

    /// <summary>The way by a relay.</summary>
    public static PeerPath By(RelayLeg relay) => new(default, default) { Relay = relay };

    /// <summary>The way that datagrams take at first: to the peer, or to its relay; null while that cannot be reached.</summary>
    public PeerPath? First => Relay is null ? this : Relay.Via.Path is { Relay: null } direct ? direct : null;

    /// <summary>Bytes that are put around a packet of the tunnel on its way to an address: WireGuard's, of UDP and of IP.</summary>
    public static int OverheadTo(IpAddress address) => HeadersTo(address) + TransportData.Overhead;

    /// <summary>Bytes of the headers of UDP and IP in front of a datagram to an address.</summary>
    public static int HeadersTo(IpAddress address) => (address.IsIPv6 ? 40 : 20) + 8;

    /// <summary>
    /// Bytes of the longest packet of the tunnel that can go this way in one piece, with its padding; <see cref="int.MaxValue"/> if all
    /// can.
    /// </summary>
    /// <param name="tunnelMtu">The tunnel's own MTU.</param>
    public int LongestPacket(int tunnelMtu)
    {
        if (First is not { } first)
            return int.MaxValue;
        int longest = first.Mtu - OverheadTo(first.Remote.Address) - (Relay is null ? 0 : RelayHeader.Size);
        // Padding never exceeds the tunnel's MTU, but what is shorter is padded to a multiple.
        return longest >= tunnelMtu ? int.MaxValue : longest & -PaddingMultiple;
    }
}

/// <summary>
/// What a device and a relay have agreed on for one peer: under which numbers, one a direction, the relay passes datagrams on.
/// </summary>
/// <param name="Via">The relay, itself a peer.</param>
/// <param name="Out">The channel of what is sent to the peer.</param>
/// <param name="In">The channel of what comes from the peer.</param>
public sealed record RelayLeg(PeerTunnel Via, uint Out, uint In);
