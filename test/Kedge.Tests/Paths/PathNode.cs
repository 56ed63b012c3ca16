using Kedge.Crypto;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Relays;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Paths;

/// <summary>A node of a <see cref="PathWorld"/>: a device whose peers are found by probes, on one thread and the world's clock.</summary>
internal sealed class PathNode : IDisposable
{
    private readonly PathWorld _world;
    private readonly byte[] _buffer = new byte[4096];
    private readonly byte[] _reply = new byte[1280];
    private readonly AeadPacket[] _batch = new AeadPacket[1];
    private bool _asksAgain;

    public PathNode(PathWorld world, string name, int number, Endpoint address, VirtualNat? nat)
    {
        (_world, Name, Address, Nat) = (world, name, address, nat);
        Inner = IpAddress.IPv4(0x0A_00_00_00 + (uint)number);
        Device = new WireGuardDevice(Timing.Default, world.Fill, () => _asksAgain = true);
        byte[] key = new byte[X25519.KeySize];
        world.Fill(key);
        Device.SetIdentity(new LocalIdentity(key), new TimestampSource(default, _ => { }));
        Paths = new PathProtocol(world.Fill, () => _asksAgain = true, Device.AllowedIps);
        Place();
    }

    public string Name { get; }

    public IpAddress Inner { get; }

    public Endpoint Address { get; private set; }

    /// <summary>A second address of a node that is behind no NAT; null for none.</summary>
    public Endpoint? Ipv6 { get; private set; }

    public VirtualNat? Nat { get; private set; }

    public WireGuardDevice Device { get; }

    public PathProtocol Paths { get; }

    /// <summary>Whether introductions of this node reach others.</summary>
    public bool IsIntroduced { get; set; } = true;

    /// <summary>Whether a STUN server has seen this node.</summary>
    public bool IsSeen { get; private set; } = true;

    /// <summary>Whether it has a stream to the controller.</summary>
    public bool HasStream { get; private set; }

    /// <summary>When packets came out of the tunnel, by number.</summary>
    public List<(Instant Time, int Number)> Delivered { get; } = [];

    /// <summary>How many datagrams it has refused to pass on.</summary>
    public int Refused { get; private set; }

    /// <summary>What a hostile relay does with a datagram that it is to pass on, and its recipient; null for an honest one.</summary>
    public Action<byte[], PeerTunnel>? PassOn { get; set; }

    /// <summary>Why datagrams of peers went no further.</summary>
    public List<DropReason> Dropped { get; } = [];

    /// <summary>How often it has been looked after.</summary>
    public int Polls { get; set; }

    /// <summary>Everything that was sent.</summary>
    public List<Sent> Log { get; } = [];

    public PublicKey Key => Device.Identity!.PublicKey;

    /// <summary>Where it tells that it can be reached.</summary>
    public IReadOnlyList<PeerEndpoint> Told =>
    [
        .. RelayTold,
        .. StreamTold,
        .. Own.Select(own => new PeerEndpoint(own, PeerEndpointKind.Local)),
        .. Reflexive.Select(seen => new PeerEndpoint(seen, PeerEndpointKind.Reflexive)),
    ];

    private IReadOnlyList<Endpoint> Own => Ipv6 is { } ipv6 ? [Address, ipv6] : [Address];

    private IEnumerable<PeerEndpoint> RelayTold =>
        Paths.Home is { } home && Device.FindPeer(home.PublicKey) is { } relay
            ? [new(new Endpoint(Device.AllowedIps.PrefixesOf(relay)[0].Address, 1), PeerEndpointKind.Relay)]
            : [];

    private IEnumerable<PeerEndpoint> StreamTold => HasStream ? [new(StreamAddress.Of(Key), PeerEndpointKind.Stream)] : [];

    private IReadOnlyList<Endpoint> Reflexive => IsSeen ? [PathWorld.ReflexiveOf(this)] : [];

    public Instant Deadline
    {
        get
        {
            if (_asksAgain)
                return _world.Now;
            Instant deadline = Instant.Earlier(Device.Schedule.Earliest, Paths.NextDeadline);
            foreach (PeerTunnel peer in Device.Peers)
                deadline = Instant.Earlier(deadline, peer.NextDeadline(_world.Now));
            return deadline;
        }
    }

    public PathFinder FinderOf(PathNode other) => Paths.Find(other.Key)!;

    public PeerTunnel TunnelTo(PathNode other) => Device.FindPeer(other.Key)!;

    /// <summary>Has another node as a peer, which tells where it can be reached.</summary>
    public void AddPeer(PathNode other, IReadOnlyList<PeerEndpoint>? told = null)
    {
        PeerTunnel peer = Device.AddPeer(other.Key);
        Device.AllowedIps.Insert(new IpPrefix(other.Inner, 32), peer);
        Paths.Add(_world.Now, peer, ProbeKeys.Derive(Device, peer)!);
        Paths.Offer(_world.Now, other.Key, told ?? other.Told);
    }

    /// <summary>Lets another node, which is a peer, be a relay for this one.</summary>
    public void AllowRelay(PathNode relay) => Paths.AllowRelay(relay.Key, isAllowed: true);

    /// <summary>Whether another node is a peer.</summary>
    public bool Has(PathNode other) => Device.FindPeer(other.Key) is not null;

    /// <summary>Sends a numbered packet.</summary>
    public void Send(PathNode other, int number)
    {
        byte[] packet = new byte[60];
        packet[0] = 0x45;
        packet[3] = 60;
        Inner.CopyTo(packet.AsSpan(12));
        other.Inner.CopyTo(packet.AsSpan(16));
        BitConverter.TryWriteBytes(packet.AsSpan(20), number);
        PeerTunnel peer = TunnelTo(other);
        if (peer.Path is not null)
        {
            while (peer.TrySealStaged(_world.Now, _buffer, out int length))
                Transmit(peer.Path, _buffer.AsSpan(0, length));
            packet.CopyTo(_buffer.AsSpan(TransportData.HeaderSize));
            _batch[0] = Packet(_buffer, packet.Length);
            if (peer.TrySeal(_world.Now, _batch, Device.Mtu))
            {
                Transmit(peer.Path, _buffer.AsSpan(0, _batch[0].Length + TransportData.Overhead));
                return;
            }
        }
        peer.Stage(packet);
    }

    public void Receive(byte[] datagram, Endpoint remote)
    {
        Endpoint local = AddressTowards(remote);
        switch (Datagram.Classify(datagram))
        {
            case DatagramKind.Probe:
                if (Paths.Check(datagram, remote) == DropReason.None)
                    Send(Paths.Receive(_world.Now, datagram, remote, local, _reply), _reply);
                break;
            case DatagramKind.TransportData:
                Accept(datagram, remote, local);
                break;
            case DatagramKind.Relay:
                ReceiveRelayed(datagram, remote);
                break;
            case DatagramKind.Unknown or DatagramKind.Stun or DatagramKind.Rosenpass:
                break;
            default:
                Outcome outcome = Device.ReceiveHandshake(_world.Now, datagram, remote, local, isUnderLoad: false, _reply);
                if (outcome.Kind == OutcomeKind.ToNetwork)
                    _world.Carry(this, _reply.AsSpan(0, outcome.Length), remote, 0);
                break;
        }
    }

    public void Poll()
    {
        _asksAgain = false;
        Polls++;
        if (Paths.TakeRefresh())
            Place();
        while (Paths.Poll(_world.Now, _buffer) is { Sends: true } outcome)
            Send(outcome, _buffer);
        if (Paths.TakeHomeChange())
            _world.Tell(this);
        while (Paths.TryTakeWish(out IntroductionWish wish))
            _world.Introduce(this, wish);
        Device.Schedule.TakeAsking();
        while (Device.Schedule.TakeDue(_world.Now) is { } peer)
        {
            while (peer.Poll(_world.Now, PathWorld.WallClock, _buffer) is { Kind: OutcomeKind.ToNetwork } outcome)
                Transmit(peer.Path!, _buffer.AsSpan(0, outcome.Length));
            Device.Schedule.Put(peer, _world.Now);
        }
    }

    /// <summary>No STUN server has seen this node yet, or one sees it now.</summary>
    public void SetSeen(bool isSeen)
    {
        IsSeen = isSeen;
        Place();
    }

    /// <summary>Has a stream to the controller from now on, or none; the others are told.</summary>
    public void SetStream(bool hasStream)
    {
        HasStream = hasStream;
        Place();
        _world.Tell(this);
    }

    /// <summary>Moves to another address, perhaps behind another NAT.</summary>
    public void MoveTo(Endpoint address, VirtualNat? nat)
    {
        (Address, Nat) = (address, nat);
        Place(hasMoved: true);
    }

    /// <summary>Gets a second address.</summary>
    public void AddIpv6(Endpoint address)
    {
        Ipv6 = address;
        Place();
    }

    /// <summary>Where its datagrams to an endpoint come from.</summary>
    public Endpoint AddressTowards(Endpoint to) => Ipv6 is { } ipv6 && to.Address.IsIPv6 ? ipv6 : Address;

    public void Dispose()
    {
        Paths.Dispose();
        Device.Dispose();
    }

    /// <summary>Sends a datagram, whatever it is, to where a peer is.</summary>
    public void SendTo(byte[] datagram, PeerTunnel peer)
    {
        if (peer.Path is { Relay: null } path)
            _world.Carry(this, datagram, path.Remote, 0);
    }

    private void ReceiveRelayed(byte[] datagram, Endpoint remote)
    {
        uint channel = RelayHeader.ChannelOf(datagram);
        byte[] inner = datagram[RelayHeader.Size..];
        if (Paths.Legs.Find(channel) is { } leg)
        {
            if (Datagram.Classify(inner) == DatagramKind.TransportData)
            {
                Accept(inner, default, default);
                return;
            }
            Outcome outcome = Device.ReceiveHandshake(_world.Now, inner, remote, default, isUnderLoad: false, _reply, isRelayed: true);
            if (outcome.Kind == OutcomeKind.ToNetwork)
                Transmit(PeerPath.By(leg), _reply.AsSpan(0, outcome.Length));
            else if (outcome.Kind == OutcomeKind.Drop)
                Dropped.Add(outcome.Reason);
            return;
        }
        DropReason reason = Paths.Switch.Find(channel) is { } passing ? passing.Admit(_world.Now, remote, datagram) : DropReason.RelayRefused;
        Refused += reason == DropReason.None ? 0 : 1;
        if (reason == DropReason.None)
            (PassOn ?? SendTo)(datagram, Paths.Switch.Find(channel)!.To);
    }

    private void Place(bool hasMoved = false) => Paths.MoveTo(
        _world.Now,
        new Surroundings
        {
            Addresses = [.. Own.Select(own => own.Address)],
            OnLink = [new IpPrefix(Address.Address, 24)],
            Port = Address.Port,
            Reflexive = Reflexive,
            HasStream = HasStream,
            Overlay = [IpPrefix.Parse("10.0.0.0/24")],
            OpeningTimeToLive = 2,
        },
        hasMoved);

    private void Accept(byte[] datagram, Endpoint remote, Endpoint local)
    {
        var message = new TransportData(datagram);
        if (Device.FindSession(message.Receiver) is not { } session)
        {
            Dropped.Add(DropReason.UnknownIndex);
            return;
        }
        Span<byte> plaintext = datagram.AsSpan(TransportData.HeaderSize, datagram.Length - TransportData.Overhead);
        _batch[0] = Packet(datagram, plaintext.Length) with { Counter = message.Counter };
        DropReason reason = DropReason.SessionExpired;
        int length = 0;
        if (session.Open(_batch))
            session.Judge(_batch, new Span<DropReason>(ref reason));
        if (reason == DropReason.None)
            reason = session.Peer.Accept(_world.Now, session, plaintext, remote, local, 0, out length);
        if (reason != DropReason.None)
            Dropped.Add(reason);
        else if (length > 0)
            Delivered.Add((_world.Now, BitConverter.ToInt32(plaintext[20..])));
    }

    private void Send(ControlOutcome outcome, byte[] datagram)
    {
        if (outcome.Sends)
            _world.Carry(this, datagram.AsSpan(0, outcome.Outcome.Length), outcome.Remote, outcome.TimeToLive);
    }

    private void Transmit(PeerPath path, ReadOnlySpan<byte> datagram)
    {
        if (path.First is not { } first)
            return;
        byte[] bytes = new byte[(path.Relay is null ? 0 : RelayHeader.Size) + datagram.Length];
        datagram.CopyTo(bytes.AsSpan(bytes.Length - datagram.Length));
        if (path.Relay is { } relay)
            RelayHeader.Write(bytes, relay.Out);
        _world.Carry(this, bytes, first.Remote, 0);
    }

    private static AeadPacket Packet(byte[] memory, int length) => new()
    {
        Source = memory,
        SourceOffset = TransportData.HeaderSize,
        Destination = memory,
        DestinationOffset = TransportData.HeaderSize,
        Length = length,
    };
}
