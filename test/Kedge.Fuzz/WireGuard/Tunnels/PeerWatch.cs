using Kedge.Protocol;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard.Tunnels;

/// <summary>
/// One peer of one machine as it must be: told of everything that happens to it, it knows which sessions there are, which packets wait,
/// what may leave and what must. It is a second, plainer reading of the specification, and complains where the tunnel differs.
/// </summary>
internal sealed class PeerWatch(Machine machine, PeerTunnel peer, Timing timing)
{
    private readonly StagedModel _staged = new();
    private readonly Dictionary<KeyPair, ulong> _counters = [];
    private readonly HashSet<(KeyPair Session, ulong Counter)> _accepted = [];
    private readonly HashSet<KeyPair> _renewed = [];
    private readonly HashSet<SentInitiation> _answered = [];
    private readonly Dictionary<Machine, int> _lastAnswered = [];

    private KeyPair? _current, _previous, _next;
    private SentInitiation? _pending;
    private Instant _zeroKeysDue = Instant.Never;
    private Instant? _lastInitiation;
    private Instant? _lastHandshake;
    private Instant? _lastTraversal;
    private Instant? _dataReceivedSince;
    private Instant? _unansweredSince;
    private Instant? _lastDemand;
    private Instant? _mustInitiateBy;
    private bool _keepaliveRequested, _mayBeginAgain;
    private long _sent, _received;

    /// <summary>The tunnel that is watched.</summary>
    public PeerTunnel Peer => peer;

    /// <summary>The time before which it has said that nothing is due, unless something happens.</summary>
    public Instant Promised { get; set; } = new(long.MinValue);

    /// <summary>The sessions that there must be.</summary>
    public IEnumerable<KeyPair> Sessions => new[] { _current, _previous, _next }.OfType<KeyPair>();

    private bool HasSession(Instant now) => _current?.IsExpired(now) == false;

    // ---- What is sent --------------------------------------------------------------------------------------------------------------

    /// <summary>A packet was sealed directly, or could not be and was staged.</summary>
    public void PacketSent(Instant now, byte[] packet, byte[]? datagram, int dropped)
    {
        if (datagram is null)
        {
            Invariant.Holds(!HasSession(now), "a packet is sealed where there is a session");
            Invariant.Equal(_staged.Add(packet), dropped, "as many staged packets are dropped as must make room");
            Demand(now);
        }
        else
        {
            Invariant.Equal(0, _staged.Count, "no packet overtakes those that wait");
            Sealed(now, datagram, packet.Length);
            _unansweredSince ??= now;
        }
        CheckStaged();
    }

    /// <summary>A packet that waited was sealed.</summary>
    /// <returns>The packet that it must be.</returns>
    public byte[] StagedSent(Instant now, byte[] datagram)
    {
        Invariant.Holds(_staged.Count > 0, "what leaves has been sent");
        byte[] packet = _staged.Take();
        Sealed(now, datagram, packet.Length);
        _unansweredSince ??= now;
        CheckStaged();
        return packet;
    }

    /// <summary>A keepalive was sealed.</summary>
    public void KeepaliveSent(Instant now, byte[] datagram)
    {
        bool confirms = _current is { IsInitiator: true } && _counters.GetValueOrDefault(_current) == 0;
        bool acknowledges = now - _dataReceivedSince >= timing.KeepaliveTimeout;
        TimeSpan interval = peer.PersistentKeepalive;
        bool persists = interval > TimeSpan.Zero && (_lastTraversal is null || now - _lastTraversal >= interval);
        Invariant.Holds(confirms || acknowledges || persists || _keepaliveRequested, "a keepalive is sent for a reason, and never for a keepalive");
        Sealed(now, datagram, 0);
    }

    /// <summary>An initiation left.</summary>
    public void InitiationSent(Instant now, SentInitiation initiation, byte[] datagram)
    {
        Invariant.Holds(
            _lastInitiation is null || now - _lastInitiation >= timing.RekeyTimeout || _mayBeginAgain,
            "initiations are no closer than REKEY_TIMEOUT, but for one after the preshared key has changed");
        _mayBeginAgain = false;
        _lastInitiation = now;
        _pending = initiation;
        _mustInitiateBy = now + timing.RekeyTimeout + timing.MaximumJitter; // again, until it is answered
        Traversed(now, datagram.Length);
    }

    /// <summary>The preshared key was changed: a handshake that failed for the old one may begin again at once, and only once.</summary>
    public void PresharedKeyChanged() => _mayBeginAgain = true;

    /// <summary>A response left; <paramref name="session"/> is what it has made.</summary>
    public void ResponseSent(Instant now, SentInitiation initiation, byte[] datagram, KeyPair session)
    {
        Invariant.Holds(_answered.Add(initiation), "an initiation is answered once");
        int last = _lastAnswered.GetValueOrDefault(initiation.Machine, -1);
        Invariant.Holds(initiation.Number > last, "no initiation is answered after a later one");
        _lastAnswered[initiation.Machine] = initiation.Number;
        Invariant.Holds(!session.IsInitiator && session.Peer == peer, "a session knows whose it is");
        _received += HandshakeInitiation.Size;
        _unansweredSince = null;
        (_previous, _next) = (null, session);
        _zeroKeysDue = now + timing.ZeroKeysAfterTime;
        Traversed(now, datagram.Length);
    }

    // ---- What is received ----------------------------------------------------------------------------------------------------------

    /// <summary>A response was taken; <paramref name="session"/> is what it has made.</summary>
    public void ResponseTaken(Instant now, SentInitiation initiation, KeyPair session)
    {
        Invariant.Equal(_pending, initiation, "the response to the last initiation is taken, and no other");
        _pending = null;
        Invariant.Holds(session.IsInitiator && session.Peer == peer, "a session knows whose it is");
        _received += HandshakeResponse.Size;
        _unansweredSince = null;
        _lastTraversal = now;
        (_current, _previous, _next) = (session, _next ?? _current, null);
        _zeroKeysDue = now + timing.ZeroKeysAfterTime;
        _lastHandshake = now;
        _mustInitiateBy = null;
    }

    /// <summary>An authentic transport message was taken.</summary>
    public void DataTaken(Instant now, KeyPair session, ulong counter, int length)
    {
        Invariant.Holds(Sessions.Contains(session), "packets are received in sessions that are alive");
        Invariant.Holds(now - session.Created < timing.RejectAfterTime, "nothing is received after REJECT_AFTER_TIME");
        Invariant.Holds(counter < timing.RejectAfterMessages, "nothing is received after REJECT_AFTER_MESSAGES");
        Invariant.Holds(_accepted.Add((session, counter)), "no counter is accepted twice in one session");
        _received += length;
        _unansweredSince = null;
        _lastTraversal = now;
        if (length > TransportData.Overhead)
            _dataReceivedSince ??= now;
        if (session == _next)
        {
            (_current, _previous, _next) = (_next, _current, null);
            _lastHandshake = now;
            _mustInitiateBy = null;
        }
        RenewIfOld(now, session, timing.RenewOnReceiveTime);
    }

    // ---- What is done to it --------------------------------------------------------------------------------------------------------

    /// <summary>Somebody asked for a handshake.</summary>
    public void Demand(Instant now)
    {
        _lastDemand = now;
        if (now == _lastHandshake)
            return; // whoever asks at the moment of a handshake may be content with that one
        _mustInitiateBy ??= now + timing.RekeyTimeout + timing.MaximumJitter;
    }

    /// <summary>Somebody asked for a keepalive.</summary>
    public void KeepaliveRequested() => _keepaliveRequested = true;

    /// <summary>The interface came up: what was asked for while it was down can begin.</summary>
    public void CameUp(Instant now)
    {
        if (_mustInitiateBy is not null)
            _mustInitiateBy = now + timing.RekeyTimeout + timing.MaximumJitter;
    }

    /// <summary>Its sessions, its handshake and what waited have been cleared.</summary>
    public void Cleared()
    {
        ClearSessions();
        _staged.Clear();
        _pending = null;
        _lastInitiation = _dataReceivedSince = _unansweredSince = _mustInitiateBy = null;
        CheckStaged();
    }

    // ---- What is due ---------------------------------------------------------------------------------------------------------------

    /// <summary>It is about to be polled.</summary>
    public void Polling(Instant now)
    {
        if (now >= _zeroKeysDue)
            ClearSessions();
        if (_keepaliveRequested && !HasSession(now))
        {
            _keepaliveRequested = false;
            Demand(now);
        }
        if (_unansweredSince is { } since && now - since >= timing.NoAnswerTimeout)
        {
            _unansweredSince = null;
            Demand(now);
        }
    }

    /// <summary>It was polled until nothing was due.</summary>
    public void Polled(Instant now)
    {
        Invariant.Holds(peer.NextDeadline(now) > now, "after everything has been done nothing is due");
        if (!peer.HasStaged && _staged.Count > 0)
        {
            Invariant.Holds(peer.Path is null || now - _lastDemand >= timing.RekeyAttemptTime, "packets wait for REKEY_ATTEMPT_TIME");
            _staged.Clear();
        }
        if (peer.Path is null || now - _lastDemand >= timing.RekeyAttemptTime)
            _mustInitiateBy = null;
        Invariant.Holds(_staged.Count == 0 || !HasSession(now), "packets leave as soon as there is a session");
    }

    /// <summary>Complains about what should have been done by now. Only where it has been polled whenever something was due.</summary>
    public void CheckPunctuality(Instant now)
    {
        Invariant.Holds(_mustInitiateBy is null || now <= _mustInitiateBy, "a handshake that is asked for is begun in time");
        Invariant.Holds(!(now - _unansweredSince >= timing.NoAnswerTimeout), "a peer that does not answer is asked for a handshake in time");
        Invariant.Holds(now < _zeroKeysDue, "keys are zeroed in time");
        Invariant.Holds(!_keepaliveRequested, "a keepalive that is asked for is sent, or a session asked for");
        if (!HasSession(now))
            return;
        Invariant.Holds(!(now - _dataReceivedSince >= timing.KeepaliveTimeout), "received data is acknowledged within KEEPALIVE_TIMEOUT");
        TimeSpan interval = peer.PersistentKeepalive;
        Invariant.Holds(
            peer.Path is null || interval == TimeSpan.Zero || now - _lastTraversal < interval, "a persistent keepalive is sent in time");
    }

    /// <summary>Compares what can be seen of the tunnel with what it must be.</summary>
    public void Check()
    {
        CheckStaged();
        Invariant.Equal(_sent, peer.SentBytes, "what was sent is counted");
        Invariant.Equal(_received, peer.ReceivedBytes, "what was received is counted");
        Invariant.Equal(_lastHandshake, peer.LastHandshake, "the last handshake is when it was");
        foreach (KeyPair session in Sessions)
            Invariant.Equal(session, machine.Device.FindSession(session.LocalIndex), "a session is found under its index");
    }

    private void Sealed(Instant now, byte[] datagram, int length)
    {
        var message = new TransportData(datagram);
        KeyPair session = _current ?? throw new InvariantException("nothing is sealed without a session");
        Invariant.Equal(session.RemoteIndex, message.Receiver, "the current session is sent with");
        Invariant.Holds(now - session.Created < timing.RejectAfterTime, "nothing is sent after REJECT_AFTER_TIME");
        Invariant.Holds(message.Counter < timing.RejectAfterMessages, "nothing is sent after REJECT_AFTER_MESSAGES");
        Invariant.Equal(_counters.GetValueOrDefault(session), message.Counter, "counters count, and none is used twice");
        _counters[session] = message.Counter + 1;
        Invariant.Holds(datagram.Length >= length + TransportData.Overhead, "a packet fits into its datagram");
        Traversed(now, datagram.Length);
        RenewIfOld(now, session, timing.RekeyAfterTime);
    }

    private void Traversed(Instant now, int length)
    {
        _sent += length;
        _lastTraversal = now;
        _dataReceivedSince = null;
        _keepaliveRequested = false;
    }

    private void RenewIfOld(Instant now, KeyPair session, TimeSpan age)
    {
        bool isOld = session.IsInitiator && now - session.Created >= age;
        if ((isOld || _counters.GetValueOrDefault(session) >= timing.RekeyAfterMessages) && _renewed.Add(session))
            Demand(now);
    }

    private void ClearSessions()
    {
        _current = _previous = _next = null;
        _zeroKeysDue = Instant.Never;
        _keepaliveRequested = false;
    }

    private void CheckStaged() => Invariant.Holds(_staged.Count == 0 || peer.HasStaged, "what waits is not forgotten");
}
