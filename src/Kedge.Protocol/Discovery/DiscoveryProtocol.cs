using System.Buffers.Binary;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Protocol.Discovery;

/// <summary>
/// How the nodes of a network without a controller find each other beyond a knock. The 64 best of all nodes are its anchors, and told to all; a node
/// keeps the three of them told where it is that hash highest with its address; and whoever looks for it asks those three. They also tell it of who
/// asks, so that both ends open their paths at once. Up to 64 nodes everybody knows everybody.
/// <para>
/// It is handed frames of peers, time and randomness, and says what is to be sent and done. Peers are members of the network, whose keys WireGuard
/// has proven; they may be hostile all the same: nothing is believed that its author has not signed, and what one peer can cost is bounded.
/// </para>
/// One thread at a time.
/// </summary>
public sealed class DiscoveryProtocol
{
    private static readonly TimeSpan SweepInterval = TimeSpan.FromSeconds(30);

    private readonly DiscoveryState _state;
    private readonly OwnRecord _own;
    private readonly Intake _intake;
    private readonly Transfers _transfers;
    private readonly RevocationSpread _lists;
    private readonly Greetings _greetings;
    private readonly Introductions _introductions;
    private readonly Exchanges _exchanges;
    private readonly Homes _homes;
    private readonly Registrations _registrations;
    private readonly Lookups _lookups;
    private readonly Queries _queries;
    private Instant _sweepAt;

    /// <summary>Makes a node's part in the discovery. It is to be polled then.</summary>
    /// <param name="settings">What the node takes part with.</param>
    /// <param name="now">The time.</param>
    /// <param name="time">The time of day.</param>
    /// <exception cref="ArgumentException">The certificate has no identity key.</exception>
    public DiscoveryProtocol(DiscoverySettings settings, Instant now, DateTimeOffset time)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.Certificate.IdentityKey is null)
            throw new ArgumentException("A stock peer has no key to sign records with.", nameof(settings));
        _state = new DiscoveryState(settings);
        _state.SetTime(now, time);
        _own = new OwnRecord(_state);
        _intake = new Intake(_state, _own);
        _transfers = new Transfers(_state);
        _lists = new RevocationSpread(_state, _transfers, Revoke);
        _greetings = new Greetings(_state, _own, _intake, _lists);
        _introductions = new Introductions(_state, _intake);
        _exchanges = new Exchanges(_state, _own, _introductions, _lists);
        _homes = new Homes(_state, _own, _introductions);
        _registrations = new Registrations(_state, _intake);
        _lookups = new Lookups(_state, _intake, _introductions);
        _queries = new Queries(_state, _intake, _introductions);
        _sweepAt = now + SweepInterval;
    }

    /// <summary>When <see cref="Poll"/> is to be called again; what has been called since may make it earlier.</summary>
    public Instant NextDeadline
    {
        get
        {
            Instant next = Instant.Earlier(_sweepAt, _state.Requests.NextDeadline);
            next = Instant.Earlier(next, Instant.Earlier(_own.NextDeadline, _greetings.NextDeadline));
            next = Instant.Earlier(next, Instant.Earlier(_exchanges.NextDeadline, _homes.NextDeadline));
            return Instant.Earlier(next, _lookups.NextDeadline);
        }
    }

    /// <summary>Whom the network believes, with all lists that have come.</summary>
    public NetworkTrust Trust => _state.Trust;

    /// <summary>This node's record; null before the first <see cref="Poll"/>.</summary>
    public NodeRecord? Record => _state.Self.Record;

    /// <summary>The anchors that this node knows, the best first, itself included if it is one.</summary>
    public IEnumerable<NodeCertificate> Anchors => _state.View.Anchors.Select(anchor => anchor.Certificate);

    /// <summary>How many nodes are known, this one included.</summary>
    public int Known => _state.Members.All.Count;

    /// <summary>How many nodes have registered with this one.</summary>
    public int Registrants => _registrations.Count;

    /// <summary>How many look-ups of this node are under way.</summary>
    public int LookupCount => _lookups.Count;

    /// <summary>How many frames of peers were dropped: no such frames, too many, or of a peer that has forged something.</summary>
    public long Dropped => _state.Dropped;

    /// <summary>How many look-ups of others were passed on.</summary>
    public long LookupsPassedOn => _queries.PassedOn;

    /// <summary>Says what time of day it is, when the machine's clock was set. In between time passes as <see cref="Instant"/>s do.</summary>
    public void SetTime(Instant now, DateTimeOffset time) => _state.SetTime(now, time);

    /// <summary>
    /// Takes what was kept before a start: of each node the newest. Records that are too old by now still say where a node may be; nothing else is
    /// believed of them.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="certificate">The node's certificate; verified again. This node's own stands for its last record's sequence.</param>
    /// <param name="record">Its record.</param>
    /// <returns>Whether it is of use.</returns>
    public bool Restore(Instant now, NodeCertificate certificate, NodeRecord record)
    {
        MemberChecks checks = _state.Settings.Checks;
        bool isGood = checks.Verify(certificate, _state.Trust, _state.TimeAt(now)) is null
            && checks.IsSigned(record, certificate)
            && !checks.IsTaken(certificate)
            && record.Sequence <= (_state.TimeAt(now) + NodeRecord.ClockTolerance).ToUnixTimeMilliseconds();
        if (!isGood || _state.Members.Put(certificate, now) is not { IsSelf: false } member || member.Record is not null)
            return false;
        member.Kept = record;
        _intake.Adopt(now, member, record, member.Id);
        _exchanges.Hurry(now);
        return true;
    }

    /// <summary>A peer of the device has a session, as after a knock.</summary>
    /// <param name="now">The time.</param>
    /// <param name="certificate">Its certificate, which was admitted.</param>
    public void PeerConnected(Instant now, NodeCertificate certificate)
    {
        if (certificate.IdentityKey is null || _state.PeerOf(certificate.WireGuardKey) is not null)
            return; // a stock peer says nothing of its own
        if (_state.Members.Put(certificate, now) is not { IsSelf: false } member || _state.PeerOf(member.Id) is not null)
            return;
        DiscoveryPeer peer = _state.Connect(member);
        _introductions.MarkReachable(now, member.Id);
        _greetings.Begin(now, peer);
        _exchanges.Connected(now, peer);
        _homes.Connected(now, peer);
        _lookups.Connected(now, peer);
    }

    /// <summary>A peer of the device has no session any more.</summary>
    public void PeerGone(Instant now, PublicKey key)
    {
        if (_state.PeerOf(key) is not { } peer)
            return;
        _state.Disconnect(peer);
        _state.Requests.Cancel(now, key);
        _exchanges.Gone(now, peer);
        _homes.Gone(now, peer);
    }

    /// <summary>
    /// Sets where this node can be reached, best first. Others hear of eight of them; private addresses are told to peers alone, unless there are no
    /// others.
    /// </summary>
    public void SetEndpoints(Instant now, IReadOnlyList<PeerEndpoint> endpoints) => _own.SetEndpoints(now, endpoints);

    /// <summary>Sets whether strangers have reached this node, so that it is a better anchor than one that has to be introduced.</summary>
    public void SetReachedByStrangers(Instant now, bool isReached) => _own.SetReached(now, isReached);

    /// <summary>Adds authorities and revocation lists that the owner has learnt otherwise; they are told on.</summary>
    public void UseTrust(Instant now, NetworkTrust trust) => _lists.Use(now, trust);

    /// <summary>
    /// Looks for the node that has an address, itself or in a network behind it. How that ends, an outcome says within five seconds:
    /// <see cref="MemberFound"/> or <see cref="MemberNotFound"/>.
    /// </summary>
    public void LookUp(Instant now, IpAddress address) => _lookups.Begin(now, address);

    /// <summary>Tells the peers that this node leaves.</summary>
    public void Leave(Instant now)
    {
        foreach (DiscoveryPeer peer in _state.Peers)
            _state.Send(peer.Key, FrameWriter.Begin(DiscoveryFrameKind.Goodbye, 0).ToFrame());
    }

    /// <summary>Takes a frame of a peer. What does not come from a connected peer is dropped.</summary>
    /// <param name="now">The time.</param>
    /// <param name="from">The peer.</param>
    /// <param name="frame">The frame, behind which there may be padding.</param>
    public void Receive(Instant now, PublicKey from, ReadOnlySpan<byte> frame)
    {
        if (_state.PeerOf(from) is not { } peer
            || peer.IsShunned
            || !peer.TrySpendFrame(now)
            || !DiscoveryFrame.TryRead(frame, out DiscoveryFrameKind kind, out uint id, out ReadOnlySpan<byte> body))
        {
            _state.Dropped++;
            return;
        }
        Dispatch(now, peer, kind, id, body, frame);
    }

    /// <summary>Does what is due.</summary>
    public void Poll(Instant now)
    {
        _own.Poll(now);
        _state.Requests.Poll(now);
        _greetings.Poll(now);
        _exchanges.Poll(now);
        _homes.Poll(now);
        _lookups.Poll(now);
        if (now >= _sweepAt)
            Sweep(now);
    }

    /// <summary>Takes the oldest frame that is to be sent.</summary>
    /// <param name="to">The peer.</param>
    /// <param name="frame">The frame, at most <see cref="DiscoveryFrame.MaximumSize"/> bytes.</param>
    public bool TryTakeFrame(out PublicKey to, out byte[] frame)
    {
        bool isThere = _state.TryTakeFrame(out (PublicKey To, byte[] Frame) next);
        (to, frame) = isThere ? next : (default, []);
        return isThere;
    }

    /// <summary>Takes the oldest outcome; null if there is none. Of too many that nobody takes, the oldest are forgotten.</summary>
    public DiscoveryOutcome? TakeOutcome() => _state.TakeOutcome();

    /// <summary>The anchors that should know who has an address, in the order in which they are asked.</summary>
    public IEnumerable<NodeCertificate> AnchorsFor(Instant now, IpAddress address) =>
        HomeOrder.Of([.. _state.View.Anchors.Where(anchor => _state.IsFresh(now, anchor))], address).Select(anchor => anchor.Certificate);

    /// <summary>Whether a node is registered here, and what it has told is true now.</summary>
    public bool Knows(Instant now, NodeId node) =>
        _state.Members.Find(node) is { RegisteredUntil: not null } member && _state.IsFresh(now, member);

    private void Dispatch(
        Instant now, DiscoveryPeer peer, DiscoveryFrameKind kind, uint id, ReadOnlySpan<byte> body, ReadOnlySpan<byte> frame)
    {
        NodeId lacking = default;
        bool isDone = true;
        switch (kind)
        {
            case DiscoveryFrameKind.Hello:
                _greetings.Receive(now, peer, id, body);
                _exchanges.Greeted(now);
                break;
            case DiscoveryFrameKind.Digest:
                _exchanges.ReceiveDigest(now, peer, id, body);
                break;
            case DiscoveryFrameKind.Offer:
                _exchanges.ReceiveOffer(now, peer, id, body);
                break;
            case DiscoveryFrameKind.Want:
                _exchanges.ReceiveWant(now, peer, id, body);
                break;
            case DiscoveryFrameKind.Records:
                isDone = TryReceiveRecords(now, peer, body, out lacking);
                break;
            case DiscoveryFrameKind.Lookup:
                isDone = _queries.TryReceive(now, peer, id, body, out lacking);
                break;
            case DiscoveryFrameKind.Answer:
                isDone = _lookups.TryReceive(now, peer, id, body, out lacking) && _queries.TryReceiveAnswer(now, peer, id, body, out lacking);
                break;
            case DiscoveryFrameKind.Introduce:
                isDone = _introductions.TryReceive(now, peer, body, out lacking);
                break;
            case DiscoveryFrameKind.Register:
                _registrations.Receive(now, peer, id, body);
                break;
            case DiscoveryFrameKind.Registered:
                _homes.ReceiveRegistered(now, peer, id, body);
                break;
            case DiscoveryFrameKind.Get:
                _transfers.ReceiveGet(now, peer, id, body);
                break;
            case DiscoveryFrameKind.Part:
                _transfers.ReceivePart(now, peer, id, body);
                break;
            case DiscoveryFrameKind.Lists:
                _lists.Receive(now, peer, body);
                break;
            case DiscoveryFrameKind.Goodbye:
                Part(now, peer);
                break;
            default:
                _state.Dropped++;
                break;
        }
        if (!isDone)
            _transfers.Park(now, peer, lacking, frame, (then, from, bytes) => _intake.TakeCertificate(then, from, bytes), Redeliver);
    }

    // Nothing of a node is taken that was not asked for, but for what it says of itself.
    private bool TryReceiveRecords(Instant now, DiscoveryPeer peer, ReadOnlySpan<byte> body, out NodeId lacking)
    {
        lacking = default;
        var reader = new FrameReader(body);
        bool isDone = true;
        while (RecordsFrame.TryReadNext(ref reader, out byte kind, out ReadOnlySpan<byte> bytes))
        {
            if (kind == RecordsFrame.Certificate)
            {
                Member? member = _intake.TakeCertificate(now, peer, bytes, node => _exchanges.IsWanted(node, peer));
                if (member is not null && _exchanges.EarlyOf(member.Id) is { } early)
                    TakeRecord(now, peer, early, ref lacking);
            }
            else if (kind == RecordsFrame.Record)
            {
                isDone &= TakeRecord(now, peer, bytes, ref lacking);
            }
            else if (kind == RecordsFrame.Nothing && bytes.Length == NodeId.Size)
            {
                var node = new NodeId(BinaryPrimitives.ReadUInt64LittleEndian(bytes));
                if (_exchanges.IsWanted(node, peer))
                    _exchanges.Arrived(now, node, peer);
            }
        }
        return isDone;
    }

    private bool TakeRecord(Instant now, DiscoveryPeer peer, ReadOnlySpan<byte> bytes, ref NodeId lacking)
    {
        if (_state.Settings.Checks.ReadRecord(bytes) is not { } record)
            return true;
        bool isWanted = _exchanges.IsWanted(record.Node, peer);
        if (!isWanted && record.Node != peer.Member.Id)
            return true;
        if (_intake.TakeRecord(now, peer, bytes, isOfInterest: false, out _, out NodeId node) == IntakeResult.LacksCertificate)
        {
            if (isWanted && _exchanges.TryKeepEarly(node, bytes))
                return true;
            lacking = node;
            return false;
        }
        if (isWanted)
            _exchanges.Arrived(now, node, peer);
        return true;
    }

    private void Redeliver(Instant now, PublicKey from, byte[] bytes)
    {
        if (_state.PeerOf(from) is { IsShunned: false } peer
            && DiscoveryFrame.TryRead(bytes, out DiscoveryFrameKind kind, out uint id, out ReadOnlySpan<byte> body))
        {
            Dispatch(now, peer, kind, id, body, bytes);
        }
    }

    private void Part(Instant now, DiscoveryPeer peer)
    {
        _registrations.Remove(peer.Member);
        _state.View.Remove(peer.Member);
        _state.Report(new MemberLeft(peer.Key));
        PeerGone(now, peer.Key);
        _state.Members.Remove(peer.Member);
        _state.RefillView(now);
    }

    private void Revoke(Instant now, Member member)
    {
        _state.Report(new MemberRevoked(member.Certificate));
        if (member.IsSelf)
            return;
        PeerGone(now, member.Certificate.WireGuardKey);
        _registrations.Remove(member);
        _state.View.Remove(member);
        _state.Members.Remove(member);
        _state.RefillView(now);
    }

    private void Sweep(Instant now)
    {
        _sweepAt = now + SweepInterval;
        bool hasLost = false;
        foreach (Member member in _state.Members.All.Where(member => !member.IsSelf).ToArray())
        {
            bool isFresh = _state.IsFresh(now, member);
            if (member.RegisteredUntil is { } until && (now >= until || !isFresh))
                _registrations.Remove(member);
            // What was restored and is too old is a place to begin at, as long as there is nothing better.
            if (member.IsInView && !isFresh && _state.View.Anchors.Any(anchor => !anchor.IsSelf && _state.IsFresh(now, anchor)))
            {
                _state.View.Remove(member);
                hasLost = true;
            }
            if (!member.IsPinned && !isFresh && member.InterestUntil <= now)
                _state.Members.Remove(member);
        }
        if (hasLost)
            _state.RefillView(now);
    }
}
