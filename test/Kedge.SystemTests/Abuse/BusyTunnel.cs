using System.Diagnostics;
using System.Globalization;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Node.Uapi;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.SystemTests.Device;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Abuse;

/// <summary>
/// A tunnel between two devices of Kedge, the victim (192.0.2.1) and its peer (192.0.2.2), that is full while something bad happens; and an
/// attacker on the same switch, who is 192.0.2.66, or any address of 10.66.0.0/16.
/// </summary>
public sealed class BusyTunnel : IDisposable
{
    private const string AttackerAddress = "192.0.2.66";
    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan BackWithin = TimeSpan.FromSeconds(1);

    private readonly Topology _net = Topology.Create();
    private readonly UdpPort _port;

    public BusyTunnel()
    {
        (Host here, Host there) = (_net.AddHost("victim"), _net.AddHost("peer"));
        Attacker = _net.AddHost("attacker");
        Demo.Switch cables = _net.AddSwitch("switch");
        cables.Attach(here, ["192.0.2.1/24"]);
        cables.Attach(there, ["192.0.2.2/24"]);
        cables.Attach(Attacker, [$"{AttackerAddress}/24"]);
        Attacker.Ip("route", "add", "local", "10.66.0.0/16", "dev", "lo");
        here.AddRoute("10.66.0.0/16", AttackerAddress);
        _port = Attacker.Namespace.Run(() =>
        {
            var port = new UdpPort(withOffloads: true);
            port.Open(0);
            return port;
        });

        Victim = new TunnelEnd(DeviceProcess.StartKedge(here, Repository.Program), 1);
        Peer = new TunnelEnd(DeviceProcess.StartKedge(there, Repository.Program), 2);
        Victim.SetUp();
        Peer.SetUp();
        Victim.Meet(Peer, knowsEndpoint: true);
        Peer.Meet(Victim, knowsEndpoint: true);
        Victim.Reaches(Peer.Address);
        Forgery = new Forgery(Victim.Device.Keys.PublicKey);
        using FullStream inwards = Stream(outwards: false), outwards = Stream(outwards: true);
        // Until the runtime has compiled what runs often, and all buffers have been used.
        Wait.Until(() => Math.Min(inwards.Received, outwards.Received) > 100 << 20, TwoHosts.Patience, "streams both ways");
        inwards.End();
        outwards.End();
    }

    internal TunnelEnd Victim { get; }

    internal TunnelEnd Peer { get; }

    internal Host Attacker { get; }

    internal Forgery Forgery { get; }

    /// <summary>Where the victim listens.</summary>
    internal Endpoint Target => Endpoint.Parse(Victim.Endpoint);

    /// <summary>What the victim has counted so far: drops by reason, and other figures.</summary>
    internal Dictionary<string, long> Count()
    {
        using DeviceStatus status = UapiClient.GetStatus(UapiSocket.DefaultDirectory, Victim.Device.Name);
        return status.Drops.Concat(status.Gauges).ToDictionary(count => count.Name, count => count.Value);
    }

    /// <summary>Adds a peer that means harm, at the attacker's host.</summary>
    internal RoguePeer AddRoguePeer() => new(Attacker, Victim.Device, Target);

    /// <summary>Bytes of all datagrams that the victim has accepted from a peer.</summary>
    internal long AcceptedFrom(RoguePeer rogue) => Victim.Device.Peers.Single(peer => peer.PublicKey == rogue.PublicKey).ReceivedBytes;

    /// <summary>Starts a stream through the tunnel.</summary>
    /// <param name="outwards">Whether the victim sends or receives it.</param>
    internal FullStream Stream(bool outwards) => outwards
        ? new FullStream(Victim.Host, Peer.Host, Peer.Address)
        : new FullStream(Peer.Host, Victim.Host, Victim.Address);

    /// <summary>
    /// Asserts of an abuse that a stream through the tunnel has its speed again within a second after it, and has lost or changed no byte;
    /// that the victim lives, has not grown, and takes its peer for no one else.
    /// </summary>
    /// <param name="abuse">What is done meanwhile.</param>
    /// <param name="outwards">Whether the victim sends or receives the stream.</param>
    /// <returns>What the victim has counted meanwhile.</returns>
    internal Dictionary<string, long> Withstand(Action<FullStream> abuse, bool outwards = false)
    {
        using FullStream stream = Stream(outwards);
        stream.AwaitMore();
        double before = stream.Measure(3 * Window);
        Dictionary<string, long> counted = Count();
        long memory = ProcessFigures.Memory(Victim.Device.Process.ProcessId);

        long start = Stopwatch.GetTimestamp();
        abuse(stream);
        TimeSpan taken = Stopwatch.GetElapsedTime(start);

        TimeSpan back = AwaitSpeed(stream, before);
        stream.End();
        long growth = ProcessFigures.Memory(Victim.Device.Process.ProcessId) - memory;
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{before / 1e6:0} MB/s before; {taken.TotalSeconds:0.0} s of abuse; back after {back.TotalSeconds:0.0} s; {growth >> 10} KB more");
        Assert.True(growth < 32 << 20, $"the process has grown by {growth >> 20} MB");
        Assert.False(Victim.Device.Process.HasExited);
        Assert.DoesNotContain(" error ", Victim.Device.Process.Error, StringComparison.Ordinal);
        Assert.Equal(Peer.Endpoint, Victim.Device.Peers.Single(peer => peer.PublicKey == Peer.Device.Keys.PublicKey).Endpoint);
        return Count().ToDictionary(count => count.Key, count => count.Value - counted[count.Key]);
    }

    /// <summary>
    /// Sends random datagrams: half in runs, as fast as it goes, half one by one, which costs the device more each.
    /// </summary>
    /// <returns>How many datagrams the kernel took: about <paramref name="count"/>.</returns>
    internal int FloodJunk(Random random, int count)
    {
        PacketBuffer[] runs = [.. Enumerable.Range(0, 32).Select(_ => Junk(random, 40, random.Next(1, 1472)))];
        PacketBuffer[] singles = [.. Enumerable.Range(0, 64).Select(_ => Junk(random, 1, random.Next(1, 1472)))];
        return Flood(runs, count / 2) + Flood(singles, count / 2);
    }

    /// <summary>Sends initiations whose first MAC is right, each from the next of so many addresses of the attacker.</summary>
    /// <returns>How many datagrams the kernel took: about <paramref name="count"/>.</returns>
    internal int FloodInitiations(Random random, int addresses, int count)
    {
        byte[][] initiations = [.. Enumerable.Range(0, addresses).Select(i => Forgery.Initiation(random, (uint)i))];
        PacketBuffer[] buffers = PacketBuffer.Allocate(64);
        int sent = 0, next = 0;
        while (next < count)
        {
            foreach (PacketBuffer buffer in buffers)
            {
                byte[] initiation = initiations[next % addresses];
                (buffer.Length, buffer.Destination) = (initiation.Length, Target);
                buffer.Source = new Endpoint(IpAddress.IPv4(0x0A42_0001u + (uint)(next++ % addresses)), 0);
                initiation.CopyTo(buffer.Packet);
            }
            sent += _port.Send(buffers);
        }
        return sent;
    }

    /// <summary>Has the program that receives the stream stand still for a second, so that it fills all there is to be filled.</summary>
    internal static void StopReceiver(FullStream stream)
    {
        stream.StopReading();
        stream.AwaitStandstill();
        // The program may have been on its way to take one more when it was stopped.
        Assert.InRange(stream.Measure(TimeSpan.FromSeconds(1)), 0d, FullStream.Chunk);
        stream.GoOnReading();
    }

    /// <summary>Takes the victim's interface down and up, three times.</summary>
    internal void TakeDownAndUp(FullStream stream)
    {
        for (int i = 0; i < 3; i++)
        {
            stream.AwaitMore();
            Victim.Host.Ip("link", "set", Victim.Device.Name, "down");
            stream.AwaitStandstill();
            Victim.Host.Ip("link", "set", Victim.Device.Name, "up");
        }
    }

    /// <summary>Changes the MTU at both ends: down to a small one, up to what the cable has no room for, and back.</summary>
    internal void ChangeMtu(FullStream stream)
    {
        foreach (int mtu in (int[])[1280, 1420, 9000, 576, 1420])
        {
            stream.AwaitMore();
            foreach (TunnelEnd end in (TunnelEnd[])[Victim, Peer])
                end.Host.Ip("link", "set", end.Device.Name, "mtu", mtu.ToString(CultureInfo.InvariantCulture));
        }
    }

    /// <summary>Moves the victim to other ports and back; its peer finds it there.</summary>
    internal void ChangeListenPort(FullStream stream)
    {
        foreach (int port in (int[])[50_001, 50_002, 50_003, TunnelEnd.Port])
        {
            Victim.Device.Set("listen-port", port.ToString(CultureInfo.InvariantCulture));
            stream.AwaitMore();
            Assert.Equal(TunnelEnd.EndpointOf(Victim.Underlay, port), Peer.Peer.Endpoint);
        }
    }

    public void Dispose()
    {
        _port.Dispose();
        _net.Dispose();
    }

    private PacketBuffer Junk(Random random, int count, int size)
    {
        var buffer = new PacketBuffer { Length = count * size, GsoSize = (ushort)(count > 1 ? size : 0), Destination = Target };
        random.NextBytes(buffer.Packet);
        // Of every kind of message there are some that begin as it should.
        if (random.Next(2) == 0 && size >= sizeof(uint))
            BitConverter.TryWriteBytes(buffer.Packet, random.Next(1, 5));
        return buffer;
    }

    /// <summary>Sends datagrams and runs of them from the attacker, again and again, as fast as the kernel takes them.</summary>
    private int Flood(PacketBuffer[] buffers, int count)
    {
        long start = Stopwatch.GetTimestamp();
        int sent = 0;
        while (sent < count && Stopwatch.GetElapsedTime(start) < TwoHosts.Patience)
            sent += _port.Send(buffers);
        return sent;
    }

    /// <summary>Waits until a stream has a third of the speed that it had: what is left out is a stall, not a busy machine.</summary>
    private static TimeSpan AwaitSpeed(FullStream stream, double before)
    {
        long start = Stopwatch.GetTimestamp();
        List<double> seen = [];
        do
        {
            seen.Add(stream.Measure(Window));
            if (seen[^1] >= before / 3)
                return Stopwatch.GetElapsedTime(start) - Window;
        }
        while (Stopwatch.GetElapsedTime(start) < BackWithin + Window);
        Assert.Fail(string.Create(
            CultureInfo.InvariantCulture,
            $"{before / 1e6:0} MB/s before, and after it, each {Window.TotalSeconds} s: {string.Join(' ', seen.Select(rate => $"{rate / 1e6:0}"))}"));
        return default;
    }
}
