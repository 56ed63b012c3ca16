using System.Net;
using System.Net.Sockets;
using Kedge.Demo;

namespace Kedge.SystemTests.Interop;

/// <summary>Kedge with four queues and sockets on one end, wireguard-go on the other.</summary>
public sealed class QueueTests
{
    private const int Queues = 4;
    private const int Flows = 16;
    private const int PacketsEach = 3000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_flow_arrives_in_order_both_ways(bool inside6)
    {
        using var tunnel = Tunnel.Start(Implementation.Kedge, queues: Queues);
        Assert.Equal(2 * Queues + 2, CountThreads(tunnel.Kedge.Device.Process.ProcessId)); // two receive what comes by streams
        // wireguard-go sends what has waited for a session in any order, so both ends have one before anything is counted.
        tunnel.Handshake();
        tunnel.Responder.Reaches(tunnel.Initiator.Address);
        (string here, string there) = inside6
            ? (tunnel.Kedge.Address6, tunnel.Other.Address6)
            : (tunnel.Kedge.Address, tunnel.Other.Address);
        Flow[] flows = [.. Enumerable.Range(0, Flows).Select(i => new Flow(tunnel, here, there, 20_000 + i))];

        Thread[] senders = [.. flows.SelectMany(flow => new[] { flow.Send(toOther: true), flow.Send(toOther: false) })];
        Array.ForEach(senders, sender => sender.Join());
        Array.ForEach(flows, flow => flow.End());

        // On a busy machine queues are full much of the time: most may be lost, but what arrives is in order.
        Assert.All(flows, flow => Assert.True(flow.AtOther.IsInOrder && flow.AtKedge.IsInOrder, flow.Told));
        Assert.All(flows, flow => Assert.True(flow.AtOther.Count > PacketsEach / 20, $"{flow.AtOther.Count} arrived at the other end"));
        Assert.All(flows, flow => Assert.True(flow.AtKedge.Count > PacketsEach / 20, $"{flow.AtKedge.Count} arrived at Kedge"));
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"of {Flows * PacketsEach}: {flows.Sum(flow => flow.AtOther.Count)} there, {flows.Sum(flow => flow.AtKedge.Count)} back");
    }

    [Fact]
    public void A_tunnel_under_load_survives_new_ports_its_interface_down_and_a_restart()
    {
        using var tunnel = Tunnel.Start(Implementation.Kedge, queues: Queues);
        using PingStream pings = PingStream.Start(tunnel.Kedge.Host, tunnel.Other.Address, interval: 0.05);
        pings.WaitForReplies(Timeouts.Soon);
        (string here, string there) = (tunnel.Kedge.Address, tunnel.Other.Address);
        Flow[] flows = [.. Enumerable.Range(0, Flows).Select(i => new Flow(tunnel, here, there, 20_000 + i))];
        Thread[] senders = [.. flows.Select(flow => flow.Send(toOther: true))];

        tunnel.Kedge.Device.Set("listen-port", "51999");
        pings.WaitForReplies(Timeouts.Soon);
        Assert.Equal(TunnelEnd.EndpointOf(tunnel.Kedge.Underlay, 51999), tunnel.Other.Peer.Endpoint);
        tunnel.Other.Device.Set("listen-port", "51888");
        pings.WaitForReplies(Timeouts.Retry);
        Assert.Equal(TunnelEnd.EndpointOf(tunnel.Other.Underlay, 51888), tunnel.Kedge.Peer.Endpoint);
        tunnel.Kedge.Host.Ip("link", "set", tunnel.Kedge.Device.Name, "mtu", "1300");
        tunnel.Kedge.Host.Ip("link", "set", tunnel.Kedge.Device.Name, "down");
        tunnel.Kedge.Host.Ip("link", "set", tunnel.Kedge.Device.Name, "up");
        tunnel.Kedge.Host.AddAddress(tunnel.Kedge.Device.Name, $"{tunnel.Kedge.Address6}/64");
        pings.WaitForReplies(Timeouts.Retry);
        Array.ForEach(senders, sender => sender.Join());
        Array.ForEach(flows, flow => flow.End());
        Assert.All(flows, flow => Assert.True(flow.AtOther.IsInOrder, flow.Told));

        tunnel.Other.Device.Set("listen-port", $"{TunnelEnd.Port}");
        tunnel.Kedge.Restart();
        tunnel.Kedge.Reaches(tunnel.Other.Address);
    }

    /// <summary>How many threads of a process carry packets.</summary>
    private static int CountThreads(int process) => Directory.GetDirectories($"/proc/{process}/task")
        .Select(thread => File.ReadAllText(Path.Combine(thread, "comm")))
        .Count(name => name.StartsWith("outbound-", StringComparison.Ordinal) || name.StartsWith("inbound-", StringComparison.Ordinal));

    /// <summary>What has arrived of one direction of a flow.</summary>
    private sealed class Arrivals
    {
        private volatile int _latest = -1;

        /// <summary>The highest number so far. Any thread.</summary>
        public int Latest => _latest;

        public int Count { get; private set; }

        public int Reordered { get; private set; }

        /// <summary>Whether no packet has been overtaken by one that was sent later.</summary>
        public bool IsInOrder => Reordered == 0;

        public void Add(int number)
        {
            Count++;
            Reordered += number <= _latest ? 1 : 0;
            _latest = Math.Max(_latest, number);
        }
    }

    /// <summary>Numbered datagrams between a port at Kedge's end and the same port at the other end, both ways.</summary>
    private sealed class Flow
    {
        private readonly Socket _kedge;
        private readonly Socket _other;
        private readonly Thread[] _receivers;

        public Flow(Tunnel tunnel, string here, string there, int port)
        {
            _kedge = Open(tunnel.Kedge.Host, here, there, port);
            _other = Open(tunnel.Other.Host, there, here, port);
            _receivers = [Receive(_kedge, AtKedge), Receive(_other, AtOther)];
        }

        public Arrivals AtKedge { get; } = new();

        public Arrivals AtOther { get; } = new();

        public string Told => $"out of order: {AtOther.Reordered} of {AtOther.Count} at the other end, {AtKedge.Reordered} of {AtKedge.Count} at Kedge";

        /// <summary>Sends all packets of one direction on a thread of its own, a few at a time, and waits a moment for those to arrive.</summary>
        public Thread Send(bool toOther)
        {
            var thread = new Thread(() =>
            {
                const int Burst = 16;
                Arrivals arrivals = toOther ? AtOther : AtKedge;
                var payload = new byte[200];
                for (int i = 0; i < PacketsEach; i++)
                {
                    BitConverter.TryWriteBytes(payload, i);
                    TrySend(toOther ? _kedge : _other, payload);
                    if (i % Burst == Burst - 1)
                        SpinWait.SpinUntil(() => arrivals.Latest > i - 2 * Burst, millisecondsTimeout: 10);
                }
            });
            thread.Start();
            return thread;
        }

        /// <summary>Waits until nothing has arrived for a while, and ends.</summary>
        public void End()
        {
            Array.ForEach(_receivers, receiver => receiver.Join());
            _kedge.Dispose();
            _other.Dispose();
        }

        private static Socket Open(Host host, string from, string to, int port) => host.Namespace.Run(() =>
        {
            IPAddress address = IPAddress.Parse(from);
            var socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 3000 };
            socket.Bind(new IPEndPoint(address, port));
            socket.Connect(IPAddress.Parse(to), port);
            return socket;
        });

        private static void TrySend(Socket socket, byte[] payload)
        {
            try
            {
                socket.Send(payload);
            }
            catch (SocketException)
            {
                // The interface is down, or an ICMP message tells of an earlier datagram.
            }
        }

        private static Thread Receive(Socket socket, Arrivals arrivals)
        {
            var thread = new Thread(() =>
            {
                var payload = new byte[256];
                while (true)
                {
                    try
                    {
                        if (socket.Receive(payload) >= sizeof(int))
                            arrivals.Add(BitConverter.ToInt32(payload));
                    }
                    catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
                    {
                    }
                    catch (SocketException)
                    {
                        return; // nothing more for a while
                    }
                }
            });
            thread.Start();
            return thread;
        }
    }
}
