using System.Threading;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// One WireGuard interface without its I/O: the own identity, the peers, who may use which addresses, and the handshakes. It is handed
/// messages, time and randomness, and says what is to be sent.
/// <para>
/// Owned by the handshake thread. What packet threads may call says so: <see cref="FindSession"/>, <see cref="AllowedIps"/>' look-up,
/// <see cref="Drops"/>, and of <see cref="PeerTunnel"/> what is theirs.
/// </para>
/// </summary>
public sealed class WireGuardDevice : IDisposable
{
    /// <summary>Handshakes a second that a source may keep up while the device is under load.</summary>
    public const int HandshakesPerSecond = 20;

    /// <summary>Handshakes that a source may start at once after a pause while the device is under load.</summary>
    public const int HandshakeBurst = 5;

    /// <summary>
    /// Handshakes a second under load for all strangers together: less than half of what a core can do. The rest is kept for known sources, from
    /// which a handshake has succeeded lately.
    /// </summary>
    public const int StrangersPerSecond = 2000;

    private readonly Dictionary<PublicKey, PeerTunnel> _peers = [];
    private readonly StrangerBudget _handshakes = new(new StrangerLimits(HandshakesPerSecond, HandshakeBurst)
    {
        TogetherPerSecond = StrangersPerSecond,
        TogetherBurst = StrangersPerSecond,
    });

    private readonly ResponderHandshake _responder = new();
    private readonly Action _attention;
    private CookieIssuer? _cookies;
    private PeerTunnel? _looping;
    private volatile int _mtu = 1420;
    private volatile int _listenPort;
    private int _pathChanges;
    private volatile bool _isUp = true;

    /// <summary>A device without key or peers.</summary>
    /// <param name="timing">The specification's times, or a test's.</param>
    /// <param name="random">Bytes that nobody can predict.</param>
    /// <param name="attention">
    /// Called by any thread when a peer has asked to be polled before its deadline (<see cref="Schedule{T}.TakeAsking"/>). Must return at once.
    /// </param>
    public WireGuardDevice(Timing timing, RandomBytes random, Action attention)
    {
        Timing = timing;
        Random = random;
        Sessions = new SessionTable(random);
        _attention = attention;
        Lookups = new PendingLookups(this);
    }

    /// <summary>The times in force.</summary>
    public Timing Timing { get; }

    /// <summary>What was dropped, and why. Any thread.</summary>
    public DropCounters Drops { get; } = new();

    /// <summary>Which peer may use which addresses. Any thread may look up; only the handshake thread changes it.</summary>
    public AllowedIps<PeerTunnel> AllowedIps { get; } = new();

    /// <summary>The own key pair; null until one is set.</summary>
    public LocalIdentity? Identity { get; private set; }

    /// <summary>The peers, in no order.</summary>
    public IReadOnlyCollection<PeerTunnel> Peers => _peers.Values;

    /// <summary>The tunnel's MTU in bytes, which padding does not exceed. Any thread.</summary>
    public int Mtu
    {
        get => _mtu;
        set => _mtu = value;
    }

    /// <summary>The UDP port that our datagrams come from, by which they are known if they come back; 0 for none. Any thread.</summary>
    public ushort ListenPort
    {
        get => (ushort)_listenPort;
        set => _listenPort = value;
    }

    /// <summary>How often a peer was given another path, or was heard from elsewhere. Any thread.</summary>
    public int PathChanges => Volatile.Read(ref _pathChanges);

    /// <summary>Packets for addresses that no peer has, while somebody finds out who does. Any thread.</summary>
    public PendingLookups Lookups { get; }

    /// <summary>How many handshake messages were answered by a cookie instead, because the device was under load.</summary>
    public long CookieReplies { get; private set; }

    /// <summary>
    /// Whether the interface is up; a device that is down asks for nothing to be sent. It is up at first. Whoever takes it down also calls
    /// <see cref="ClearSessions"/>. Any thread may read it.
    /// </summary>
    public bool IsUp
    {
        get => _isUp;
        set
        {
            _isUp = value;
            Schedule.AskAll();
        }
    }

    /// <summary>When each peer is to be polled. Receiving a message may make its peer due.</summary>
    public Schedule<PeerTunnel> Schedule { get; } = new();

    /// <summary>The memory for packets that wait for a session.</summary>
    internal StagingMemory StagingMemory { get; } = new();

    internal RandomBytes Random { get; }
    internal SessionTable Sessions { get; }
    internal TimestampSource? Timestamps { get; private set; }

    /// <summary>Takes another key pair, or none. Sessions made with the old one are over; a peer that has our own key is removed.</summary>
    /// <param name="identity">The key pair, which the device disposes; null for none.</param>
    /// <param name="timestamps">The source of timestamps for this key; null exactly where <paramref name="identity"/> is.</param>
    public void SetIdentity(LocalIdentity? identity, TimestampSource? timestamps)
    {
        if (identity is not null)
            RemovePeer(identity.PublicKey);
        LocalIdentity? old = Identity;
        Identity = identity;
        Timestamps?.Release();
        Timestamps = timestamps;
        _cookies?.Dispose();
        _cookies = identity is null ? null : new CookieIssuer(identity.PublicKey, Timing, Random);
        foreach (PeerTunnel peer in _peers.Values)
            peer.UseIdentity(identity);
        old?.Dispose();
    }

    /// <summary>The peer of a key; null when there is none.</summary>
    public PeerTunnel? FindPeer(PublicKey publicKey) => _peers.GetValueOrDefault(publicKey);

    /// <summary>Adds a peer without any configuration.</summary>
    /// <exception cref="ArgumentException">There is one with this key, or the key is our own.</exception>
    public PeerTunnel AddPeer(PublicKey publicKey)
    {
        if (publicKey == Identity?.PublicKey)
            throw new ArgumentException("The key is the device's own.", nameof(publicKey));
        var peer = new PeerTunnel(this, publicKey);
        _peers.Add(publicKey, peer);
        Schedule.Add(peer);
        peer.UseIdentity(Identity);
        return peer;
    }

    /// <summary>Removes a peer with its sessions and allowed IPs; does nothing when there is none.</summary>
    public void RemovePeer(PublicKey publicKey)
    {
        if (!_peers.Remove(publicKey, out PeerTunnel? peer))
            return;
        Schedule.Remove(peer);
        AllowedIps.RemoveAll(peer);
        peer.Dispose();
    }

    /// <summary>The session that a transport message's receiver index means; null when none does. Any thread; allocates nothing.</summary>
    public KeyPair? FindSession(uint index) => Sessions.Find(index);

    /// <summary>Takes an initiation, response or cookie reply.</summary>
    /// <param name="now">The time.</param>
    /// <param name="message">The message, of the length that its kind has.</param>
    /// <param name="remote">Where it came from, and where a reply goes.</param>
    /// <param name="local">Where it arrived.</param>
    /// <param name="isUnderLoad">Whether senders have to prove first that their address is theirs.</param>
    /// <param name="reply">Where a reply goes: at least 92 bytes.</param>
    /// <param name="isRelayed">Whether a relay has passed it on, which <paramref name="remote"/> is then.</param>
    public Outcome ReceiveHandshake(
        Instant now, Span<byte> message, Endpoint remote, Endpoint local, bool isUnderLoad, Span<byte> reply, bool isRelayed = false)
    {
        if (Identity is not { } identity || _cookies is not { } cookies)
            return Outcome.Drop(DropReason.NotEnabled);
        DatagramKind kind = Datagram.Classify(message);
        if (kind == DatagramKind.CookieReply)
            return ReceiveCookie(now, new CookieReply(message));
        if (kind is not (DatagramKind.HandshakeInitiation or DatagramKind.HandshakeResponse))
            return Outcome.Drop(DropReason.UnknownDatagram);

        if (!cookies.IsMac1Valid(message))
            return Outcome.Drop(DropReason.InvalidMac1);
        if (isUnderLoad)
        {
            if (!cookies.IsMac2Valid(now, message, remote))
            {
                uint sender = kind == DatagramKind.HandshakeInitiation ? new HandshakeInitiation(message).Sender : new HandshakeResponse(message).Sender;
                cookies.Reply(now, message, sender, remote, new CookieReply(reply));
                CookieReplies++;
                return Outcome.ToNetwork(CookieReply.Size);
            }
            if (!_handshakes.TrySpend(now, remote.Address))
                return Outcome.Drop(DropReason.RateLimited);
        }
        (Endpoint peer, Endpoint own) = isRelayed ? default : (remote, local);
        Outcome outcome = kind == DatagramKind.HandshakeInitiation
            ? ReceiveInitiation(now, identity, new HandshakeInitiation(message), peer, own, reply)
            : ReceiveResponse(now, identity, new HandshakeResponse(message), peer, own);
        if (outcome.Kind != OutcomeKind.Drop)
            _handshakes.Known.Add(now, remote.Address);
        return outcome;
    }

    /// <summary>Counts a datagram for a peer that has come back through the tunnel. Any thread; allocates nothing.</summary>
    public void CountLoop(PeerTunnel peer)
    {
        Drops.Add(DropReason.RoutingLoop);
        Volatile.Write(ref _looping, peer);
    }

    /// <summary>A peer whose datagrams have come back since the last call; null if there is none. Any thread.</summary>
    public PeerTunnel? TakeLooping() => Interlocked.Exchange(ref _looping, null);

    /// <summary>Ends all sessions and handshakes, as when the interface goes down; configuration stays.</summary>
    public void ClearSessions()
    {
        foreach (PeerTunnel peer in _peers.Values)
            peer.Clear();
    }

    /// <summary>Removes all peers and zeroes all secrets.</summary>
    public void Dispose()
    {
        foreach (PublicKey key in _peers.Keys.ToArray())
            RemovePeer(key);
        SetIdentity(null, null);
        _responder.Dispose();
    }

    /// <summary>Notes that a peer has another path. Any thread.</summary>
    internal void NotePathChange() => Interlocked.Increment(ref _pathChanges);

    /// <summary>Wakes the handshake thread for a peer. Any thread.</summary>
    internal void Attention(PeerTunnel peer)
    {
        Schedule.Ask(peer);
        _attention();
    }

    /// <summary>A random time up to <see cref="Timing.MaximumJitter"/>.</summary>
    internal TimeSpan Jitter()
    {
        Span<byte> bytes = stackalloc byte[4];
        Random(bytes);
        return Timing.MaximumJitter * (BitConverter.ToUInt32(bytes) / (double)uint.MaxValue);
    }

    private Outcome ReceiveInitiation(
        Instant now, LocalIdentity identity, HandshakeInitiation initiation, Endpoint remote, Endpoint local, Span<byte> reply)
    {
        if (!_responder.TryReadInitiator(identity, initiation, out PublicKey initiator))
            return Outcome.Drop(DropReason.HandshakeNotAuthentic);
        return FindPeer(initiator) is { } peer
            ? peer.Answer(now, _responder, initiation, remote, local, reply)
            : Outcome.Drop(DropReason.UnknownPeer);
    }

    private Outcome ReceiveResponse(Instant now, LocalIdentity identity, HandshakeResponse response, Endpoint remote, Endpoint local) =>
        Sessions.FindAwaited(response.Receiver) is { } peer
            ? peer.Finish(now, identity, response, remote, local)
            : Outcome.Drop(DropReason.UnknownIndex);

    private Outcome ReceiveCookie(Instant now, CookieReply reply)
    {
        PeerTunnel? peer = Sessions.FindAwaited(reply.Receiver) ?? Sessions.Find(reply.Receiver)?.Peer;
        return peer?.TakeCookie(now, reply) ?? Outcome.Drop(DropReason.UnknownIndex);
    }
}
