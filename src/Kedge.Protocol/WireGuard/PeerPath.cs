using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// The two ends of the way to a peer, and how much the network between them carries at once. Immutable, so that a new one can be published
/// while other threads still use the last.
/// </summary>
/// <param name="Remote">Where the peer was last heard from, or is configured to be.</param>
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
        int longest = Mtu - OverheadTo(Remote.Address);
        // Padding never exceeds the tunnel's MTU, but what is shorter is padded to a multiple.
        return longest >= tunnelMtu ? int.MaxValue : longest & -PaddingMultiple;
    }
}
