using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Fuzz.WireGuard.Tunnels;

/// <summary>
/// A machine in the world, watched: whatever its device does is held against what each peer's <see cref="PeerWatch"/> and the world's
/// <see cref="Ledger"/> know.
/// </summary>
internal sealed class Node : IDisposable
{
    private readonly World _world;
    private readonly Dictionary<PeerTunnel, PeerWatch> _watches = [];
    private readonly Dictionary<PublicKey, byte[]> _presharedKeys = [];
    private readonly Dictionary<IpPrefix, PeerTunnel> _allowed = [];
    private readonly List<uint> _indices = []; // every index that it ever wanted to be addressed with
    private byte[] _privateKey;
    private Instant _wakeAt = new(long.MinValue);

    public Node(World world, int number)
    {
        _world = world;
        _privateKey = world.NewKey();
        Machine = new Machine(number, _privateKey, world.Timing, world.NextSeed());
    }

    public Machine Machine { get; private set; }

    public PublicKey PublicKey => Machine.PublicKey;

    /// <summary>Whether its interface is up; while it is not, nothing goes in or out.</summary>
    public bool IsUp => Machine.Device.IsUp;

    public bool IsUnderLoad { get; set; }

    /// <summary>The ECN bits that datagrams arrive here with.</summary>
    public byte OuterEcn { get; set; }

    /// <summary>When its handshake thread wakes up.</summary>
    public Instant WakeAt => Machine.Attention ? _world.Now : _wakeAt;

    /// <summary>Its peers, in an order that is always the same.</summary>
    public IReadOnlyList<PeerTunnel> Peers => [.. Machine.Device.Peers.OrderBy(peer => peer.PublicKey.ToString(), StringComparer.Ordinal)];

    private Instant Now => _world.Now;

    // ---- Packets -------------------------------------------------------------------------------------------------------------------

    /// <summary>Sends a packet into the tunnel that its destination leads to.</summary>
    public void Send(byte[] packet, IpAddress destination)
    {
        PeerTunnel? peer = Machine.Device.AllowedIps.Find(destination);
        Invariant.Equal(Owner(destination), peer, "a packet goes to the peer that owns its destination");
        if (peer?.Path is null || !IsUp)
            return;
        PeerWatch watch = _watches[peer];
        while (peer.HasStaged && Machine.SealStaged(Now, peer) is { } waiting)
            Transmit(peer, waiting, watch.StagedSent(Now, waiting));
        byte[]? datagram = Machine.Seal(Now, peer, packet);
        int dropped = datagram is null ? peer.Stage(packet) : 0;
        watch.PacketSent(Now, packet, datagram, dropped);
        if (datagram is not null)
            Transmit(peer, datagram, packet);
    }

    /// <summary>Takes a datagram from the network; null while the interface is down.</summary>
    public Reception? Receive(byte[] datagram, Endpoint from)
    {
        if (!IsUp)
            return null;
        (PeerTunnel Peer, PeerPath? Path)[] paths = [.. Machine.Device.Peers.Select(peer => (peer, peer.Path))];
        Reception reception = Machine.Receive(Now, datagram, from, IsUnderLoad, OuterEcn);
        PeerTunnel? mover = reception switch
        {
            { Session: { } session, Reason: not (DropReason.Replayed or DropReason.SessionExpired) } => DataTaken(datagram, session, reception),
            { Kind: DatagramKind.HandshakeInitiation, Reply.Length: HandshakeResponse.Size } => Answered(datagram, reception.Reply),
            { Kind: DatagramKind.HandshakeResponse, IsAccepted: true, Reply: null } => ResponseTaken(datagram),
            _ => null,
        };
        foreach ((PeerTunnel peer, PeerPath? path) in paths)
        {
            bool isUnconfirmed = reception.Kind == DatagramKind.HandshakeInitiation && path is not null;
            if (peer != mover || isUnconfirmed)
                Invariant.Equal(path, peer.Path, "a peer moves only by what it has authenticated");
            else
                Invariant.Equal(new PeerPath(from, Machine.Address), peer.Path, "a peer is where it was last heard from");
        }
        if (reception.Reply is { } reply)
        {
            Invariant.Holds(reply.Length <= datagram.Length, "a stranger gets no more than it sent");
            Invariant.Holds(reply.Length != CookieReply.Size || IsUnderLoad, "cookies are for times of load");
            _world.Transmit(reply, Machine.Address, from);
        }
        return reception;
    }

    private PeerTunnel DataTaken(byte[] datagram, KeyPair session, Reception reception)
    {
        SealedMessage sent = _world.Ledger.FindSealed(datagram) ?? throw new InvariantException("nothing is authentic that nobody sealed");
        PeerTunnel peer = session.Peer;
        Invariant.Holds(!sent.IsAccepted, "no datagram is accepted twice");
        sent.IsAccepted = true;
        Invariant.Equal(sent.To, PublicKey, "a datagram is accepted by whom it is for");
        Invariant.Equal(sent.From, peer.PublicKey, "a datagram is accepted from whom it is");
        Watch(peer).DataTaken(Now, session, reception.Counter, datagram.Length);

        (DropReason reason, byte[]? packet) = Judge(peer, sent.Packet);
        Invariant.Equal(reason, reception.Reason, "a packet is judged by its source and its marks");
        Invariant.Equal(Convert.ToHexString(packet ?? []), Convert.ToHexString(reception.Packet ?? []), "what arrives is what was sent");
        if (packet is not null)
            _world.Delivered(packet, this);
        return peer;
    }

    private (DropReason Reason, byte[]? Packet) Judge(PeerTunnel peer, byte[]? packet)
    {
        if (packet is null)
            return (DropReason.None, null);
        if (Owner(IpAddress.FromBytes(packet.AsSpan(12, 4))) != peer)
            return (DropReason.SourceNotAllowed, null);
        if (!Ecn.TryDecapsulate(packet[1], OuterEcn, out byte ecn))
            return (DropReason.CongestionMarked, null);
        byte[] marked = [.. packet];
        if (ecn != (packet[1] & Ecn.Mask))
            IpPacket.SetEcn(marked, ecn);
        return (DropReason.None, marked);
    }

    private PeerTunnel Answered(byte[] datagram, byte[] response)
    {
        SentInitiation initiation = _world.Ledger.FindInitiation(datagram) ?? throw new InvariantException("nobody answers what nobody initiated");
        Invariant.Equal(initiation.To, PublicKey, "an initiation is answered by whom it is for");
        Invariant.Holds(!IsUnderLoad || datagram.AsSpan(132).ContainsAnyExcept((byte)0), "under load nothing is answered without a cookie");
        PeerTunnel peer = Machine.Device.FindPeer(initiation.From) ?? throw new InvariantException("only peers are answered");
        uint index = new HandshakeResponse(response).Sender;
        KeyPair session = Machine.Device.FindSession(index) ?? throw new InvariantException("an answer makes a session");
        _indices.Add(index);
        Watch(peer).ResponseSent(Now, initiation, response, session);
        _world.Ledger.Add(response, new SentResponse(initiation, PublicKey, _presharedKeys[peer.PublicKey]));
        return peer;
    }

    private PeerTunnel ResponseTaken(byte[] datagram)
    {
        SentResponse response = _world.Ledger.FindResponse(datagram) ?? throw new InvariantException("nobody takes a response that nobody sent");
        SentInitiation initiation = response.Initiation;
        Invariant.Equal(initiation.Machine, Machine, "a response is taken by whom it is for");
        PeerTunnel peer = initiation.Peer;
        Invariant.Equal(response.From, peer.PublicKey, "a response is taken from the peer that was initiated to");
        Invariant.Holds(
            response.PresharedKey.AsSpan().SequenceEqual(_presharedKeys[peer.PublicKey]), "a handshake needs the same preshared key at both ends");
        KeyPair session = Machine.Device.FindSession(initiation.Index) ?? throw new InvariantException("a response makes a session");
        Invariant.Equal(new HandshakeResponse(datagram).Sender, session.RemoteIndex, "the peer is addressed as it asks to be");
        Watch(peer).ResponseTaken(Now, initiation, session);
        return peer;
    }

    // ---- Time ----------------------------------------------------------------------------------------------------------------------

    /// <summary>Does what its handshake thread does when it wakes up: polls each peer that says it is due.</summary>
    /// <param name="all">Whether those that are not due are polled as well, which must change nothing.</param>
    public void Poll(bool all)
    {
        bool mayBeDue = Machine.Attention;
        Machine.Attention = false;
        _wakeAt = Instant.Never;
        HashSet<PeerTunnel> scheduled = TakeScheduled();
        foreach (PeerTunnel peer in Peers)
        {
            PeerWatch watch = Watch(peer);
            Invariant.Holds(peer.NextDeadline(Now) > Now || scheduled.Contains(peer), "a peer that is due is scheduled");
            if (all || peer.NextDeadline(Now) <= Now)
            {
                Poll(peer, watch, mayBeDue);
                watch.Polled(Now);
            }
            watch.Promised = peer.NextDeadline(Now);
            _wakeAt = Instant.Earlier(_wakeAt, watch.Promised);
        }
        foreach (PeerTunnel peer in scheduled)
            Machine.Device.Schedule.Put(peer, Now);
        Invariant.Holds(Machine.Device.Schedule.Earliest <= _wakeAt, "the schedule wakes up no later than a walk over all peers");
    }

    /// <summary>Takes what the schedule says is due.</summary>
    private HashSet<PeerTunnel> TakeScheduled()
    {
        HashSet<PeerTunnel> taken = [];
        Machine.Device.Schedule.TakeAsking();
        while (Machine.Device.Schedule.TakeDue(Now) is { } peer)
            taken.Add(peer);
        return taken;
    }

    private void Poll(PeerTunnel peer, PeerWatch watch, bool mayBeDue)
    {
        const int Bound = 128 + 8; // what can wait, and a few messages of its own
        watch.Polling(Now);
        for (int i = 0; ; i++)
        {
            Invariant.Holds(i < Bound, "polling ends");
            bool isDue = peer.NextDeadline(Now) <= Now;
            if (Machine.Poll(Now, _world.WallClock, peer) is not { } datagram)
                return;
            Invariant.Holds(isDue, "nothing is done that the deadline did not announce");
            Invariant.Holds(mayBeDue || Now >= watch.Promised, "nothing is due before the deadline unless the device asks for attention");
            switch (Datagram.Classify(datagram))
            {
                case DatagramKind.HandshakeInitiation:
                    uint index = new HandshakeInitiation(datagram).Sender;
                    _indices.Add(index);
                    var initiation = new SentInitiation(Machine, peer, PublicKey, peer.PublicKey, _world.Ledger.Initiations, index);
                    _world.Ledger.Add(datagram, initiation);
                    watch.InitiationSent(Now, initiation, datagram);
                    Transmit(peer, datagram);
                    break;
                case DatagramKind.TransportData when datagram.Length == TransportData.Overhead:
                    watch.KeepaliveSent(Now, datagram);
                    Transmit(peer, datagram, null);
                    break;
                case DatagramKind.TransportData:
                    Transmit(peer, datagram, watch.StagedSent(Now, datagram));
                    break;
                default:
                    throw new InvariantException("polling makes initiations and transport messages");
            }
        }
    }

    /// <summary>Compares the device with what it must be.</summary>
    public void Check()
    {
        HashSet<KeyPair> expected = [];
        foreach (PeerTunnel peer in Machine.Device.Peers)
        {
            PeerWatch watch = Watch(peer);
            watch.Check();
            expected.UnionWith(watch.Sessions);
            if (_world.IsPunctual && IsUp)
                watch.CheckPunctuality(Now);
        }
        Invariant.Holds(expected.SetEquals(_indices.Select(Machine.Device.FindSession).OfType<KeyPair>()), "there are no sessions but those that peers have");
    }

    /// <summary>Finds out which indices a response is still awaited under: for each peer at most one, and for none that is gone.</summary>
    public void CheckAwaited()
    {
        int peers = Machine.Device.Peers.Count;
        var probe = new byte[CookieReply.Size];
        var reply = new CookieReply(probe) { Type = MessageType.CookieReply };
        int awaited = 0;
        foreach (uint index in _indices.Distinct())
        {
            reply.Receiver = index;
            bool isKnown = Machine.Receive(Now, probe, default).Reason != DropReason.UnknownIndex;
            if (isKnown && Machine.Device.FindSession(index) is null)
                awaited++;
        }
        Invariant.Holds(awaited <= peers, "at most one response a peer is awaited");
    }

    // ---- Configuration -------------------------------------------------------------------------------------------------------------

    /// <summary>Adds a peer, or gives back the one that there is; none for its own key.</summary>
    public PeerTunnel? AddPeer(PublicKey key)
    {
        if (key == PublicKey)
            return null;
        if (Machine.Device.FindPeer(key) is { } known)
            return known;
        PeerTunnel peer = Machine.Device.AddPeer(key);
        _watches.Add(peer, new PeerWatch(Machine, peer, _world.Timing));
        _presharedKeys[key] = new byte[32];
        return peer;
    }

    public void RemovePeer(PeerTunnel peer)
    {
        Machine.Device.RemovePeer(peer.PublicKey);
        Forget(peer);
    }

    public void SetPresharedKey(PeerTunnel peer, byte[] key)
    {
        Watch(peer).PresharedKeyChanged();
        peer.PresharedKey = key;
        _presharedKeys[peer.PublicKey] = key;
    }

    public void SetPath(PeerTunnel peer, PeerPath? path)
    {
        peer.Path = path;
        Machine.Attention = true;
    }

    public void SetPersistentKeepalive(PeerTunnel peer, int seconds)
    {
        bool starts = IsUp && seconds > 0 && peer.PersistentKeepalive == TimeSpan.Zero;
        peer.PersistentKeepalive = TimeSpan.FromSeconds(seconds);
        Machine.Attention = true;
        if (starts)
            RequestKeepalive(peer);
    }

    public void RequestKeepalive(PeerTunnel peer)
    {
        peer.RequestKeepalive();
        Watch(peer).KeepaliveRequested();
    }

    public void RequestHandshake(PeerTunnel peer)
    {
        peer.RequestHandshake();
        Watch(peer).Demand(Now);
    }

    public void Allow(PeerTunnel peer, IpPrefix prefix)
    {
        Machine.Device.AllowedIps.Insert(prefix, peer);
        _allowed[prefix] = peer;
    }

    public void Disallow(PeerTunnel peer, IpPrefix prefix)
    {
        bool isOwner = _allowed.GetValueOrDefault(prefix) == peer;
        Invariant.Equal(isOwner, Machine.Device.AllowedIps.Remove(prefix, peer), "a prefix is removed from its owner alone");
        if (isOwner)
            _allowed.Remove(prefix);
    }

    /// <summary>Takes the interface down: sessions end, configuration stays.</summary>
    public void Down()
    {
        Machine.Device.IsUp = false;
        Machine.Device.ClearSessions();
        foreach (PeerWatch watch in _watches.Values)
            watch.Cleared();
    }

    /// <summary>Takes the interface up.</summary>
    public void Up()
    {
        Machine.Device.IsUp = true;
        Machine.Attention = true;
        foreach (PeerWatch watch in _watches.Values)
            watch.CameUp(Now);
        foreach (PeerTunnel peer in Peers.Where(peer => peer.PersistentKeepalive > TimeSpan.Zero))
            RequestKeepalive(peer);
    }

    /// <summary>Takes another key; a peer that has it is gone.</summary>
    public void UseKey(byte[] privateKey)
    {
        _privateKey = privateKey;
        Machine.UseKey(privateKey);
        foreach (PeerTunnel peer in _watches.Keys.Where(peer => peer.PublicKey == PublicKey).ToArray())
            Forget(peer);
        foreach (PeerWatch watch in _watches.Values)
            watch.Cleared();
    }

    /// <summary>A copy of another machine's key: two machines that were installed from one image.</summary>
    public void UseKeyOf(Node other) => UseKey(other._privateKey);

    /// <summary>Ends and starts again, without peers.</summary>
    /// <param name="crashes">Whether there is no time to give reserved timestamps back.</param>
    public void Restart(bool crashes)
    {
        Tai64N reserved = Machine.Reserved;
        Machine old = Machine;
        old.Dispose();
        Machine = new Machine(old.Number, _privateKey, _world.Timing, _world.NextSeed(), crashes ? reserved : old.Reserved) { Address = old.Address };
        _watches.Clear();
        _presharedKeys.Clear();
        _allowed.Clear();
        _indices.Clear();
        Machine.Attention = true;
    }

    public void Dispose() => Machine.Dispose();

    private void Forget(PeerTunnel peer)
    {
        _watches.Remove(peer);
        _presharedKeys.Remove(peer.PublicKey);
        foreach (IpPrefix prefix in _allowed.Where(entry => entry.Value == peer).Select(entry => entry.Key).ToArray())
            _allowed.Remove(prefix);
    }

    private PeerWatch Watch(PeerTunnel peer) =>
        _watches.GetValueOrDefault(peer) ?? throw new InvariantException("nothing is accepted for a peer that is gone");

    private PeerTunnel? Owner(IpAddress address)
    {
        (PeerTunnel? owner, int longest) = (null, -1);
        foreach ((IpPrefix prefix, PeerTunnel peer) in _allowed)
        {
            if (prefix.Length > longest && prefix.Address == address.Masked(prefix.Length))
                (owner, longest) = (peer, prefix.Length);
        }
        return owner;
    }

    private void Transmit(PeerTunnel peer, byte[] datagram, byte[]? packet)
    {
        _world.Ledger.Add(datagram, new SealedMessage(PublicKey, peer.PublicKey, packet));
        Transmit(peer, datagram);
    }

    private void Transmit(PeerTunnel peer, byte[] datagram)
    {
        if (peer.Path is { } path)
            _world.Transmit(datagram, Machine.Address, path.Remote);
    }
}
