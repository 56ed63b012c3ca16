using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Linux.Netlink;
using Kedge.Node.Dataplane;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.Tests.Threading;
using Kedge.Tests.WireGuard;

namespace Kedge.Tests.Dataplane;

/// <summary>A whole data plane with its threads, between an interface and a port in memory.</summary>
internal sealed class DataplaneNode : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kedge-test-");
    private readonly PacketBuffer _packet = new();
    private readonly PacketBuffer[] _written = PacketBuffer.Allocate(16);
    private readonly HashSet<ulong> _received = [];
    private readonly byte[] _privateKey = RandomNumberGenerator.GetBytes(32);

    /// <summary>Makes a node; it runs once it is started.</summary>
    /// <param name="host">The address of its datagrams.</param>
    /// <param name="address">Its address in the tunnel.</param>
    public DataplaneNode(string host, string address)
    {
        Address = IpAddress.Parse(address);
        Port = new MemoryDatagramPort(IpAddress.Parse(host));
        Dataplane = new Node.Dataplane.Dataplane(Device, Port, new TimestampFile(_folder.FullName), Timing.Default, Log);
        using var identity = new LocalIdentity(_privateKey);
        PublicKey = identity.PublicKey;
    }

    public IpAddress Address { get; }
    public PublicKey PublicKey { get; }
    public MemoryPacketDevice Device { get; } = new();
    public MemoryDatagramPort Port { get; }
    public Node.Dataplane.Dataplane Dataplane { get; }
    public RecordingLog Log { get; } = new();

    /// <summary>Starts two nodes on fixed ports as each other's peers, both up; only the first knows where the other is.</summary>
    public static void StartJoined(DataplaneNode a, ushort portOfA, DataplaneNode b, ushort portOfB)
    {
        (a.Port.Socket.Peer, b.Port.Socket.Peer) = (b.Port.Socket, a.Port.Socket);
        a.Start(portOfA);
        b.Start(portOfB);
        b.AddPeer(a, endpoint: null);
        a.AddPeer(b, b.Port.Socket.Address);
    }

    /// <summary>Starts the threads, takes the interface up, and waits until the port is open.</summary>
    public void Start(ushort port)
    {
        Dataplane.Start();
        using var change = new DeviceChange { PrivateKey = [.. _privateKey], ListenPort = port };
        Dataplane.Apply(change);
        SetUp(true);
        WaitFor(() => Port.Port == port);
    }

    public void SetUp(bool isUp) => Device.Set(new LinkState(isUp, Device.Mtu));

    /// <summary>Has an application send a packet.</summary>
    public void Send(DataplaneNode to, ulong number)
    {
        byte[] packet = TestPacket.Make(Address, to.Address, number);
        _packet.Reset();
        _packet.Length = packet.Length;
        packet.CopyTo(_packet.Packet);
        Device.Queue.Inject(_packet);
    }

    /// <summary>
    /// Sends a packet again and again until it arrives: what is sent into a session that the other end has lost is lost as well.
    /// </summary>
    public void SendUntilReceived(DataplaneNode to, ulong number)
    {
        while (!to.HasReceived(number))
        {
            long lost = Lost() + to.Lost();
            Send(to, number);
            WaitFor(() => to.HasReceived(number) || Lost() + to.Lost() > lost);
        }
    }

    /// <summary>Whether a packet has come out of the interface.</summary>
    public bool HasReceived(ulong number)
    {
        foreach (PacketBuffer packet in _written.AsSpan(0, Device.Queue.TakeWritten(_written)))
            _received.Add(TestPacket.Number(packet.Packet));
        return _received.Contains(number);
    }

    /// <summary>Reads something of the device's status.</summary>
    public T Read<T>(Func<DeviceStatus, T> read)
    {
        using DeviceStatus status = Dataplane.Status();
        return read(status);
    }

    public static void WaitFor(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, Patience));

    public void Dispose()
    {
        Dataplane.Dispose();
        Device.Dispose();
        Port.Dispose();
        _folder.Delete(recursive: true);
    }

    private long Lost() => Read(status => status.Drops.Sum(drop => drop.Value));

    private void AddPeer(DataplaneNode other, Endpoint? endpoint)
    {
        using var change = new DeviceChange();
        var peer = new PeerChange(other.PublicKey) { Endpoint = endpoint };
        peer.AllowedIps.Add(new AllowedIpChange(new IpPrefix(other.Address, 32), Remove: false));
        change.Peers.Add(peer);
        Dataplane.Apply(change);
    }
}
