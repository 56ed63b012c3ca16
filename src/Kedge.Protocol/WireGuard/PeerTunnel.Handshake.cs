using System.Threading;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Noise;

namespace Kedge.Protocol.WireGuard;

/// <content>What the handshake thread does, and how it is asked to.</content>
public sealed partial class PeerTunnel
{
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
        StartOnNewPath(now);
        if (_path is null && _pathFinder is { } finder)
        {
            AwaitPath(now, finder);
            return Outcome.Nothing;
        }
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
        if (IsHandshakeWanted || _pathWasSet || _keepaliveWanted)
            return now;
        if (_path is null && _pathFinder is not null)
            return Instant.Earlier(_attempt.Due, _zeroKeysDue);
        if (_hasStaged && _path is not null && HasSession(now))
            return now;
        Instant deadline = Instant.Earlier(_attempt.Due, _zeroKeysDue);
        deadline = Instant.Earlier(deadline, Instant.Earlier(_timers.AnswerDue, _timers.KeepaliveDue));
        if (_path is not null)
            deadline = Instant.Earlier(deadline, _timers.PersistentKeepaliveDue);
        return Keys == KeyPairs.None ? deadline : Instant.Earlier(deadline, NextLook(now));
    }

    /// <summary>Asks for a new handshake, as soon as the specification allows one. Any thread.</summary>
    public void RequestHandshake()
    {
        if (Interlocked.Exchange(ref _handshakeWanted, 1) == 0)
            _device.Attention(this);
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
        // A path that is known stays until the session is confirmed: this may be an old initiation, sent again by anybody from anywhere.
        if (_path is null && _pathFinder is null)
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
        _sessions.AddInitiated(session);
        _keepaliveWanted = true; // after the session: it confirms that one, so nothing that another has sent stands for it
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

    // What packets cause is due KeepaliveTimeout later at the earliest, so looking again within that time is never too late. Rounding it down
    // lets one wake-up serve many peers.
    private Instant NextLook(Instant now)
    {
        long interval = _timing.KeepaliveTimeout.Ticks / 8;
        long latest = now.Ticks + _timing.KeepaliveTimeout.Ticks;
        return new Instant(latest - latest % interval);
    }

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
        if (_path is null)
            _timers.ForgetAcknowledgement();
        else
            _timers.Sent(now);
        return false;
    }

    // A peer behind a NAT is reached only once we have spoken to it, which must not wait for the next persistent keepalive.
    private void StartOnNewPath(Instant now)
    {
        if (!_pathWasSet)
            return;
        _pathWasSet = false;
        if (_path is null)
            return;
        bool isWanted = _awaitsPath || (_pathFinder is not null && _attempt.Handshake is not null);
        _awaitsPath = false;
        if (HasSession(now) || (!isWanted && PersistentKeepalive == TimeSpan.Zero))
            return;
        if (isWanted)
            _attempt.EndForAnother(); // an initiation on another path may never be answered
        RequestHandshake();
    }

    private void AwaitPath(Instant now, IPathFinder finder)
    {
        bool isWanted = Interlocked.Exchange(ref _handshakeWanted, 0) != 0 | _keepaliveWanted | now >= _attempt.Due
            | (_attempt.Handshake is not null && !_awaitsPath);
        _keepaliveWanted = false;
        if (now >= _attempt.Due)
            _attempt.End();
        if (!isWanted)
            return;
        _awaitsPath = true;
        finder.Want();
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
}
