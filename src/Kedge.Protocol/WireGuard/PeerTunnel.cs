using System.Security.Cryptography;
using System.Threading;
using Kedge.Crypto;
using Kedge.Protocol.Ip;

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
public sealed class PeerTunnel : IDisposable
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
    private int _handshakeWanted;
    private long _lastHandshake;
    private long _sentBytes;
    private long _receivedBytes;

    // The handshake thread's own.
    private bool _canAgree;
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
        Scheduled = new PeerSchedule.Entry(this);
    }

    /// <summary>The peer's static public key.</summary>
    public PublicKey PublicKey { get; }

    /// <summary>Where the peer is; null until it is configured or has been heard from. Any thread may read and set it.</summary>
    public PeerPath? Path
    {
        get => _path;
        set
        {
            _path = value;
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

    /// <summary>The peer's place in the device's schedule.</summary>
    internal PeerSchedule.Entry Scheduled { get; }

    /// <summary>The sessions.</summary>
    internal KeyPairs Keys => _sessions.Keys;

    // ---- Sending threads ----------------------------------------------------------------------------------------------------------

    /// <summary>
    /// Pads and seals packets of the tunnel with the current session; see <see cref="KeyPair.Seal"/> for what they are then.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="packets">The packets, with room around them.</param>
    /// <param name="mtu">The tunnel's MTU in bytes, by which the caller has laid them out.</param>
    /// <returns>False, with nothing sealed, when there is no session: then they are to be staged.</returns>
    public bool TrySeal(Instant now, Span<AeadPacket> packets, int mtu)
    {
        if (_sessions.Usable(now) is not { } session || !session.Seal(packets, mtu))
            return false;
        NoteSent(now, session, packets);
        _timers.DataSent(now);
        return true;
    }

    /// <summary>
    /// Keeps a copy of a packet until there is a session, and asks for one. When there is no room, the oldest packets are dropped, or this one
    /// (<see cref="DropReason.StagingFull"/>); drops are counted here. Any thread.
    /// </summary>
    /// <returns>How many packets were dropped.</returns>
    public int Stage(ReadOnlySpan<byte> packet)
    {
        int dropped;
        bool isRefused;
        lock (_stagedLock)
        {
            dropped = _staged.Add(packet, out isRefused);
            _hasStaged = _staged.Count > 0;
        }
        RequestHandshake();
        _device.Drops.Add(DropReason.NoSession, dropped);
        _device.Drops.Add(DropReason.StagingFull, isRefused ? 1 : 0);
        return isRefused ? dropped + 1 : dropped;
    }

    /// <summary>Seals the packet that has waited longest. Any thread that holds <see cref="StagedOrder"/>.</summary>
    /// <param name="now">The time.</param>
    /// <param name="datagram">
    /// Where the datagram goes, from index 0: room for the longest packet and <see cref="TransportData.Overhead"/> + 15 bytes.
    /// </param>
    /// <param name="length">The datagram's length in bytes.</param>
    /// <returns>False when nothing waits, or there is no session.</returns>
    public bool TrySealStaged(Instant now, byte[] datagram, out int length)
    {
        length = 0;
        if (!_hasStaged || _sessions.Usable(now) is not { } session)
            return false;
        int packetLength;
        lock (_stagedLock)
        {
            // Only the call after the last packet's says that there is none: by then that one has been sent.
            if (!_staged.TryTake(datagram.AsSpan(TransportData.HeaderSize), out packetLength))
            {
                _hasStaged = false;
                return false;
            }
        }
        if (!TrySealOne(session, datagram, packetLength, now, out length))
            return false;
        _timers.DataSent(now);
        return true;
    }

    // ---- Receiving threads --------------------------------------------------------------------------------------------------------

    /// <summary>
    /// Takes a packet of this peer that <see cref="KeyPair.Judge"/> has accepted: refuses it when its session has ended, notes where the
    /// peer is now, and checks that what is inside is an IP packet from an address that the peer may use.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="session">The session that it was opened with.</param>
    /// <param name="plaintext">What was inside, with its padding. The ECN bits may be changed.</param>
    /// <param name="remote">Where the datagram came from.</param>
    /// <param name="local">Where it arrived.</param>
    /// <param name="outerEcn">The ECN bits of the datagram's own IP header.</param>
    /// <param name="length">
    /// The length of the IP packet, without padding; 0 when there is nothing for the tunnel (a keepalive, or a drop).
    /// </param>
    /// <returns><see cref="DropReason.None"/> unless it is dropped.</returns>
    public DropReason Accept(
        Instant now, KeyPair session, Span<byte> plaintext, Endpoint remote, Endpoint local, byte outerEcn, out int length)
    {
        length = 0;
        if (session.IsTooOld(now))
            return DropReason.SessionExpired;
        Interlocked.Add(ref _receivedBytes, plaintext.Length + TransportData.Overhead);
        NotePath(remote, local);
        _timers.Received(now);
        if (Keys.Next == session)
            Confirm(now, session);
        if (session.AsksForRenewal(now, _timing.RenewOnReceiveTime))
            RequestHandshake();
        if (plaintext.IsEmpty)
            return DropReason.None;

        _timers.DataReceived(now);
        if (!IpPacket.TryParse(plaintext, out IpPacket packet))
            return DropReason.MalformedInnerPacket;
        if (_device.AllowedIps.Find(packet.Source) != this)
            return DropReason.SourceNotAllowed;
        if (!Ecn.TryDecapsulate(packet.Ecn, outerEcn, out byte ecn))
            return DropReason.CongestionMarked;
        length = packet.Length;
        if (ecn != packet.Ecn)
            IpPacket.SetEcn(plaintext, ecn);
        return DropReason.None;
    }

    // ---- The handshake thread -----------------------------------------------------------------------------------------------------

    /// <summary>Does what is due by now. To be called again until it returns <see cref="OutcomeKind.Nothing"/>.</summary>
    /// <param name="now">The time.</param>
    /// <param name="wallClock">The time of day, for an initiation's timestamp.</param>
    /// <param name="datagram">
    /// Where a datagram for <see cref="Path"/> goes, from index 0; as long as for <see cref="TrySealStaged"/>.
    /// </param>
    public Outcome Poll(Instant now, DateTimeOffset wallClock, byte[] datagram)
    {
        if (!_device.IsUp)
            return Outcome.Nothing;
        if (now >= _zeroKeysDue)
            ClearSessions();
        if (TrySealStaged(now, datagram, out int length))
            return Outcome.ToNetwork(length);
        if (now >= _timers.AnswerDue)
        {
            _timers.ForgetAnswer();
            ForgetLocalAddress();
            RequestHandshake();
        }
        if (TryKeepalive(now, datagram, out length))
            return Outcome.ToNetwork(length);
        return TryInitiate(now, wallClock, datagram, out length) ? Outcome.ToNetwork(length) : Outcome.Nothing;
    }

    /// <summary>
    /// When <see cref="Poll"/> is to be called again at the latest. Packets may make something due later than that meanwhile, never
    /// earlier.
    /// </summary>
    public Instant NextDeadline(Instant now)
    {
        if (!_device.IsUp)
            return Instant.Never;
        if (IsHandshakeWanted || (_hasStaged && HasSession(now)) || _keepaliveWanted)
            return now;
        Instant deadline = Instant.Earlier(_attempt.Due, _zeroKeysDue);
        deadline = Instant.Earlier(deadline, Instant.Earlier(_timers.AnswerDue, _timers.KeepaliveDue));
        if (_path is not null)
            deadline = Instant.Earlier(deadline, _timers.PersistentKeepaliveDue);
        return Keys == KeyPairs.None ? deadline : Instant.Earlier(deadline, NextLook(now));
    }

    // What packets cause is due KeepaliveTimeout later at the earliest, so looking again within that time is never too late. Rounding it down
    // lets one wake-up serve many peers.
    private Instant NextLook(Instant now)
    {
        long interval = _timing.KeepaliveTimeout.Ticks / 8;
        long latest = now.Ticks + _timing.KeepaliveTimeout.Ticks;
        return new Instant(latest - latest % interval);
    }

    /// <summary>Asks for a new handshake, as soon as the specification allows one. Any thread.</summary>
    public void RequestHandshake()
    {
        if (Interlocked.Exchange(ref _handshakeWanted, 1) == 0)
            _device.Attention(this);
    }

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

    /// <summary>
    /// Sends a keepalive now if there is a session, and asks for a session if there is none: for a persistent keepalive that has just been
    /// configured.
    /// </summary>
    public void RequestKeepalive()
    {
        _keepaliveWanted = true;
        _device.Attention(this);
    }

    /// <summary>Ends all sessions and any handshake, zeroes the keys and drops what is staged; configuration stays.</summary>
    public void Clear()
    {
        _attempt.Reset();
        ClearSessions();
        DropStaged();
        _timers.Clear();
        Interlocked.Exchange(ref _handshakeWanted, 0);
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

    /// <summary>Answers an initiation that decrypted to this peer's public key; the datagram goes back to where it came from.</summary>
    internal Outcome Answer(
        Instant now, ResponderHandshake responder, HandshakeInitiation initiation, Endpoint remote, Endpoint local, Span<byte> response)
    {
        if (!_canAgree || !responder.TryReadTimestamp(_staticShared, initiation, out Tai64N timestamp))
            return Outcome.Drop(DropReason.HandshakeNotAuthentic);
        if (timestamp <= _receivedTimestamp)
            return Outcome.Drop(DropReason.InitiationReplayed);
        if (_lastAnswered is { } last && now - last < _timing.InitiationInterval)
            return Outcome.Drop(DropReason.InitiationTooSoon);

        uint localIndex = _device.Sessions.NewIndex();
        var message = new HandshakeResponse(response);
        using SessionKeys? keys = responder.Respond(PublicKey, _presharedKey, localIndex, initiation.Sender, _device.Random, message);
        if (keys is null)
            return Outcome.Drop(DropReason.HandshakeNotAuthentic);
        _cookies.Sign(now, message.Bytes);
        _receivedTimestamp = timestamp;
        _lastAnswered = now;
        Interlocked.Add(ref _receivedBytes, HandshakeInitiation.Size);
        NotePath(remote, local);
        _timers.Received(now);

        var session = new KeyPair(this, keys, isInitiator: false, localIndex, initiation.Sender, now, _timing);
        _sessions.AddAnswered(session);
        SessionMade(now);
        _timers.Sent(now);
        Interlocked.Add(ref _sentBytes, HandshakeResponse.Size);
        return Outcome.ToNetwork(HandshakeResponse.Size);
    }

    /// <summary>Takes the response to our initiation. What waited for the session is sent by <see cref="Poll"/>.</summary>
    internal Outcome Finish(Instant now, LocalIdentity identity, HandshakeResponse response, Endpoint remote, Endpoint local)
    {
        if (_attempt.Handshake is not { } handshake || handshake.LocalIndex != response.Receiver)
            return Outcome.Drop(DropReason.UnknownIndex);
        using SessionKeys? keys = handshake.Finish(identity, _presharedKey, response);
        if (keys is null)
        {
            _attempt.HasFailed = true;
            return Outcome.Drop(DropReason.HandshakeNotAuthentic);
        }
        Interlocked.Add(ref _receivedBytes, HandshakeResponse.Size);
        NotePath(remote, local);
        _timers.Received(now);

        var session = new KeyPair(this, keys, isInitiator: true, handshake.LocalIndex, response.Sender, now, _timing);
        _attempt.End();
        _keepaliveWanted = true;
        _sessions.AddInitiated(session);
        SessionMade(now);
        NoteHandshake(now);
        return Outcome.Nothing;
    }

    /// <summary>
    /// Takes the cookie that answers our last handshake message. It is no reason to roam: nobody has proven to be the peer.
    /// </summary>
    internal Outcome TakeCookie(Instant now, CookieReply reply) =>
        _cookies.TryAccept(now, reply) ? Outcome.Nothing : Outcome.Drop(DropReason.InvalidCookieReply);

    private bool IsHandshakeWanted => Volatile.Read(ref _handshakeWanted) != 0;

    private bool TryKeepalive(Instant now, byte[] datagram, out int length)
    {
        length = 0;
        bool persistent = _path is not null && now >= _timers.PersistentKeepaliveDue;
        if (!persistent && !_keepaliveWanted && now < _timers.KeepaliveDue)
            return false;
        if (_sessions.Usable(now) is { } session && TrySealOne(session, datagram, 0, now, out length))
            return true;

        // Without a session there is nothing to acknowledge; a persistent keepalive, or one that was asked for, asks for a session.
        if (persistent || _keepaliveWanted)
            RequestHandshake();
        _keepaliveWanted = false;
        _timers.Sent(now);
        return false;
    }

    private bool TryInitiate(Instant now, DateTimeOffset wallClock, byte[] datagram, out int length)
    {
        length = 0;
        if (Interlocked.Exchange(ref _handshakeWanted, 0) != 0)
            _attempt.Want(now);
        if (now < _attempt.Due)
            return false;
        if (_attempt.IsMet(LastHandshake))
        {
            _attempt.End();
            return false;
        }
        if (_attempt.IsOver(now) || _path is null || !_canAgree)
        {
            _attempt.End();
            DropStaged();
            return false;
        }

        if (_attempt.Handshake is not null)
        {
            // Unanswered: perhaps because the way that we answer from is gone.
            ForgetLocalAddress();
            _attempt.EndHandshake();
        }
        uint localIndex = _device.Sessions.NewIndex();
        var message = new HandshakeInitiation(datagram);
        _sentTimestamp = _device.Timestamps!.Next(wallClock, _sentTimestamp);
        InitiatorHandshake? handshake = InitiatorHandshake.Start(
            _device.Identity!, PublicKey, _staticShared, localIndex, _sentTimestamp, _device.Random, message);
        if (handshake is null)
        {
            _attempt.End();
            return false;
        }
        _cookies.Sign(now, message.Bytes);
        _attempt.Sent(now, handshake, this, _device.Jitter());
        _timers.Sent(now);
        Interlocked.Add(ref _sentBytes, length = HandshakeInitiation.Size);
        return true;
    }

    private bool TrySealOne(KeyPair session, byte[] datagram, int packetLength, Instant now, out int length)
    {
        var packet = new AeadPacket
        {
            Source = datagram,
            SourceOffset = TransportData.HeaderSize,
            Destination = datagram,
            DestinationOffset = TransportData.HeaderSize,
            Length = packetLength,
        };
        var packets = new Span<AeadPacket>(ref packet);
        bool isSealed = session.Seal(packets, _device.Mtu);
        length = isSealed ? packet.Length + TransportData.Overhead : 0;
        if (isSealed)
            NoteSent(now, session, packets);
        return isSealed;
    }

    // Keepalives, too, renew a session that grows old: otherwise one that carries nothing else would end before it is renewed.
    private void NoteSent(Instant now, KeyPair session, ReadOnlySpan<AeadPacket> packets)
    {
        long bytes = 0;
        foreach (ref readonly AeadPacket packet in packets)
            bytes += packet.Length + TransportData.Overhead;
        Interlocked.Add(ref _sentBytes, bytes);
        _keepaliveWanted = false;
        _timers.Sent(now);
        if (session.AsksForRenewal(now, _timing.RekeyAfterTime))
            RequestHandshake();
    }

    private void NotePath(Endpoint remote, Endpoint local)
    {
        PeerPath? path = _path;
        if (path is null || path.Remote != remote || path.Local != local)
            _path = new PeerPath(remote, local);
        if (path is null)
            _device.Schedule.Ask(this); // a persistent keepalive may be due now
    }

    // The first packet in a session that we answered: the initiator has it.
    private void Confirm(Instant now, KeyPair session)
    {
        _sessions.Confirm(session);
        NoteHandshake(now);
        _device.Attention(this);
    }

    // Whoever asked for a session up to now has one.
    private void NoteHandshake(Instant now)
    {
        Interlocked.Exchange(ref _lastHandshake, now.Ticks);
        Interlocked.Exchange(ref _handshakeWanted, 0);
    }

    private void SessionMade(Instant now)
    {
        _zeroKeysDue = now + _timing.ZeroKeysAfterTime;
        _device.Schedule.Ask(this);
    }

    private void ClearSessions()
    {
        _sessions.Clear();
        _zeroKeysDue = Instant.Never;
        _keepaliveWanted = false;
    }

    private void DropStaged()
    {
        lock (_stagedLock)
        {
            _device.Drops.Add(DropReason.NoSession, _staged.Clear());
            _hasStaged = false;
        }
    }
}
