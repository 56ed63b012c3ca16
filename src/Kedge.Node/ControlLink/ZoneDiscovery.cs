using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Protocol;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Discovery;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Mesh;
using Kedge.Protocol.Paths;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;
using Microsoft.Extensions.Logging;

namespace Kedge.Node.ControlLink;

/// <summary>
/// In a network without a controller, finds the node that a packet is for, and is found: joins <see cref="DiscoveryProtocol"/>, which knows whom
/// there is, to the device, which carries its frames and reaches peers, and to the zone, which admits them. Peers that nobody uses leave the device
/// and come back with the next packet. One thread at a time.
/// </summary>
internal sealed class ZoneDiscovery
{
    /// <summary>How long a peer that nobody uses stays in the device.</summary>
    public static readonly TimeSpan IdleTime = TimeSpan.FromMinutes(10);

    /// <summary>How long a peer is tried where it was before others are asked where it is now, and it is knocked at again.</summary>
    public static readonly TimeSpan LossTime = TimeSpan.FromSeconds(1.5);

    private const int MostKnocks = 6; // at a peer that has perhaps forgotten this node
    private const int ConnectionsTried = 4;

    private static readonly TimeSpan KnockInterval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan WriteInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMinutes(5);

    private readonly OwnNode _own;
    private readonly ZonePeers _peers;
    private readonly OwnReachability _reachability;
    private readonly NodeProcess _process;
    private readonly Action<NodeCertificate, IReadOnlyList<PeerEndpoint>> _install;
    private readonly Action<NetworkTrust> _useTrust;
    private readonly MembersFile _members;
    private readonly Problems _problems;
    private readonly ILogger _log;
    private readonly DiscoveryProtocol _protocol;
    private readonly HashSet<PublicKey> _idle = [];
    private readonly Dictionary<PublicKey, Search> _searches = [];
    private readonly HashSet<PublicKey> _connected = [];
    private Instant _connectAt;
    private Instant _writeAt;
    private TimeSpan _retry = FirstRetry;

    /// <summary>Begins with what is known of the zone.</summary>
    /// <param name="own">What this node is.</param>
    /// <param name="trust">Whom it believes.</param>
    /// <param name="peers">The nodes that are admitted.</param>
    /// <param name="reachability">Where this node can be reached.</param>
    /// <param name="process">The node process.</param>
    /// <param name="install">Puts a node with its endpoints into the map.</param>
    /// <param name="useTrust">Takes a newer revocation list.</param>
    /// <param name="members">What is kept of others.</param>
    /// <param name="problems">Receives write failures.</param>
    /// <param name="log">Receives what happens.</param>
    public ZoneDiscovery(
        OwnNode own, NetworkTrust trust, ZonePeers peers, OwnReachability reachability, NodeProcess process,
        Action<NodeCertificate, IReadOnlyList<PeerEndpoint>> install, Action<NetworkTrust> useTrust, MembersFile members, Problems problems, ILogger log)
    {
        (_own, _peers, _reachability, _process) = (own, peers, reachability, process);
        (_install, _useTrust, _problems, _log) = (install, useTrust, problems, log);
        peers.Idle = _idle;
        var settings = new DiscoverySettings
        {
            Certificate = own.Certificate.Node,
            Sign = (hash, signature) => own.Keys.Identity.TrySignHash(hash, signature, DSASignatureFormat.IeeeP1363FixedFieldConcatenation, out _),
            Trust = trust,
            Random = RandomNumberGenerator.Fill,
            Checks = new Checks(own, peers),
            Relays = own.IsRelay,
        };
        Instant now = BootClock.Now;
        _protocol = new DiscoveryProtocol(settings, now, DateTimeOffset.UtcNow);
        _members = members;
        foreach ((NodeCertificate certificate, NodeRecord record) in members.Read())
            _protocol.Restore(now, certificate, record);
        _writeAt = now + WriteInterval;
    }

    /// <summary>Takes what has happened in the device.</summary>
    public void Take(Instant now, DeviceEvent happened)
    {
        switch (happened)
        {
            case KnockEnd { Refusal: null } end when NodeCertificate.TryParse(end.Certificate.Span, out NodeCertificate? certificate, out _):
                if (end.Asked.IsNone && !ReservedPrefixes.IsPrivate(end.Remote.Address))
                    _protocol.SetReachedByStrangers(now, isReached: true);
                Connect([certificate]);
                break;
            case PeerReached reached:
                Reached(now, reached.Peer, reached.IsReached);
                break;
            case FrameReceived received:
                _protocol.Receive(now, received.Peer, received.Frame.Span);
                break;
            case LookupWanted wanted:
                if (_peers.Find(wanted.Address) is { } known)
                    _idle.Remove(known.WireGuardKey);
                _protocol.LookUp(now, wanted.Address);
                break;
        }
    }

    /// <summary>Has a peer in the device that was perhaps not used for long.</summary>
    public void Use(PublicKey peer) => _idle.Remove(peer);

    /// <summary>Looks at the device: which peers are reached, which are looked for in vain, and which nobody uses.</summary>
    public void Look(Instant now, DeviceStatus status)
    {
        DateTimeOffset time = DateTimeOffset.UtcNow;
        _protocol.SetTime(now, time);
        _protocol.SetEndpoints(now, _reachability.Endpoints);
        foreach (PeerStatus peer in status.Peers)
        {
            if (peer.PathState is not { } state || _peers.CertificateOf(peer.PublicKey) is not { } certificate)
                continue;
            Reached(now, peer.PublicKey, state is PathState.Direct or PathState.Relayed);
            if (state == PathState.Idle)
                _searches.Remove(peer.PublicKey);
            if (state == PathState.Idle && time - peer.PathSince > IdleTime)
                _idle.Add(peer.PublicKey);
            else if (state is PathState.Connecting or PathState.Waiting)
                LookAgain(now, certificate);
        }
        if (now >= _writeAt)
            Save(now);
        if (now >= _connectAt)
            ConnectToSome(now);
        foreach (PublicKey gone in _connected.Except(status.Peers.Select(peer => peer.PublicKey)).ToArray())
            Reached(now, gone, isReached: false);
    }

    /// <summary>Does what is due, and hands on what comes of it.</summary>
    /// <returns>When there is something to do again.</returns>
    public Instant Poll(Instant now)
    {
        _protocol.Poll(now);
        while (_protocol.TakeOutcome() is { } outcome)
            Follow(now, outcome);
        SendFrames();
        return _protocol.NextDeadline;
    }

    /// <summary>Writes what is to be kept of others.</summary>
    public void Save(Instant now)
    {
        _writeAt = now + WriteInterval;
        try
        {
            _members.Write();
            _problems.Set("known nodes", null);
        }
        catch (LinuxException exception)
        {
            _problems.Set("known nodes", $"Whom this node knows could not be kept: {exception.Message}");
        }
    }

    private void Reached(Instant now, PublicKey peer, bool isReached)
    {
        if (!isReached)
        {
            if (_connected.Remove(peer))
                _protocol.PeerGone(now, peer);
            return;
        }
        _searches.Remove(peer);
        if (_peers.CertificateOf(peer) is { } certificate && _connected.Add(peer))
            _protocol.PeerConnected(now, certificate);
    }

    // Without a connection nothing is heard of others: after a start, or when all are gone.
    private void ConnectToSome(Instant now)
    {
        if (_connected.Count > 0)
        {
            _connectAt = now + FirstRetry;
            _retry = FirstRetry;
            return;
        }
        ZonePeer[] known = [.. _peers.Admitted];
        Random.Shared.Shuffle(known);
        foreach (ZonePeer peer in known.Take(ConnectionsTried))
            _idle.Remove(peer.Certificate.WireGuardKey);
        Connect(known.Take(ConnectionsTried).Select(peer => peer.Certificate));
        _connectAt = now + _retry;
        _retry = _retry * 2 < LongestRetry ? _retry * 2 : LongestRetry;
    }

    private void Connect(IEnumerable<NodeCertificate> peers, bool knocks = false)
    {
        using var change = new DeviceChange();
        foreach (NodeCertificate peer in peers)
            change.Peers.Add(new PeerChange(peer.WireGuardKey) { UpdateOnly = true, Connect = true, Knock = knocks });
        if (change.Peers.Count > 0)
            _process.TryApply(change, "connections");
    }

    // A peer that is wanted and not found where it was: it has moved, or has lost what it knew of this node.
    private void LookAgain(Instant now, NodeCertificate certificate)
    {
        PublicKey key = certificate.WireGuardKey;
        if (!_searches.TryGetValue(key, out Search? search))
            _searches[key] = search = new Search(now + LossTime);
        if (now < search.At || search.Knocks == MostKnocks)
            return;
        (search.At, search.Knocks) = (now + KnockInterval, search.Knocks + 1);
        _protocol.LookUp(now, certificate.Addresses[0]);
        Connect([certificate], knocks: true);
    }

    private void Follow(Instant now, DiscoveryOutcome outcome)
    {
        switch (outcome)
        {
            case MemberFound found:
                Install(now, found.Certificate, found.Record.Endpoints);
                Log.Found(_log, found.Certificate.Name, found.Address);
                break;
            case MemberIntroduced introduced:
                Install(now, introduced.Certificate, introduced.Record.Endpoints);
                break;
            case ConnectionWanted wanted:
                Install(now, wanted.Certificate, wanted.Record.Endpoints);
                if (!_connected.Contains(wanted.Certificate.WireGuardKey))
                    Connect([wanted.Certificate], knocks: true);
                break;
            case EndpointsTold told when _peers.CertificateOf(told.Certificate.WireGuardKey) is not null:
                _install(told.Certificate, told.Endpoints);
                UseRelays(now, told.Endpoints);
                break;
            case MemberNotFound notFound:
                string why = Describe(notFound.Why);
                Log.NotFound(_log, notFound.Address, why);
                using (var change = new DeviceChange { NotFound = { notFound.Address } })
                    _process.TryApply(change, "look-ups");
                break;
            case TrustChanged changed:
                _useTrust(changed.Trust);
                break;
            case MemberKept kept:
                _members.Keep(kept);
                break;
            case MemberLeft left:
                Reached(now, left.Key, isReached: false);
                break;
        }
    }

    private void Install(Instant now, NodeCertificate certificate, IReadOnlyList<PeerEndpoint> endpoints)
    {
        _idle.Remove(certificate.WireGuardKey);
        _install(certificate, endpoints);
        UseRelays(now, endpoints);
    }

    // Who passes on what is for a peer has to be a peer itself.
    private void UseRelays(Instant now, IReadOnlyList<PeerEndpoint> endpoints)
    {
        foreach (PeerEndpoint relay in endpoints.Where(at => at.Kind == PeerEndpointKind.Relay))
        {
            if (_peers.Find(relay.Address.Address) is { } known)
                _idle.Remove(known.WireGuardKey);
            else if (!_own.Certificate.Node.Addresses.Contains(relay.Address.Address))
                _protocol.LookUp(now, relay.Address.Address);
        }
    }

    private void SendFrames()
    {
        Dictionary<PublicKey, PeerChange> frames = [];
        using var change = new DeviceChange();
        while (_protocol.TryTakeFrame(out PublicKey to, out byte[] frame))
        {
            if (!frames.TryGetValue(to, out PeerChange? peer))
            {
                frames[to] = peer = new PeerChange(to) { UpdateOnly = true };
                change.Peers.Add(peer);
            }
            if (peer.Frames.Count < PeerChange.MostFrames)
                peer.Frames.Add(frame);
        }
        if (frames.Count > 0)
            _process.TryApply(change, "frames");
    }

    private static string Describe(LookupFailure why) => why switch
    {
        LookupFailure.Unknown => "Nobody knows such a node.",
        LookupFailure.NoAnswer => "Those that may know have not answered.",
        LookupFailure.NoPeers => "This node is connected with no other; 'kedge knock ENDPOINT' introduces it to one.",
        LookupFailure.TooMany => "Too many others are looked for just now.",
        LookupFailure.Self => "It is this node's own.",
        _ => $"{why}.",
    };

    private sealed class Search(Instant at)
    {
        public Instant At { get; set; } = at;
        public int Knocks { get; set; }
    }

    /// <summary>Nothing is believed of a node that names what is this node's own or an admitted peer's.</summary>
    private sealed class Checks(OwnNode own, ZonePeers peers) : MemberChecks
    {
        public override bool IsTaken(NodeCertificate certificate) =>
            certificate.WireGuardKey == own.Keys.WireGuardPublicKey
            || certificate.Prefixes.Any(prefix => own.Certificate.Node.Prefixes.Any(mine => ReservedPrefixes.Overlap(mine, prefix)))
            || certificate.Prefixes.Any(prefix => peers.Find(prefix.Address) is { } owner && owner.WireGuardKey != certificate.WireGuardKey);
    }
}
