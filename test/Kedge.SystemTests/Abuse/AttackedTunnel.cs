using System.Globalization;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Node.Uapi;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.SystemTests.Device;

namespace Kedge.SystemTests.Abuse;

/// <summary>
/// A tunnel between Kedge on host a (10.1.0.1, fd01::1) and wireguard-go on host b, all of whose datagrams pass a third host, that of the
/// attacker. It records them, and sends what it likes from 10.1.0.66 and fd01::66, or from any address of 10.66.0.0/16.
/// Pings go through the tunnel all the time.
/// </summary>
public sealed class AttackedTunnel : IDisposable
{
    internal const string AttackerAddress = "10.1.0.66", AttackerAddress6 = "fd01::66";
    private const string KedgeAddress = "10.1.0.1", KedgeAddress6 = "fd01::1";

    private readonly Topology _net = Topology.Create();
    private readonly Host _a;
    private readonly Host _b;
    private readonly DeviceProcess _kedge;
    private readonly DeviceProcess _other;
    private readonly UdpPort _attacker;
    private readonly PacketBuffer[] _buffers = PacketBuffer.Allocate(64);
    private readonly string _endpoint;
    private readonly long _memory;

    public AttackedTunnel()
    {
        (_a, _b) = (_net.AddHost("a"), _net.AddHost("b"));
        Host middle = _net.AddHost("middle");
        _net.Connect(
            _a, middle, [$"{KedgeAddress}/24", $"{KedgeAddress6}/64"], ["10.1.0.3/24", $"{AttackerAddress}/24", $"{AttackerAddress6}/64"]);
        _net.Connect(_b, middle, ["10.2.0.2/24"], ["10.2.0.3/24"]);
        middle.Ip("route", "add", "local", "10.66.0.0/16", "dev", "lo");
        _a.AddRoute("10.66.0.0/16", "10.1.0.3");
        _attacker = middle.Namespace.Run(() =>
        {
            var port = new UdpPort();
            port.Open(0);
            return port;
        });

        _kedge = DeviceProcess.StartKedge(_a, Repository.Program);
        _other = DeviceProcess.StartWireGuardGo(_b);
        _kedge.SetUp([$"{TwoHosts.InnerA}/24"]);
        _other.SetUp([$"{TwoHosts.InnerB}/24"]);
        Device = Endpoint.Parse($"{KedgeAddress}:{_kedge.ListenPort}");
        Device6 = Endpoint.Parse($"[{KedgeAddress6}]:{_kedge.ListenPort}");
        Middle = new Forwarder(middle, Device, Endpoint.Parse($"10.2.0.2:{_other.ListenPort}"));
        Forgery = new Forgery(_kedge.Keys.PublicKey);

        _endpoint = string.Create(CultureInfo.InvariantCulture, $"10.1.0.3:{Middle.Port}");
        ShakeHandsBothWays();
        Pings = new PingStream(_a, TwoHosts.InnerB);
        Wait.Until(() => Pings.Last > 5, TwoHosts.Patience, "the pings to go");
        _memory = ProcessFigures.Memory(_kedge.Process.ProcessId);
    }

    internal Endpoint Device { get; }

    internal Endpoint Device6 { get; }

    internal Forwarder Middle { get; }

    internal Forgery Forgery { get; }

    internal PingStream Pings { get; }

    /// <summary>The index of the session that wireguard-go sends to now.</summary>
    internal uint SessionIndex => BitConverter.ToUInt32(Middle.ToFirst.Last(message => message[0] == 4).AsSpan(4));

    /// <summary>What the attacker was answered, in the last flood, at most as many as were sent.</summary>
    internal List<byte[]> Replies { get; } = [];

    /// <summary>What the device has counted so far: drops by reason, and other figures.</summary>
    internal Dictionary<string, long> Count()
    {
        using DeviceStatus status = UapiClient.GetStatus(UapiSocket.DefaultDirectory, _kedge.Name);
        return status.Drops.Concat(status.Gauges).ToDictionary(count => count.Name, count => count.Value);
    }

    /// <summary>Makes both devices forget each other; then first Kedge initiates, and after that the other one.</summary>
    internal void ShakeHandsBothWays()
    {
        _other.Set("peer", _kedge.Keys.PublicKey, "remove");
        _kedge.Set("peer", _other.Keys.PublicKey, "remove");
        _other.AddPeer(_kedge, [$"{TwoHosts.InnerA}/32"]);
        _kedge.AddPeer(_other, [$"{TwoHosts.InnerB}/32"], _endpoint);
        TwoHosts.AwaitTunnel(_a, TwoHosts.InnerB);
        _other.Set("peer", _kedge.Keys.PublicKey, "remove");
        _other.AddPeer(_kedge, [$"{TwoHosts.InnerA}/32"], string.Create(CultureInfo.InvariantCulture, $"10.2.0.3:{Middle.Port}"));
        TwoHosts.AwaitTunnel(_b, TwoHosts.InnerA);
    }

    /// <summary>
    /// Sends datagrams in bursts. Before each burst the device has judged what came before, so that no queue of ours is what loses it; a
    /// tenth may be lost all the same, because the kernel's queues between namespaces belong to everything on this machine.
    /// </summary>
    /// <param name="datagrams">What to send.</param>
    /// <param name="to">Where to; <see cref="Device"/> if null.</param>
    /// <param name="sourceOf">Where the datagram of a number claims to come from; the attacker's address if null.</param>
    /// <param name="burst">Datagrams a burst.</param>
    /// <returns>How many were sent.</returns>
    internal int Flood(IEnumerable<byte[]> datagrams, Endpoint? to = null, Func<int, IpAddress>? sourceOf = null, int burst = 256)
    {
        Endpoint target = to ?? Device;
        IpAddress self = IpAddress.Parse(target.Address.IsIPv4 ? AttackerAddress : AttackerAddress6);
        long before = Judged();
        int sent = 0, filled = 0, bytes = 0, inBurst = 0;
        Replies.Clear();
        foreach (byte[] datagram in datagrams)
        {
            PacketBuffer buffer = _buffers[filled];
            buffer.Reset();
            buffer.Length = datagram.Length;
            datagram.CopyTo(buffer.Packet);
            (buffer.Destination, buffer.Source) = (target, new Endpoint(sourceOf?.Invoke(sent + filled) ?? self, 0));
            (filled, bytes, inBurst) = (filled + 1, bytes + datagram.Length, inBurst + 1);
            if (filled == _buffers.Length)
                Send();
            if (inBurst >= burst || bytes >= 1 << 20)
                AwaitJudgement();
        }
        AwaitJudgement();
        return sent;

        void Send()
        {
            Assert.Equal(filled, _attacker.Send(_buffers.AsSpan(0, filled)));
            (sent, filled) = (sent + filled, 0);
        }

        void AwaitJudgement()
        {
            Send();
            (inBurst, bytes) = (0, 0);
            int enough = sent - Math.Max(sent / 10, 16);
            Wait.Until(() => Judged() - before >= enough, TwoHosts.Patience, $"{enough} of {sent} datagrams to be judged");
        }
    }

    /// <summary>
    /// Asserts that nothing of an attack has had an effect: the tunnel carries, and has carried, packets; its peer is where it was; the
    /// process has not grown.
    /// </summary>
    /// <param name="mark">The last ping before the attack.</param>
    internal void AssertUnharmed(int mark)
    {
        int after = Pings.Last;
        Wait.Until(() => Pings.Last > after + 3, TwoHosts.Patience, "pings after the attack");
        (int sent, int lost) = Pings.Since(mark);
        // The device itself has no reason to lose any; what the kernel's queues may lose is bounded as above.
        Assert.True(lost <= 1 + sent / 10, $"{lost} of {sent} pings were lost");
        using DeviceStatus status = UapiClient.GetStatus(UapiSocket.DefaultDirectory, _kedge.Name);
        Assert.Equal(_endpoint, status.Peers.Single().Endpoint.ToString());
        // 12 MB are the packet buffers, of which long datagrams touch the ends for the first time; some 30 MB the garbage that answering
        // our own many questions leaves until the collector cares for it.
        long growth = ProcessFigures.Memory(_kedge.Process.ProcessId) - _memory;
        Assert.True(growth < 60 << 20, $"the process has grown by {growth >> 20} MB");
        Assert.DoesNotContain(" error ", _kedge.Process.Error, StringComparison.Ordinal);
        TestContext.Current.TestOutputHelper?.WriteLine($"{lost} of {sent} pings lost, {growth >> 10} KB more memory since the start");
    }

    public void Dispose()
    {
        Middle.Dispose();
        _attacker.Dispose();
        _net.Dispose();
    }

    /// <summary>Datagrams that the device has dropped or answered, as far as they can be the attacker's.</summary>
    private long Judged()
    {
        for (int count; (count = _attacker.Receive(_buffers)) > 0;)
        {
            for (int i = 0; i < count; i++)
                Replies.Add(_buffers[i].Packet.ToArray());
        }
        using DeviceStatus status = UapiClient.GetStatus(UapiSocket.DefaultDirectory, _kedge.Name);
        return status.Drops.Sum(drop => drop.Value) + status.Gauges.Single(gauge => gauge.Name == "CookieReplies").Value
            + status.Gauges.Single(gauge => gauge.Name == "UdpReceiveQueueFull").Value;
    }
}
