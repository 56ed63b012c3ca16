using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// The way to a peer: directly, by the two ends of it, or by a relay. Immutable, so that a new one can be published while other threads still
/// use the last.
/// </summary>
/// <param name="Remote">Where the peer was last heard from, or is configured to be; none by a relay.</param>
/// <param name="Local">Our address that it last spoke to, and the interface; none lets the kernel choose.</param>
public sealed record PeerPath(Endpoint Remote, Endpoint Local)
{
    /// <summary>Who passes datagrams on to the peer; null on a direct way.</summary>
    public RelayLeg? Relay { get; private init; }

    /// <summary>The way by a relay.</summary>
    public static PeerPath By(RelayLeg relay) => new(default, default) { Relay = relay };

    /// <summary>The way that datagrams take at first: to the peer, or to its relay; null while that cannot be reached.</summary>
    public PeerPath? First => Relay is null ? this : Relay.Via.Path is { Relay: null } direct ? direct : null;
}

/// <summary>
/// What a device and a relay have agreed on for one peer: under which numbers, one a direction, the relay passes datagrams on.
/// </summary>
/// <param name="Via">The relay, itself a peer.</param>
/// <param name="Out">The channel of what is sent to the peer.</param>
/// <param name="In">The channel of what comes from the peer.</param>
public sealed record RelayLeg(PeerTunnel Via, uint Out, uint In);
