using Kedge.Crypto;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

/// <summary>A packet that came out of a tunnel.</summary>
/// <param name="Time">When.</param>
/// <param name="From">Whose tunnel.</param>
/// <param name="Bytes">The IP packet, without padding.</param>
internal sealed record Delivery(Instant Time, PublicKey From, byte[] Bytes)
{
    /// <summary>The number that <see cref="TestPacket"/> has put in.</summary>
    public ulong Number => TestPacket.Number(Bytes);

    public override string ToString() => $"{Time} {Bytes.Length} bytes from {From}";
}

/// <summary>What a node is told about a peer, and keeps over a restart.</summary>
/// <param name="PublicKey">The peer's name.</param>
/// <param name="AllowedIps">The prefixes that are the peer's.</param>
/// <param name="Endpoint">Where the peer is at first; none if it has to come to us.</param>
/// <param name="PresharedKey">32 bytes; null for none.</param>
/// <param name="PersistentKeepalive">Zero for none.</param>
internal sealed record PeerSettings(
    PublicKey PublicKey, IReadOnlyList<IpPrefix> AllowedIps, Endpoint Endpoint, byte[]? PresharedKey = null, TimeSpan PersistentKeepalive = default);

/// <summary>
/// A machine with a <see cref="WireGuardDevice"/>: does on one thread, on the clock of its <see cref="Pair"/>, what the threads of a
/// real node do with a device. To learn how the protocol core is driven, read <see cref="Send"/> (the sending thread),
/// <see cref="Receive"/> (the receiving thread, and the handshake thread's messages) and <see cref="Poll"/> (the handshake thread's
/// timers).
/// </summary>
internal sealed class Node : IDisposable
{
    private static readonly TimeSpan AskingPatience = TimeSpan.FromSeconds(5);

    private readonly Pair _pair;
    private readonly Timing _timing;
    private readonly byte[] _privateKey = new byte[X25519.KeySize];
    private readonly Dictionary<PublicKey, PeerSettings> _settings = [];
    private readonly AeadPacket[] _batch = new AeadPacket[1];
    private readonly byte[] _sending = new byte[TransportData.Overhead + ushort.MaxValue + 15];
    private readonly byte[] _reply = new byte[HandshakeResponse.Size];
    private Instant _attention = Instant.Never;
    private Instant _deadline;

    /// <param name="pair">Where it lives.</param>
    /// <param name="name">What failures call it.</param>
    /// <param name="number">Decides its addresses; no other node has it.</param>
    /// <param name="timing">The times that it keeps.</param>
    public Node(Pair pair, string name, int number, Timing timing)
    {
        _pair = pair;
        _timing = timing;
        Name = name;
        pair.Random.NextBytes(_privateKey);
        IPv4 = IpAddress.IPv4(0x0A_00_00_00 + (uint)number);
        IPv6 = IpAddress.IPv6((UInt128)0xFD << 120 | (UInt128)(uint)number);
        MoveTo(new Endpoint(IpAddress.IPv4(0xC0_00_02_00 + (uint)number), 51820));
        Device = Start();
    }

    /// <summary>What failures call it.</summary>
    public string Name { get; }

    /// <summary>The device; another one after a restart.</summary>
    public WireGuardDevice Device { get; private set; }

    /// <summary>Its static public key.</summary>
    public PublicKey PublicKey => Device.Identity!.PublicKey;

    /// <summary>Where its socket is.</summary>
    public Endpoint Address { get; private set; }

    /// <summary>Its addresses inside the tunnel.</summary>
    public IpAddress IPv4 { get; }

    /// <inheritdoc cref="IPv4"/>
    public IpAddress IPv6 { get; }

    /// <summary>By how much its wall clock is ahead of the right time.</summary>
    public TimeSpan ClockError { get; set; }

    /// <summary>Whether its handshake queue is long.</summary>
    public bool IsUnderLoad { get; set; }

    /// <summary>The ECN bits that datagrams arrive here with.</summary>
    public byte OuterEcn { get; set; }

    /// <summary>The reservation of timestamps on its disk.</summary>
    public Tai64N ReservationOnDisk { get; private set; }

    /// <summary>Whether what is written to its disk gets lost.</summary>
    public bool DiskFails { get; set; }

    /// <summary>What came out of its tunnels; long runs clear it.</summary>
    public List<Delivery> Delivered { get; } = [];

    /// <summary>What its wall clock shows.</summary>
    public DateTimeOffset WallClock => Pair.RightTimeAtStart + (_pair.Now - new Instant(0)) + ClockError;

    /// <summary>When it has to be polled next.</summary>
    public Instant WakeAt => Instant.Earlier(_attention + Latency, _deadline);

    /// <summary>How long its handshake thread takes to wake up when there is something to do.</summary>
    public TimeSpan Latency { get; set; }

    /// <summary>The tunnel to a node.</summary>
    public PeerTunnel TunnelTo(Node node) =>
        Device.FindPeer(node.PublicKey) ?? throw new InvalidOperationException($"{node.Name} is no peer of {Name}.");

    // ---- What the sending thread does -----------------------------------------------------------------------------------------------

    /// <summary>Sends an IP packet that the machine has put into the tunnel.</summary>
    public void Send(ReadOnlySpan<byte> packet)
    {
        if (!IpPacket.TryParse(packet, out IpPacket parsed))
        {
            Device.Drops.Add(DropReason.MalformedPacket);
            return;
        }
        if (Device.AllowedIps.Find(parsed.Destination) is not { } peer)
        {
            Device.Drops.Add(DropReason.NoRoute);
            return;
        }
        if (peer.Path is null)
        {
            Device.Drops.Add(DropReason.NoEndpoint);
            return;
        }

        // What has waited for a session goes first, so that a flow stays in order.
        while (peer.HasStaged && peer.TrySealStaged(_pair.Now, _sending, out int length))
            Transmit(peer, _sending.AsSpan(0, length));

        packet.CopyTo(_sending.AsSpan(TransportData.HeaderSize));
        _batch[0] = new AeadPacket
        {
            Source = _sending,
            SourceOffset = TransportData.HeaderSize,
            Destination = _sending,
            DestinationOffset = TransportData.HeaderSize,
            Length = packet.Length,
        };
        if (peer.TrySeal(_pair.Now, _batch, Device.Mtu))
            Transmit(peer, _sending.AsSpan(0, _batch[0].Length + TransportData.Overhead));
        else
            peer.Stage(packet);
    }

    // ---- What the receiving thread does, and hands over to the handshake thread -------------------------------------------------------

    /// <summary>Takes a datagram from the socket. Its bytes are decrypted in place.</summary>
    public void Receive(byte[] datagram, Endpoint remote)
    {
        switch (Datagram.Classify(datagram))
        {
            case DatagramKind.TransportData:
                Device.Drops.Add(ReceiveData(datagram, remote));
                break;
            case DatagramKind.HandshakeInitiation or DatagramKind.HandshakeResponse or DatagramKind.CookieReply:
                Outcome outcome = Device.ReceiveHandshake(_pair.Now, datagram, remote, Address, IsUnderLoad, _reply);
                Device.Drops.Add(outcome.Reason);
                if (outcome.Kind == OutcomeKind.ToNetwork)
                    _pair.Network.Send(_reply.AsSpan(0, outcome.Length), Address, remote);
                // A handshake message may have made something due.
                AskForAttention();
                break;
            default:
                Device.Drops.Add(DropReason.UnknownDatagram);
                break;
        }
    }

    private DropReason ReceiveData(byte[] datagram, Endpoint remote)
    {
        var message = new TransportData(datagram);
        if (Device.FindSession(message.Receiver) is not { } session)
            return DropReason.UnknownIndex;

        ulong counter = message.Counter;
        Span<byte> plaintext = datagram.AsSpan(TransportData.HeaderSize, datagram.Length - TransportData.Overhead);
        _batch[0] = new AeadPacket
        {
            Source = datagram,
            SourceOffset = TransportData.HeaderSize,
            Destination = datagram,
            DestinationOffset = TransportData.HeaderSize,
            Length = plaintext.Length,
            Counter = counter,
        };
        if (!session.Open(_batch))
            return DropReason.UnknownIndex;
        DropReason reason = DropReason.None;
        session.Judge(_batch, new Span<DropReason>(ref reason));
        if (reason != DropReason.None)
            return reason;

        reason = session.Peer.Accept(_pair.Now, session, plaintext, remote, Address, OuterEcn, out int length);
        if (length > 0)
            Delivered.Add(new Delivery(_pair.Now, session.Peer.PublicKey, plaintext[..length].ToArray()));
        return reason;
    }

    // ---- What the handshake thread does on time -----------------------------------------------------------------------------------------

    /// <summary>
    /// Does what is due, and works out when to wake up again. Like a real thread it does not look again before then unless the device asks for
    /// attention. A walk over all peers must find that nothing is due that the schedule has not seen, and nothing earlier than it says.
    /// </summary>
    public void Poll()
    {
        _attention = Instant.Never;
        Schedule<PeerTunnel> schedule = Device.Schedule;
        schedule.TakeAsking();
        while (schedule.TakeDue(_pair.Now) is { } peer)
        {
            while (peer.Poll(_pair.Now, WallClock, _sending) is { Kind: OutcomeKind.ToNetwork, Length: var length })
                Transmit(peer, _sending.AsSpan(0, length));
            schedule.Put(peer, _pair.Now);
        }
        _deadline = schedule.Earliest;
        foreach (PeerTunnel peer in Device.Peers)
        {
            // Where packet threads run meanwhile, one may have moved the deadline just now, and is about to ask.
            Assert.True(
                SpinWait.SpinUntil(() => peer.NextDeadline(_pair.Now) >= _deadline || peer.Scheduled.IsAsking != 0, AskingPatience),
                $"{Name} has to poll a peer at {peer.NextDeadline(_pair.Now)}, but wakes up at {_deadline}");
        }
    }

    private void AskForAttention() => _attention = Instant.Earlier(_attention, _pair.Now);

    private void Transmit(PeerTunnel peer, ReadOnlySpan<byte> datagram)
    {
        if (peer.Path is { } path)
            _pair.Network.Send(datagram, Address, path.Remote);
        else
            Device.Drops.Add(DropReason.NoEndpoint);
    }

    // ---- What its administrator does --------------------------------------------------------------------------------------------------

    /// <summary>Adds a node as a peer, with both its addresses as allowed IPs.</summary>
    public PeerTunnel AddPeer(Node node, bool knowsEndpoint = true, byte[]? presharedKey = null, TimeSpan persistentKeepalive = default) =>
        AddPeer(new PeerSettings(
            node.PublicKey,
            [new IpPrefix(node.IPv4, 32), new IpPrefix(node.IPv6, 128)],
            knowsEndpoint ? node.Address : default,
            presharedKey,
            persistentKeepalive));

    /// <summary>Adds a peer.</summary>
    public PeerTunnel AddPeer(PeerSettings settings)
    {
        _settings[settings.PublicKey] = settings;
        return Configure(Device, settings);
    }

    /// <summary>Removes a peer.</summary>
    public void RemovePeer(Node node)
    {
        _settings.Remove(node.PublicKey);
        Device.RemovePeer(node.PublicKey);
    }

    /// <summary>Gives its socket another address.</summary>
    public void MoveTo(Endpoint address)
    {
        _pair.Network.Bind(this, address);
        Address = address;
    }

    /// <summary>Takes another private key.</summary>
    public void ChangePrivateKey()
    {
        _pair.Random.NextBytes(_privateKey);
        ReservationOnDisk = default;
        Device.SetIdentity(new LocalIdentity(_privateKey), NewTimestampSource());
        AskForAttention();
    }

    /// <summary>Ends cleanly and starts again.</summary>
    public void Restart()
    {
        Device.Dispose();
        Device = Start();
    }

    /// <summary>Is killed, with no time to write anything down, and starts again.</summary>
    public void Crash() => Device = Start();

    public void Dispose() => Device.Dispose();

    private WireGuardDevice Start()
    {
        var device = new WireGuardDevice(_timing, bytes => _pair.Random.NextBytes(bytes), AskForAttention);
        device.SetIdentity(new LocalIdentity(_privateKey), NewTimestampSource());
        foreach (PeerSettings settings in _settings.Values)
            Configure(device, settings);
        AskForAttention();
        return device;
    }

    private TimestampSource NewTimestampSource() => new(ReservationOnDisk, reserved =>
    {
        if (!DiskFails)
            ReservationOnDisk = reserved;
    });

    private PeerTunnel Configure(WireGuardDevice device, PeerSettings settings)
    {
        PeerTunnel peer = device.AddPeer(settings.PublicKey);
        if (!settings.Endpoint.IsNone)
            peer.Path = new PeerPath(settings.Endpoint, default);
        if (settings.PresharedKey is { } presharedKey)
            peer.PresharedKey = presharedKey;
        foreach (IpPrefix prefix in settings.AllowedIps)
            device.AllowedIps.Insert(prefix, peer);
        if (settings.PersistentKeepalive > TimeSpan.Zero)
        {
            peer.PersistentKeepalive = settings.PersistentKeepalive;
            peer.RequestKeepalive();
        }
        AskForAttention();
        return peer;
    }
}
