using System.Buffers.Binary;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Linux;

/// <summary>A host whose TUN has several queues.</summary>
public sealed class TunQueueTests : IDisposable
{
    private const int Queues = 4;
    private const int Flows = 64;
    private const ushort FirstPort = 9000; // of everyone else: one a flow
    private const int UdpPayload = 28; // bytes before it

    private static readonly IpAddress Outside = IpAddress.Parse("10.9.0.2");

    private readonly Topology _net = Topology.Create();
    private readonly Host _host;

    public TunQueueTests() => _host = _net.AddHost("a");

    public void Dispose() => _net.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_flow_is_read_from_one_queue_in_order_wherever_its_answers_are_written(bool withOffloads)
    {
        const int Rounds = 20;
        using TunDevice tun = _host.AddTun(withOffloads: withOffloads, queues: Queues);
        using UdpPort port = _host.OpenPort();
        Assert.Equal(Queues, tun.Queues.Count);
        using var receivers = new Receivers(tun);

        for (int round = 0; round < Rounds; round++)
        {
            foreach (ushort flow in Enumerable.Range(0, Flows))
            {
                Assert.Equal(1, port.Send([Batch.Datagram(new Endpoint(Outside, (ushort)(FirstPort + flow)), round)]));
                // All answers are written to one queue: left to itself, the kernel would have the flow follow them.
                PacketBuffer answer = Batch.IpPacket(
                    Batch.Udp, new(Outside, (ushort)(FirstPort + flow)), new(IpAddress.Parse("10.9.0.1"), (ushort)port.Port), 10);
                Assert.Equal(1, tun.Queues[round % Queues].Write([answer]));
            }
        }
        Wait.Until(() => receivers.Count >= Rounds * Flows, Receiver.Patience, "all datagrams");

        List<(int Queue, int Flow, int Round)> all = receivers.Datagrams();
        foreach (IGrouping<int, (int Queue, int Flow, int Round)> flow in all.GroupBy(datagram => datagram.Flow))
        {
            Assert.Single(flow.Select(datagram => datagram.Queue).Distinct());
            Assert.Equal(Enumerable.Range(0, Rounds), flow.Select(datagram => datagram.Round));
        }
        // 64 flows miss one of four queues once in 25 million times.
        Assert.Equal(Queues, all.Select(datagram => datagram.Queue).Distinct().Count());
        Assert.Equal(default, tun.Losses);
    }

    [Theory]
    [InlineData(1, Queues, 1)]
    [InlineData(Queues, 1, 1)]
    [InlineData(Queues, 2, 2)]
    public void A_persistent_interface_is_adopted_with_as_many_queues_as_it_can_have(int before, int wanted, int expected)
    {
        string name = _net.NewInterfaceName();
        _host.CreateTun(name, isPersistent: true, withOffloads: true, queues: before).Dispose();

        using TunDevice tun = _host.AdoptTun(name, withOffloads: true, queues: wanted);
        _host.SetUp(tun);
        using var receivers = new Receivers(tun);

        Assert.Equal(expected, tun.Queues.Count);
        Wait.Until(() => tun.Write([TunHost.Ping()]) == 1 && receivers.HasEchoReply, Receiver.Patience, "an answer");
    }

    [Fact]
    public void All_readers_notice_that_the_interface_is_gone_and_writing_is_a_loss()
    {
        using TunDevice tun = _host.AddTun(queues: Queues);
        using var receivers = new Receivers(tun);

        _host.Ip("link", "delete", tun.Name);

        receivers.WaitForFailures();
        Assert.Equal(0, tun.Queues[1].Write([TunHost.Ping()]));
        Assert.Equal(new TunLosses { Down = 1 }, tun.Losses);
    }

    /// <summary>A receiver a queue.</summary>
    private sealed class Receivers(TunDevice tun) : IDisposable
    {
        private readonly Receiver[] _receivers = [.. tun.Queues.Select(queue => new Receiver(queue))];

        /// <summary>How many datagrams to <see cref="Outside"/> have been read.</summary>
        public int Count => Datagrams().Count;

        public bool HasEchoReply => _receivers.Any(receiver => receiver.All.Any(got => got.Bytes.Length == TunHost.Ping().Length));

        /// <summary>The datagrams of each queue in their order: to which of the ports, and with which number.</summary>
        public List<(int Queue, int Flow, int Round)> Datagrams() =>
        [
            .. _receivers.SelectMany((receiver, queue) => receiver.All
                .Where(got => got.Bytes[0] == 0x45 && got.Bytes[9] == Batch.Udp && IpAddress.FromBytes(got.Bytes.AsSpan(16, 4)) == Outside)
                .Select(got => (
                    queue,
                    BinaryPrimitives.ReadUInt16BigEndian(got.Bytes.AsSpan(22)) - FirstPort,
                    BitConverter.ToInt32(got.Bytes, UdpPayload)))),
        ];

        public void WaitForFailures() =>
            Wait.Until(() => _receivers.All(receiver => receiver.Failure is LinuxException), Receiver.Patience, "the end of all readers");

        public void Dispose() => Array.ForEach(_receivers, receiver => receiver.Dispose());
    }
}
