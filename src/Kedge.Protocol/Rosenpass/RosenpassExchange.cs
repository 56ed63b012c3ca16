using Kedge.Protocol.Ip;

namespace Kedge.Protocol.Rosenpass;

/// <summary>
/// One end of Rosenpass without its I/O: the own key pair, the peers, and the handshakes of both roles. It is handed messages, time and
/// randomness, and says what is to be sent, which work is to be run, and whose output key has changed.
/// <para>
/// Owned by one thread. Buffers are the caller's: <c>datagram</c> has at least <see cref="MaximumDatagram"/> bytes, <c>outputKey</c> 32,
/// which the caller zeroes when it has passed them on.
/// </para>
/// </summary>
public sealed partial class RosenpassExchange : IDisposable
{
    /// <summary>Bytes of an output key.</summary>
    public const int OutputKeySize = 32;

    /// <summary>The longest datagram in bytes that any dialect sends or takes.</summary>
    public const int MaximumDatagram = 1132;

    private readonly StaticKeyPair _own;
    private readonly RosenpassTiming _timing;
    private readonly RosenpassLimits _limits;
    private readonly RandomBytes _random;
    private readonly BiscuitKeys _biscuits;
    private readonly CookieIssuer _cookies;
    private readonly AnswerBudget _budget;
    private readonly Dictionary<uint, RosenpassPeer> _handshakes = [];

    // Jobs look peers up on other threads, so a change makes a new dictionary.
    private Dictionary<PeerId, RosenpassPeer> _peers = [];
    private RosenpassDialect[] _dialects = [];
    private HashSet<Endpoint>? _knownSources;
    private UInt128 _lastBiscuitNo;
    private int _starting;

    /// <summary>An end without peers.</summary>
    /// <param name="own">The own key pair, which the exchange disposes.</param>
    /// <param name="timing">The protocol's times, or a test's.</param>
    /// <param name="limits">How much work may be under way.</param>
    /// <param name="random">Bytes that nobody can predict.</param>
    public RosenpassExchange(StaticKeyPair own, RosenpassTiming timing, RosenpassLimits limits, RandomBytes random)
    {
        _own = own;
        _timing = timing;
        _limits = limits;
        _random = random;
        _biscuits = new BiscuitKeys(timing, random);
        _cookies = new CookieIssuer(own.PublicKey, timing, random);
        _budget = new AnswerBudget(limits);
    }

    /// <summary>The peers, in no order.</summary>
    public IReadOnlyCollection<RosenpassPeer> Peers => _peers.Values;

    /// <summary>When <see cref="Poll"/> has something to do; an instant that has passed means now.</summary>
    public Instant NextDeadline
    {
        get
        {
            Instant next = Instant.Never;
            foreach (RosenpassPeer peer in _peers.Values)
            {
                next = Instant.Earlier(next, Instant.Earlier(peer.StaleAt, peer.GiveUpAt));
                next = Instant.Earlier(next, peer.RetransmitAt);
                if (_starting < _limits.MaximumStarts)
                    next = Instant.Earlier(next, peer.StartAt);
            }
            return next;
        }
    }

    /// <summary>Adds a peer; where its endpoint is known, a handshake starts at the next <see cref="Poll"/>.</summary>
    /// <exception cref="ArgumentException">There is one with this key, the key is our own, or a length is wrong.</exception>
    public RosenpassPeer AddPeer(RosenpassPeerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        PeerId own = _own.PublicKey.IdUnder(settings.Dialect.Hash);
        if (settings.PublicKey.IdUnder(settings.Dialect.Hash) == own)
            throw new ArgumentException("The key is the exchange's own.", nameof(settings));
        var peer = new RosenpassPeer(settings, own, _timing);
        SetPeers(new Dictionary<PeerId, RosenpassPeer>(_peers) { { peer.Id, peer } });
        return peer;
    }

    /// <summary>Removes a peer with its handshake; does nothing when it was removed before.</summary>
    public void RemovePeer(RosenpassPeer peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        if (peer.IsRemoved)
            return;
        var peers = new Dictionary<PeerId, RosenpassPeer>(_peers);
        peers.Remove(peer.Id);
        SetPeers(peers);
        DropHandshake(peer);
        peer.Remove();
    }

    /// <summary>Says where a peer is, as its configuration has it; none when it has to come to us.</summary>
    public void SetEndpoint(RosenpassPeer peer, Endpoint endpoint)
    {
        ArgumentNullException.ThrowIfNull(peer);
        peer.ConfiguredEndpoint = endpoint;
        _knownSources = null;
    }

    /// <summary>Does one thing that time asks for. To be called until there is nothing more.</summary>
    /// <param name="now">The time.</param>
    /// <param name="datagram">Receives what is to be sent.</param>
    /// <param name="outputKey">Receives a random key where one has become stale.</param>
    public RosenpassOutcome Poll(Instant now, Span<byte> datagram, Span<byte> outputKey)
    {
        foreach (RosenpassPeer peer in _peers.Values)
        {
            if (now >= peer.GiveUpAt)
                DropHandshake(peer);
            if (now >= peer.StaleAt)
            {
                peer.ForgetExchange();
                _random(outputKey[..OutputKeySize]);
                return new() { Peer = peer, KeyReason = OutputKeyReason.Stale };
            }
            if (_starting < _limits.MaximumStarts && now >= peer.StartAt)
            {
                _starting++;
                peer.IsStarting = true;
                return RosenpassOutcome.Run(new InitHelloJob(_own, peer, NewSessionId()));
            }
            if (now >= peer.RetransmitAt)
                return Transmit(now, peer, datagram);
        }
        return RosenpassOutcome.Nothing;
    }

    /// <summary>Takes back a job that has been executed, and disposes it.</summary>
    /// <param name="now">The time.</param>
    /// <param name="job">The job.</param>
    /// <param name="datagram">Receives what is to be sent.</param>
    /// <param name="outputKey">Receives a key where one was exchanged.</param>
    public RosenpassOutcome Complete(Instant now, RosenpassJob job, Span<byte> datagram, Span<byte> outputKey)
    {
        ArgumentNullException.ThrowIfNull(job);
        using (job)
        {
            return job switch
            {
                InitHelloJob start => CompleteStart(now, start, datagram),
                RespHelloJob answer => CompleteAnswer(now, answer, datagram),
                InitConfJob finish => CompleteFinish(now, finish, datagram, outputKey),
                _ => throw new ArgumentException("The job is of no known kind.", nameof(job)),
            };
        }
    }

    /// <summary>Removes all peers and zeroes all secrets.</summary>
    public void Dispose()
    {
        foreach (RosenpassPeer peer in _peers.Values)
            RemovePeer(peer);
        _biscuits.Dispose();
        _cookies.Dispose();
        _own.Dispose();
    }

    private RosenpassOutcome CompleteStart(Instant now, InitHelloJob job, Span<byte> datagram)
    {
        RosenpassPeer peer = job.Peer;
        _starting--;
        peer.IsStarting = false;
        // While the job was under way, the peer may have gone, or have finished a handshake of its own.
        if (peer.IsRemoved || now < peer.RekeyAt)
            return RosenpassOutcome.Nothing;
        if (job.TakeHandshake() is not { } handshake)
        {
            peer.Postpone(now);
            return RosenpassOutcome.Nothing;
        }
        DropHandshake(peer);
        handshake.Started = now;
        peer.Handshake = handshake;
        _handshakes.Add(handshake.Sidi, peer);
        return Transmit(now, peer, datagram);
    }

    private RosenpassOutcome CompleteAnswer(Instant now, RespHelloJob job, Span<byte> datagram)
    {
        _budget.Leave(job.IsStranger);
        if (job.Peer is not { } peer)
            return RosenpassOutcome.Drop(job.Reason);
        if (peer.IsRemoved)
            return RosenpassOutcome.Drop(RosenpassDropReason.UnknownPeer);
        RespHello answer = job.Answer;
        ResponderHandshake.Answer(now, _own, peer.Keys, _biscuits, ++_lastBiscuitNo, job.ChainingKey, answer);
        answer.Envelope.Bytes.CopyTo(datagram);
        return RosenpassOutcome.ToNetwork(answer.Envelope.Bytes.Length, job.Source);
    }

    private RosenpassOutcome CompleteFinish(Instant now, InitConfJob job, Span<byte> datagram, Span<byte> outputKey)
    {
        RosenpassPeer peer = job.Peer;
        job.Handshake.IsFinishing = false;
        if (peer.Handshake != job.Handshake)
            return RosenpassOutcome.Drop(RosenpassDropReason.UnknownSession);
        if (job.ChainingKey is not { } ck)
            return RosenpassOutcome.Drop(RosenpassDropReason.NotAuthentic);
        job.Handshake.Confirm(peer.Keys, job.Message, ck, outputKey[..OutputKeySize]);
        FinishExchange(now, peer, job.Source, isInitiator: true);
        peer.VoidBiscuits(_lastBiscuitNo);
        return Transmit(now, peer, datagram) with { Peer = peer, KeyReason = OutputKeyReason.Exchanged };
    }

    private RosenpassOutcome Transmit(Instant now, RosenpassPeer peer, Span<byte> datagram)
    {
        Endpoint destination = peer.NextDestination;
        int length = peer.Handshake!.Transmit(now, _timing, _random, datagram);
        return RosenpassOutcome.ToNetwork(length, destination);
    }

    private void FinishExchange(Instant now, RosenpassPeer peer, Endpoint source, bool isInitiator)
    {
        peer.FinishExchange(now, source, isInitiator, _timing.MaximumRekeyJitter * _random.NextFraction());
        _knownSources = null;
    }

    private void DropHandshake(RosenpassPeer peer)
    {
        if (peer.Handshake is not { } handshake)
            return;
        _handshakes.Remove(handshake.Sidi);
        peer.Handshake = null;
        handshake.Dispose();
    }

    private void SetPeers(Dictionary<PeerId, RosenpassPeer> peers)
    {
        _peers = peers;
        _dialects = [.. peers.Values.Select(peer => peer.Keys.Dialect).Distinct()];
        _knownSources = null;
    }

    private uint NewSessionId()
    {
        uint id;
        do
            id = _random.NextUInt32();
        while (_handshakes.ContainsKey(id));
        return id;
    }
}
