using System.Security.Cryptography;
using System.Threading;
using Kedge.Crypto;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// The tunnel to one peer: its sessions, its handshake, its timers, and the packets that wait for a session.
/// <para>
/// Three kinds of threads share it. <see cref="TrySeal"/>, <see cref="TrySealStaged"/> and <see cref="Stage"/> are for sending threads,
/// <see cref="Accept"/> is for receiving threads, of which there may be several each; everything else belongs to the handshake thread,
/// unless it says otherwise. What they share is published atomically; only staged packets are under locks, which are not taken for a peer
/// that nothing is staged for.
/// </para>
/// </summary>
public sealed partial class PeerTunnel : IScheduled<PeerTunnel>, IDisposable
{
    private readonly WireGuardDevice _device;
    private readonly Timing _timing;
    private readonly PeerTimers _timers;
    private readonly PeerSessions _sessions;
    private readonly HandshakeAttempt _attempt;
    private readonly CookieHolder _cookies;
    private readonly byte[] _presharedKey = GC.AllocateArray<byte>(32, pinned: true);
    private readonly byte[] _staticShared = GC.AllocateArray<byte>(X25519.KeySize, pinned: true);
    private readonly Lock _stagedLock = new();
    private readonly StagedPackets _staged;

    private volatile PeerPath? _path;
    private volatile bool _hasStaged;
    private volatile bool _keepaliveWanted;
    private volatile bool _pathWasSet;
    private volatile IPathFinder? _pathFinder;
    private volatile PeerPath? _heardFrom;
    private int _handshakeWanted;
    private long _lastHandshake;
    private long _sentBytes;
    private long _receivedBytes;

    // The handshake thread's own.
    private bool _canAgree;
    private bool _awaitsPath;
    private Instant _zeroKeysDue = Instant.Never;
    private Tai64N _sentTimestamp;
    private Tai64N _receivedTimestamp;
    private Instant? _lastAnswered;

    internal PeerTunnel(WireGuardDevice device, PublicKey publicKey)
    {
        _device = device;
        _timing = device.Timing;
        _timers = new PeerTimers(_timing);
        _sessions = new PeerSessions(device.Sessions);
        _attempt = new HandshakeAttempt(_timing, device.Sessions);
        _cookies = new CookieHolder(publicKey, _timing);
        _staged = new StagedPackets(memory: device.StagingMemory);
        PublicKey = publicKey;
        Scheduled = new Schedule<PeerTunnel>.Entry(this);
    }

    /// <summary>The peer's static public key.</summary>
    public PublicKey PublicKey { get; }

    /// <summary>
    /// Where the peer is; null until it is configured or has been heard from, and with a <see cref="PathFinder"/> while that knows none that
    /// works. Setting it starts a handshake if one has waited for it, or if the peer has a persistent keepalive and no session. Any thread may
    /// read and set it.
    /// </summary>
    public PeerPath? Path
    {
        get => _path;
        set
        {
            _path = value;
            _pathWasSet = true;
            _device.NotePathChange();
            _device.Attention(this);
        }
    }

    /// <summary>The tunnel's own MTU in bytes. Any thread.</summary>
    internal int TunnelMtu => _device.Mtu;

    /// <summary>
    /// Who sets <see cref="Path"/>; null for a stock peer, which is where its authentic datagrams come from. Any thread may read and set it.
    /// </summary>
    public IPathFinder? PathFinder
    {
        get => _pathFinder;
        set
        {
            _pathFinder = value;
            _heardFrom = null;
            _device.Attention(this);
        }
    }

    /// <summary>The interval of unasked keepalives, 0 to 65,535 seconds; zero for none.</summary>
    public TimeSpan PersistentKeepalive
    {
        get => _timers.PersistentKeepalive;
        set
        {
            _timers.PersistentKeepalive = value;
            _device.Attention(this);
        }
    }

    /// <summary>
    /// The key mixed into every handshake from now on, 32 bytes; zeros for none. Sessions that exist stay. A handshake that failed with the
    /// old key, at this end or perhaps at the other one, is begun again at once. Never to be logged.
    /// </summary>
    /// <exception cref="ArgumentException">It has another length.</exception>
    public ReadOnlySpan<byte> PresharedKey
    {
        get => _presharedKey;
        set
        {
            if (value.Length != _presharedKey.Length)
                throw new ArgumentException($"A preshared key has {_presharedKey.Length} bytes, not {value.Length}.", nameof(value));
            if (CryptographicOperations.FixedTimeEquals(value, _presharedKey))
                return;
            value.CopyTo(_presharedKey);
            // Otherwise the initiator would wait Rekey-Timeout, 5 s, whichever end had the wrong key. The response that a responder has made
            // with the old key shows as a session that nobody has confirmed; a handshake of our own under way may still succeed.
            bool answeredInVain = Keys.Next is not null && _attempt.Handshake is null;
            if (!_attempt.HasFailed && !answeredInVain)
                return;
            _attempt.EndForAnother();
            RequestHandshake();
        }
    }

    /// <summary>When the last handshake ended; null when there was none. Any thread.</summary>
    public Instant? LastHandshake => Interlocked.Read(ref _lastHandshake) is not 0 and var ticks ? new Instant(ticks) : null;

    /// <summary>Bytes of all datagrams sent to the peer. Any thread.</summary>
    public long SentBytes => Interlocked.Read(ref _sentBytes);

    /// <summary>Bytes of all authentic datagrams received from the peer. Any thread.</summary>
    public long ReceivedBytes => Interlocked.Read(ref _receivedBytes);

    /// <summary>
    /// Whether packets wait for a session, or the last that did is perhaps still being sent. Any thread.
    /// </summary>
    public bool HasStaged => _hasStaged;

    /// <summary>
    /// To be held from <see cref="TrySealStaged"/> or <see cref="Poll"/> on until what they gave has been sent, and by whoever sees
    /// <see cref="HasStaged"/> before sending anything newer: so no packet overtakes one of its flow that has waited.
    /// </summary>
    public Lock StagedOrder { get; } = new();

    /// <inheritdoc/>
    public Schedule<PeerTunnel>.Entry Scheduled { get; }

    /// <summary>When data was last sent or received, keepalives and handshakes apart; null for never. Any thread.</summary>
    public Instant? LastTraffic => _timers.LastTraffic;

    /// <summary>When anything authenticated was last sent or received, keepalives and handshakes included; zero for never. Any thread.</summary>
    public Instant LastTraversal => _timers.LastTraversal;

    /// <summary>When data was last sent; null for never. Any thread.</summary>
    public Instant? LastDataSent => _timers.LastDataSent;

    /// <summary>
    /// Since when data has been sent without anything authentic received; null if nothing is to be answered. Any thread.
    /// </summary>
    public Instant? UnansweredSince => _timers.UnansweredSince;

    /// <summary>The sessions.</summary>
    internal KeyPairs Keys => _sessions.Keys;

    /// <summary>Whether packets can be sent at once. Any thread.</summary>
    public bool HasSession(Instant now) => _sessions.Usable(now) is not null;

    /// <summary>
    /// Lets the kernel choose the local address from now on: the one that the peer last spoke to is gone, or leads nowhere. Any thread.
    /// </summary>
    public void ForgetLocalAddress()
    {
        if (_path is { Local.IsNone: false } path)
            Interlocked.CompareExchange(ref _path, path with { Local = default }, path);
    }

    /// <summary>Puts one that says more of the same way in place of a path, if that is still in use. Any thread.</summary>
    /// <returns>Whether it was.</returns>
    public bool TryRefinePath(PeerPath path, PeerPath refined) => Interlocked.CompareExchange(ref _path, refined, path) == path;

    /// <summary>Has <see cref="IPathFinder.TrafficBegan"/> called once, at the next data sent or received. Any thread.</summary>
    public void AwaitTraffic() => _timers.AwaitTraffic();

    /// <summary>Drops the packets that wait for a session: the peer cannot be reached. Any thread.</summary>
    public void DropStaged()
    {
        lock (_stagedLock)
        {
            _device.Drops.Add(DropReason.NoSession, _staged.Clear());
            _hasStaged = false;
        }
    }

    /// <summary>Derives two secrets from the secret that only this device and the peer know. The handshake thread.</summary>
    /// <param name="label">What they are for.</param>
    /// <param name="first">Receives one, 32 bytes.</param>
    /// <param name="second">Receives the other, 32 bytes.</param>
    /// <returns>False while the device has no key.</returns>
    internal bool TryDerive(ReadOnlySpan<byte> label, Span<byte> first, Span<byte> second)
    {
        if (_canAgree)
            WireGuardKdf.Derive2(_staticShared, label, first, second);
        return _canAgree;
    }

    /// <summary>Ends all sessions and any handshake, zeroes the keys and drops what is staged; configuration stays.</summary>
    public void Clear()
    {
        _attempt.Reset();
        ClearSessions();
        DropStaged();
        _timers.Clear();
        Interlocked.Exchange(ref _handshakeWanted, 0);
        _awaitsPath = false;
    }

    /// <summary>Ends everything and zeroes all secrets.</summary>
    public void Dispose()
    {
        Clear();
        _canAgree = false; // whoever still holds it must not begin a handshake with zeroed keys
        _cookies.Dispose();
        CryptographicOperations.ZeroMemory(_presharedKey);
        CryptographicOperations.ZeroMemory(_staticShared);
    }

    /// <summary>Takes the device's new key: what was agreed with the old one is over.</summary>
    internal void UseIdentity(LocalIdentity? identity)
    {
        Clear();
        // The peer may have been one before, and removed, or known to a process before this one.
        _sentTimestamp = _device.Timestamps?.Latest ?? default;
        Span<byte> publicKey = stackalloc byte[PublicKey.Size];
        PublicKey.CopyTo(publicKey);
        _canAgree = identity is not null && identity.Key.TryAgree(publicKey, _staticShared);
    }

    private void ClearSessions()
    {
        _sessions.Clear();
        _zeroKeysDue = Instant.Never;
        _keepaliveWanted = false;
    }
}
