namespace Kedge.Protocol.WireGuard;

/// <summary>
/// Why a packet, datagram or handshake message went no further. Each value is the index of a counter that <c>kedge status</c> shows.
/// </summary>
public enum DropReason : byte
{
    /// <summary>It was not dropped.</summary>
    None,

    /// <summary>From the tunnel: no IPv4 or IPv6 packet, or one whose lengths contradict each other.</summary>
    MalformedPacket,

    /// <summary>From the tunnel: no peer's allowed IPs hold the destination.</summary>
    NoRoute,

    /// <summary>From the tunnel: the peer has no endpoint yet.</summary>
    NoEndpoint,

    /// <summary>From the tunnel: it waited for a session, and newer packets took its place, or the handshake was given up.</summary>
    NoSession,

    /// <summary>To the network: the kernel did not take the datagram.</summary>
    SendFailed,

    /// <summary>To the tunnel: the kernel did not take the packet; the interface is down or its queue full.</summary>
    WriteFailed,

    /// <summary>From the network: no message that Kedge knows, or of a length that it cannot have.</summary>
    UnknownDatagram,

    /// <summary>From the network: addressed to an index that no session or handshake has.</summary>
    UnknownIndex,

    /// <summary>From the network: the session is too old, or has carried too many messages.</summary>
    SessionExpired,

    /// <summary>From the network: the tag is wrong.</summary>
    NotAuthentic,

    /// <summary>From the network: seen before, or too old to know.</summary>
    Replayed,

    /// <summary>From the network: authentic, but what is inside is no IP packet.</summary>
    MalformedInnerPacket,

    /// <summary>From the network: authentic, but the peer may not send from that address.</summary>
    SourceNotAllowed,

    /// <summary>From the network: congestion was marked on a packet whose ends do not speak ECN (RFC 6040, section 4.2).</summary>
    CongestionMarked,

    /// <summary>A handshake message that found the queue full.</summary>
    HandshakeQueueFull,

    /// <summary>A handshake message whose first MAC is wrong: its sender does not know our public key.</summary>
    InvalidMac1,

    /// <summary>An initiation under load with a valid cookie, but too many of them from its address.</summary>
    RateLimited,

    /// <summary>An initiation or response that does not decrypt: a wrong key, PSK or peer.</summary>
    HandshakeNotAuthentic,

    /// <summary>An initiation of a key that is no peer of ours.</summary>
    UnknownPeer,

    /// <summary>An initiation whose timestamp is not later than the last one's.</summary>
    InitiationReplayed,

    /// <summary>An initiation that came too soon after the last one of the same peer.</summary>
    InitiationTooSoon,

    /// <summary>A cookie reply that answers nothing we sent, or does not decrypt.</summary>
    InvalidCookieReply,

    /// <summary>A message of a protocol that this device does not speak.</summary>
    NotEnabled,

    /// <summary>A STUN message that comes from none of our servers, or answers no request of ours.</summary>
    UnexpectedStun,

    /// <summary>From the tunnel: there is no session yet, and the memory for waiting packets is used up.</summary>
    StagingFull,

    /// <summary>
    /// From the tunnel: one of our own datagrams, because the route to the peer's endpoint leads through the tunnel itself; or one that is
    /// inside too many tunnels, because it leads through others and back.
    /// </summary>
    RoutingLoop,

    /// <summary>A STUN message or a probe that found its queue full.</summary>
    ControlQueueFull,

    /// <summary>A probe that is from no peer of ours, or does not decrypt, or answers nothing that we sent.</summary>
    UnexpectedProbe,

    /// <summary>A probe of a peer that sends too many.</summary>
    ProbeRateLimited,

    /// <summary>
    /// From the network, to be passed on: on a channel that is not open, not from where its sender is, or no WireGuard message.
    /// </summary>
    RelayRefused,

    /// <summary>From the network, to be passed on: it was passed on before, or is too old to know.</summary>
    RelayReplayed,

    /// <summary>From the network, to be passed on: more than its sender, or all together, may send.</summary>
    RelayRateLimited,

    /// <summary>From the tunnel: longer than the path to the peer carries, and not to be fragmented.</summary>
    TooLong,

    /// <summary>From the network: one half of a packet, of which the other did not come in time, or did not belong to it.</summary>
    HalfLost,

    /// <summary>
    /// A knock that is from another network, or does not decrypt, or answers nothing that we sent, or is for a handshake that is over.
    /// </summary>
    UnexpectedKnock,

    /// <summary>A knock of a source that knocks too often.</summary>
    KnockRateLimited,
}
