using System.Security.Cryptography;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Stun;

namespace Kedge.Protocol.WireGuard.Uapi;

/// <summary>
/// What a <c>get</c> request shows of a device: a copy, made at one moment. It owns the secret keys in it and zeroes them when disposed.
/// </summary>
public sealed class DeviceStatus : IDisposable
{
    /// <summary>The private key, 32 bytes, clamped; null for none.</summary>
    public byte[]? PrivateKey { get; set; }

    /// <summary>
    /// The UDP port that is open, or that will be when the interface is up; 0 if there is none, or if it cannot be had.
    /// </summary>
    public ushort ListenPort { get; set; }

    /// <summary>The UDP port to be had, open or not; 0 for a random one. Not shown.</summary>
    public ushort ConfiguredPort { get; set; }

    /// <summary>Whether somebody has asked for <see cref="ConfiguredPort"/>, so that no other will do. Not shown.</summary>
    public bool HasFixedPort { get; set; }

    /// <summary>
    /// Why the port cannot be had, as a sentence of one line without a full stop; null if nothing is wrong. Shown to <c>kedge_get</c> only.
    /// </summary>
    public string? PortProblem { get; set; }

    /// <summary>The mark on our datagrams; 0 for none.</summary>
    public uint Fwmark { get; set; }

    /// <summary>The peers.</summary>
    public IList<PeerStatus> Peers { get; } = [];

    /// <summary>The public key that belongs to the private one; null for none. Shown to <c>kedge_get</c> only.</summary>
    public PublicKey? PublicKey { get; set; }

    /// <summary>The interface's MTU in bytes; 0 if not known. Shown to <c>kedge_get</c> only.</summary>
    public int Mtu { get; set; }

    /// <summary>How many packets were dropped, by reason. Shown to <c>kedge_get</c> only.</summary>
    public IList<NamedCount> Drops { get; } = [];

    /// <summary>Other figures, such as threads and buffers. Shown to <c>kedge_get</c> only.</summary>
    public IList<NamedCount> Gauges { get; } = [];

    /// <summary>The STUN servers and what they have answered. Shown to <c>kedge_get</c> only.</summary>
    public IList<StunResult> StunResults { get; } = [];

    /// <summary>Where connected peers see this device, in a network without STUN servers. Shown to <c>kedge_get</c> only.</summary>
    public IList<Endpoint> PeerReflexive { get; } = [];

    /// <summary>The prefixes that the overlay has its addresses from. Shown to <c>kedge_get</c> only.</summary>
    public IList<IpPrefix> Overlay { get; } = [];

    /// <summary>Whether all peers are in one internal network. Shown to <c>kedge_get</c> only.</summary>
    public bool InternalNetwork { get; set; }

    /// <summary>How NATs on the way map the port, as far as the STUN servers' answers tell. Shown to <c>kedge_get</c> only.</summary>
    public NatMapping NatMapping { get; set; }

    /// <summary>Whether the device passes datagrams on between its peers. Shown to <c>kedge_get</c> only.</summary>
    public bool IsRelay { get; set; }

    /// <summary>Bits a second that two peers may send each other by the device; 0 for no limit. Shown to <c>kedge_get</c> only.</summary>
    public long RelayRate { get; set; }

    /// <summary>The relay that passes on what is for the device; null for none. Shown to <c>kedge_get</c> only.</summary>
    public PublicKey? RelayHome { get; set; }

    /// <summary>By what the device opens streams, and serves them if it is a relay; null for nothing. Shown to <c>kedge_get</c> only.</summary>
    public StreamAccess? Stream { get; set; }

    /// <summary>Whether peers can reach the device by a stream now. Shown to <c>kedge_get</c> only.</summary>
    public bool HasStream { get; set; }

    /// <summary>The relay that the device has its stream to; null if it has none, or one to its controller. Shown to <c>kedge_get</c> only.</summary>
    public PublicKey? StreamRelay { get; set; }

    /// <summary>Whether the device introduces itself to others. Shown to <c>kedge_get</c> only.</summary>
    public bool Knocks { get; set; }

    /// <summary>A peer by its key in base64; null for none.</summary>
    public PeerStatus? Find(string publicKey) => Peers.FirstOrDefault(peer => peer.PublicKey.ToString() == publicKey);

    /// <summary>Zeroes the secret keys.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(PrivateKey);
        PrivateKey = null;
        foreach (PeerStatus peer in Peers)
            peer.Dispose();
    }
}

/// <summary>What a <c>get</c> request shows of a peer.</summary>
/// <param name="publicKey">Which peer.</param>
public sealed class PeerStatus(PublicKey publicKey) : IDisposable
{
    /// <summary>Which peer.</summary>
    public PublicKey PublicKey { get; } = publicKey;

    /// <summary>The preshared key, 32 bytes; null or all zero for none.</summary>
    public byte[]? PresharedKey { get; set; }

    /// <summary>Whether there is a preshared key: all that <c>kedge_get</c> tells of it.</summary>
    public bool HasPresharedKey { get => field || PresharedKey.AsSpan().ContainsAnyExcept((byte)0); set; }

    /// <summary>Where the peer was last heard from, or is configured to be; none if neither.</summary>
    public Endpoint Endpoint { get; set; }

    /// <summary>How far the device has got in reaching the peer; null for a stock peer. Shown to <c>kedge_get</c> only.</summary>
    public PathState? PathState { get; set; }

    /// <summary>Since when <see cref="PathState"/> is what it is; the wall clock's time. Shown to <c>kedge_get</c> only.</summary>
    public DateTimeOffset? PathSince { get; set; }

    /// <summary>The shortest of the path's last round trips; null if not known. Shown to <c>kedge_get</c> only.</summary>
    public TimeSpan? RoundTrip { get; set; }

    /// <summary>The relay by which the peer is reached; null for none. Shown to <c>kedge_get</c> only.</summary>
    public PublicKey? PathRelay { get; set; }

    /// <summary>Whether the peer may pass on what is for the device. Shown to <c>kedge_get</c> only.</summary>
    public bool MayRelay { get; set; }

    /// <summary>Bytes that the device, as a relay, has passed on for the peer. Shown to <c>kedge_get</c> only.</summary>
    public ulong RelayedBytes { get; set; }

    /// <summary>
    /// Bytes of the longest IP packet that the path carries, as far as the tunnel needs one; null if not known. Shown to <c>kedge_get</c>
    /// only.
    /// </summary>
    public int? PathMtu { get; set; }

    /// <summary>The peer's endpoints and what came of trying them. Shown to <c>kedge_get</c> only.</summary>
    public IList<CandidateStatus> Candidates { get; } = [];

    /// <summary>When the last handshake was completed; null for never. The wall clock's time.</summary>
    public DateTimeOffset? LastHandshake { get; set; }

    /// <summary>Bytes sent to the peer, as datagrams without their IP and UDP headers.</summary>
    public ulong SentBytes { get; set; }

    /// <summary>Bytes received from the peer, counted as <see cref="SentBytes"/>.</summary>
    public ulong ReceivedBytes { get; set; }

    /// <summary>Seconds between keepalives; 0 for none.</summary>
    public ushort PersistentKeepaliveInterval { get; set; }

    /// <summary>The prefixes that the peer may send from and is sent to.</summary>
    public IList<IpPrefix> AllowedIps { get; } = [];

    /// <summary>Zeroes the preshared key.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(PresharedKey);
        PresharedKey = null;
    }
}

/// <summary>A figure and what it counts.</summary>
/// <param name="Name">What it counts, such as <c>NoRoute</c>: letters and digits.</param>
/// <param name="Value">How many; not negative.</param>
public readonly record struct NamedCount(string Name, long Value);
