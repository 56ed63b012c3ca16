using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Kedge.Demo;
using Kedge.SystemTests.Abuse;

namespace Kedge.SystemTests.Soak;

/// <summary>Ten minutes of a tunnel that is full, and whose sessions are renewed every few seconds.</summary>
[Trait("Category", "Soak")]
public sealed class FullRateTests : IDisposable
{
    private static readonly TimeSpan Duration = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    private readonly Topology _net = Topology.Create();
    private readonly FastDevice _a;
    private readonly FastDevice _b;
    private readonly Host _hostOfA;
    private readonly Host _hostOfB;

    public FullRateTests()
    {
        (_hostOfA, _hostOfB) = (_net.AddHost("a"), _net.AddHost("b"));
        Link cable = _net.Connect(_hostOfA, _hostOfB, ["192.0.2.1/24"], ["192.0.2.2/24"]);
        // The cable has a queue a processor, and would reorder by itself what a thread sends that is moved to another one.
        foreach ((Host host, string name) in new[] { (cable.A, cable.InterfaceOfA), (cable.B, cable.InterfaceOfB) })
            host.Run("sh", "-c", $"echo 1 > /sys/class/net/{name}/queues/rx-0/rps_cpus");
        (_a, _b) = (new FastDevice(_hostOfA, 1), new FastDevice(_hostOfB, 2));
        _a.Meet(_b, "192.0.2.2");
        _b.Meet(_a, "192.0.2.1");
    }

    public void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
        _net.Dispose();
    }

    [Fact]
    public void Ten_minutes_at_full_rate_lose_no_speed_take_no_memory_and_reorder_nothing()
    {
        using var ticks = new Ticks(_hostOfA, _hostOfB, _b.Address);
        using var stream = new FullStream(_hostOfA, _hostOfB, _b.Address);
        stream.AwaitMore();
        List<double> speeds = [];
        List<DateTimeOffset> handshakes = [];
        long memoryAtFirst = 0, memory = 0;

        for (TimeSpan passed = TimeSpan.Zero; passed < Duration; passed += Window)
        {
            double speed = 0;
            for (int second = 0; second < Window.TotalSeconds; second++)
            {
                speed += stream.Measure(TimeSpan.FromSeconds(1)) / Window.TotalSeconds;
                // The time is told to the millisecond or so.
                if (_a.LastHandshake is { } last && (handshakes.Count == 0 || last - handshakes[^1] > FastDevice.Renewal / 2))
                    handshakes.Add(last);
            }
            speeds.Add(speed);
            memory = ProcessFigures.Memory(Environment.ProcessId);
            if (speeds.Count == 3) // until then the runtime compiles, and buffers are used for the first time
                memoryAtFirst = memory;
        }
        stream.End();
        ticks.End();

        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{Median(speeds) / 1e6:0} MB/s [{speeds.Min() / 1e6:0}..{speeds.Max() / 1e6:0}], {handshakes.Count} sessions, {(memory - memoryAtFirst) >> 10} KB more, {ticks.Received} of {ticks.Sent} ticks"));
        Assert.True(handshakes.Count > 0.8 * (Duration / FastDevice.Renewal), $"{handshakes.Count} sessions");
        Assert.True(speeds.Min() > Median(speeds) / 2, $"{speeds.Min() / 1e6:0} MB/s at the least");
        Assert.True(Median(speeds[^20..]) > 0.8 * Median(speeds[..20]), $"{Median(speeds[..20]) / 1e6:0} MB/s at first, {Median(speeds[^20..]) / 1e6:0} in the end");
        Assert.True(memory - memoryAtFirst < 16 << 20, $"the process has grown by {(memory - memoryAtFirst) >> 20} MB");
        Assert.Equal(0, ticks.Late);
        Assert.True(ticks.Received > 0.9 * ticks.Sent, $"{ticks.Received} of {ticks.Sent} ticks");
    }

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(values.Count() / 2);

    /// <summary>Numbered datagrams, some thousand a second, that go the same way and have to arrive in their order.</summary>
    private sealed class Ticks : IDisposable
    {
        private const ushort Port = 5998;
        private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(2);
        private const int Burst = 8; // so that they meet in one batch

        private readonly Socket _sender;
        private readonly Socket _receiver;
        private readonly Thread _sending;
        private readonly Thread _receiving;
        private readonly ManualResetEventSlim _ending = new();

        public Ticks(Host from, Host to, string address)
        {
            var target = new IPEndPoint(IPAddress.Parse(address), Port);
            _receiver = to.Namespace.Run(() => new Socket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp));
            _receiver.Bind(target);
            _receiver.ReceiveTimeout = 1000;
            _sender = from.Namespace.Run(() => new Socket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp));
            _sender.Connect(target);
            _sending = new Thread(Send) { IsBackground = true, Name = "tick sender" };
            _receiving = new Thread(Receive) { IsBackground = true, Name = "tick receiver" };
            _receiving.Start();
            _sending.Start();
        }

        public long Sent { get; private set; }

        public long Received { get; private set; }

        /// <summary>How many came after one that was sent later, or once more.</summary>
        public long Late { get; private set; }

        public void End()
        {
            _ending.Set();
            _sending.Join();
            _receiving.Join();
        }

        public void Dispose()
        {
            End();
            _sender.Dispose();
            _receiver.Dispose();
            _ending.Dispose();
        }

        private void Send()
        {
            byte[] datagram = new byte[100];
            while (!_ending.Wait(Interval))
            {
                for (int i = 0; i < Burst; i++)
                {
                    BinaryPrimitives.WriteInt64LittleEndian(datagram, ++Sent);
                    _sender.Send(datagram);
                }
            }
        }

        private void Receive()
        {
            byte[] datagram = new byte[100];
            long last = 0;
            while (true)
            {
                try
                {
                    _receiver.Receive(datagram);
                }
                catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
                {
                    if (_ending.IsSet)
                        return;
                    continue;
                }
                long number = BinaryPrimitives.ReadInt64LittleEndian(datagram);
                Received++;
                Late += number <= last ? 1 : 0;
                last = Math.Max(last, number);
            }
        }
    }
}
