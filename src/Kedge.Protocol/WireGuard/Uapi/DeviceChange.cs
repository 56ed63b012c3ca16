using System.Security.Cryptography;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard.Uapi;

/// <summary>
/// One <c>set</c> request: what to change of a device, in the order in which to change it (the device's own keys, then peer by peer). What
/// is null stays as it is. It owns the secret keys in it and zeroes them when disposed: whoever applies it copies what it keeps.
/// </summary>
public sealed class DeviceChange : IDisposable
{
    /// <summary>The new private key, 32 bytes as sent (not clamped); all zero takes the key away.</summary>
    public byte[]? PrivateKey { get; set; }

    /// <summary>The new UDP port; 0 lets the kernel choose one.</summary>
    public ushort? ListenPort { get; set; }

    /// <summary>The mark that the kernel's rules see on our datagrams (<c>SO_MARK</c>); 0 for none.</summary>
    public uint? Fwmark { get; set; }

    /// <summary>Whether all peers go before <see cref="Peers"/> are added.</summary>
    public bool ReplacePeers { get; set; }

    /// <summary>Whether the STUN servers go before <see cref="StunServers"/> are added. Kedge's own.</summary>
    public bool ReplaceStunServers { get; set; }

    /// <summary>STUN servers to be asked from now on, besides those that are asked already. Kedge's own.</summary>
    public IList<Endpoint> StunServers { get; } = [];

    /// <summary>The prefixes that the overlay has its addresses from, in place of all others; null leaves them. Kedge's own.</summary>
    public IReadOnlyList<IpPrefix>? Overlay { get; set; }

    /// <summary>Whether all peers are in one internal network, in which private addresses are good everywhere. Kedge's own.</summary>
    public bool? InternalNetwork { get; set; }

    /// <summary>Whether the device passes datagrams on between its peers. Kedge's own.</summary>
    public bool? Relay { get; set; }

    /// <summary>Bits a second that two peers may send each other by the device; 0 for no limit. Goes with <see cref="Relay"/>. Kedge's own.</summary>
    public long RelayRate { get; set; }

    /// <summary>By what the device opens a stream to its controller once it needs one; without servers it opens none. Kedge's own.</summary>
    public StreamAccess? Stream { get; set; }

    /// <summary>
    /// Whether the device introduces itself to others, and answers those that do, with the certificate of <see cref="StreamAccess.Identity"/>;
    /// true again has it read that folder again. Null leaves it.
    /// </summary>
    public bool? Knock { get; set; }

    /// <summary>Where the device introduces itself now; how that ends, those that watch it are told.</summary>
    public IList<Endpoint> KnockAt { get; } = [];

    /// <summary>Addresses of the overlay that nobody has: the packets that wait for them are given up. Kedge's own.</summary>
    public IList<IpAddress> NotFound { get; } = [];

    /// <summary>Changes of peers, in order. The same key may occur more than once.</summary>
    public IList<PeerChange> Peers { get; } = [];

    /// <summary>Zeroes the secret keys.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(PrivateKey);
        PrivateKey = null;
        foreach (PeerChange peer in Peers)
            peer.Dispose();
    }
}

/// <summary>What to change of one peer, which is made where it does not exist. What is null stays as it is.</summary>
/// <param name="publicKey">Which peer.</param>
public sealed class PeerChange(PublicKey publicKey) : IDisposable
{
    /// <summary>Which peer.</summary>
    public PublicKey PublicKey { get; } = publicKey;

    /// <summary>Whether the peer goes; nothing else of this change matters then.</summary>
    public bool Remove { get; set; }

    /// <summary>Whether this change is void when there is no such peer.</summary>
    public bool UpdateOnly { get; set; }

    /// <summary>The new preshared key, 32 bytes; all zero takes the key away.</summary>
    public byte[]? PresharedKey { get; set; }

    /// <summary>Where the peer is to be reached.</summary>
    public Endpoint? Endpoint { get; set; }

    /// <summary>
    /// Where the peer tells that it can be reached, in place of all that it told before; null leaves it as it is. Its path is found by probes
    /// from then on. Kedge's own.
    /// </summary>
    public IReadOnlyList<PeerEndpoint>? Candidates { get; set; }

    /// <summary>
    /// The peer is introduced: it is to be pinged now, where <see cref="Candidates"/> says, which replace nothing then. False: it asks for it;
    /// true: it answers that it has done so. Kedge's own.
    /// </summary>
    public bool? Introduction { get; set; }

    /// <summary>
    /// Peers in common are to introduce this device to the peer: it can be reached where <see cref="Candidates"/> says, which replace nothing
    /// then. False: it asks; true: it answers. Kedge's own.
    /// </summary>
    public bool? IntroductionByPeers { get; set; }

    /// <summary>
    /// Whether the device introduces itself to the peer, which has perhaps forgotten it, where its path is looked for: a peer can have nobody knock
    /// where no path may lead. Kedge's own.
    /// </summary>
    public bool Knock { get; set; }

    /// <summary>Whether a path and a session are wanted now, though nothing is sent. Kedge's own.</summary>
    public bool Connect { get; set; }

    /// <summary>How many <see cref="Frames"/> there are at most.</summary>
    public const int MostFrames = 64;

    /// <summary>Control frames that the peer is sent once, in order, each of up to 1,200 bytes. Kedge's own.</summary>
    public IList<byte[]> Frames { get; } = [];

    /// <summary>Whether the peer may pass on what is for this device. Kedge's own.</summary>
    public bool? MayRelay { get; set; }

    /// <summary>Seconds between keepalives, 1 to 65535; 0 for none.</summary>
    public ushort? PersistentKeepaliveInterval { get; set; }

    /// <summary>Whether all allowed IPs of this peer go before <see cref="AllowedIps"/> are added.</summary>
    public bool ReplaceAllowedIps { get; set; }

    /// <summary>Changes of the allowed IPs, in order.</summary>
    public AllowedIpChanges AllowedIps { get; } = new();

    /// <summary>Zeroes the preshared key.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(PresharedKey);
        PresharedKey = null;
    }
}
