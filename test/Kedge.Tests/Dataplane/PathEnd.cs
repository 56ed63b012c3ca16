using System.Security.Cryptography;
using Kedge.Crypto;
using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Node.Dataplane;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;
using Kedge.Protocol.Stun;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Dataplane;

/// <summary>One node without its threads.</summary>
internal sealed class PathEnd : IDisposable
{
    private readonly PacketBuffer _packet = new();
    private readonly Waiter _waiter = new();

    public PathEnd(string endpoint, string address, TunOffloads offloads = TunOffloads.None, bool receivesRuns = false)
    {
        Address = IpAddress.Parse(address);
        Queue = new MemoryPacketQueue(offloads);
        Socket = new MemoryDatagramSocket(Endpoint.Parse(endpoint), receivesRuns);
        WireGuard = new WireGuardDevice(Timing.Default, RandomNumberGenerator.Fill, _waiter.Wake);
        Span<byte> key = stackalloc byte[X25519.KeySize];
        RandomNumberGenerator.Fill(key);
        WireGuard.SetIdentity(new LocalIdentity(key), new TimestampSource(default, _ => { }));
        DatagramQueue handshakes = HandshakeLoop.CreateQueue();
        Paths = new PathProtocol(RandomNumberGenerator.Fill, () => { }, WireGuard.AllowedIps);
        Handshakes = new HandshakeLoop(WireGuard, Socket, handshakes, Paths.Legs);
        var table = new ControlTable(
            new ControlEntry(DatagramKind.Stun, Stun, new DatagramQueue(64, StunMessage.MaximumSize)),
            new ControlEntry(DatagramKind.Probe, Paths, new DatagramQueue(64, Probe.Size, cutsLonger: true)));
        Control = new ControlLoop(WireGuard, table, Socket);
        Outbound = new OutboundPath(WireGuard, Queue, Socket, () => { });
        Inbound = new InboundPath(WireGuard, Queue, Socket, handshakes, table, Paths, _waiter.Wake, _waiter.Wake);
    }

    public IpAddress Address { get; }
    public MemoryPacketQueue Queue { get; }
    public MemoryDatagramSocket Socket { get; }
    public WireGuardDevice WireGuard { get; }
    public StunClient Stun { get; } = new(RandomNumberGenerator.Fill);
    public PathProtocol Paths { get; }
    public HandshakeLoop Handshakes { get; }
    public ControlLoop Control { get; }
    public OutboundPath Outbound { get; }
    public InboundPath Inbound { get; }

    /// <summary>Makes two ends each other's peers; only the first knows where the other is.</summary>
    public static void Connect(PathEnd a, PathEnd b)
    {
        (a.Socket.Peer, b.Socket.Peer) = (b.Socket, a.Socket);
        a.AddPeer(b, knowsEndpoint: true);
        b.AddPeer(a, knowsEndpoint: false);
    }

    /// <summary>Runs everything until nothing moves any more.</summary>
    public static void Settle(PathEnd a, PathEnd b)
    {
        bool moved;
        do
        {
            moved = false;
            foreach (PathEnd end in (PathEnd[])[a, b])
            {
                moved |= end.Outbound.RunBatch() > 0;
                moved |= end.Inbound.RunBatch() > 0;
                moved |= end.Handshakes.RunOnce() <= BootClock.Now;
                moved |= end.Control.RunOnce() <= BootClock.Now;
            }
        }
        while (moved || a.Socket.Pending + b.Socket.Pending > 0);
    }

    private void AddPeer(PathEnd other, bool knowsEndpoint)
    {
        PeerTunnel peer = WireGuard.AddPeer(other.WireGuard.Identity!.PublicKey);
        peer.Path = knowsEndpoint ? new PeerPath(other.Socket.Address, default) : null;
        WireGuard.AllowedIps.Insert(new IpPrefix(other.Address, 32), peer);
    }

    public void Send(PathEnd to, int sequence) => SendTo(to.Address, sequence);

    public void SendTo(IpAddress to, int sequence, byte ecn = Ecn.NotEct)
    {
        Write(to, sequence, ecn);
        Queue.Inject(_packet);
    }

    /// <summary>Sends a datagram of another WireGuard device, whose tunnel leads through this one.</summary>
    public void SendWireGuard(PathEnd to, byte hopLimit)
    {
        Write(to.Address, sequence: 0, Ecn.NotEct);
        Span<byte> packet = _packet.Packet;
        (packet[8], packet[9], packet[28]) = (hopLimit, 17, 4); // the protocol is UDP, the message transport data
        Queue.Inject(_packet);
    }

    private void Write(IpAddress to, int sequence, byte ecn)
    {
        _packet.Reset();
        _packet.Length = 100;
        Span<byte> packet = _packet.Packet;
        packet.Clear();
        packet[0] = 0x45;
        packet[3] = 100;
        Address.CopyTo(packet[12..]);
        to.CopyTo(packet[16..]);
        IpPacket.SetEcn(packet, ecn);
        BitConverter.TryWriteBytes(packet[20..], sequence);
    }

    public List<int> TakeSequences(PacketBuffer[] scratch)
    {
        var sequences = new List<int>();
        while (Queue.TakeWritten(scratch) is > 0 and var count)
            sequences.AddRange(scratch.Take(count).Select(buffer => BitConverter.ToInt32(buffer.Packet[20..])));
        return sequences;
    }

    public long Drops() => Enum.GetValues<DropReason>().Sum(reason => WireGuard.Drops[reason]);

    public void Dispose()
    {
        WireGuard.Dispose();
        Queue.Dispose();
        Socket.Dispose();
        _waiter.Dispose();
    }
}
