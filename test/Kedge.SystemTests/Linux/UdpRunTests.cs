using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Linux;

/// <summary>
/// Runs of datagrams between two hosts with two wires, of which the second is too narrow for most datagrams:
/// <code>
/// a  eth0 10.1.0.1, 10.1.0.9, fd01::1, fd01::9 ------ eth0 10.1.0.2, fd01::2  b
///    eth1 10.2.0.1, fd02::1 ------ (MTU 1280) ------- eth1 10.2.0.2, fd02::2
/// </code>
/// A receiver that gets runs gets them as they were sent: a veth neither cuts nor joins.
/// </summary>
public class UdpRunTests : IDisposable
{
    private const int Count = 45;
    private const ushort Size = 1452;

    private readonly Topology _net = Topology.Create();
    private readonly Host _a;
    private readonly Host _b;

    public UdpRunTests()
    {
        _a = _net.AddHost("a");
        _b = _net.AddHost("b");
        _net.Connect(_a, _b, ["10.1.0.1/24", "10.1.0.9/24", "fd01::1/64", "fd01::9/64"], ["10.1.0.2/24", "fd01::2/64"]);
        _net.Connect(_a, _b, ["10.2.0.1/24", "fd02::1/64"], ["10.2.0.2/24", "fd02::2/64"], mtu: 1280);
    }

    public static TheoryData<string> Hosts => ["10.1.0.2", "fd01::2"];

    public static TheoryData<string> HostsBehindANarrowWire => ["10.2.0.2", "fd02::2"];

    public static TheoryData<string, string> HostsByBothWires => new()
    {
        { "10.2.0.2", "10.1.0.2" },
        { "fd02::2", "fd01::2" },
    };

    public void Dispose()
    {
        _net.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void What_the_kernel_has_is_found_out_and_used_where_it_is_asked_for()
    {
        using UdpPort with = Opened(_a), without = Opened(_a, withOffloads: false);

        Assert.Equal(UdpOffloads.Segmentation | UdpOffloads.Coalescing, with.Offloads);
        Assert.Equal(UdpOffloads.None, without.Offloads);
    }

    [Theory]
    [InlineData("10.1.0.2", "10.1.0.9")]
    [InlineData("fd01::2", "fd01::9")]
    public void A_run_arrives_as_its_datagrams_from_its_source_with_its_ecn_bits(string to, string from)
    {
        using UdpPort a = Opened(_a), b = Opened(_b, withOffloads: false);
        using Receiver atB = new(b);
        PacketBuffer run = Batch.Run(At(to, b), first: 1, Count, Size, last: 700);
        (run.Source, run.Ecn) = (new(IpAddress.Parse(from), 0), 1);

        Assert.Equal(Count + 1, a.Send([run, Batch.Datagram(At(to, b), Count + 1, 700)]));

        Received[] got = atB.Take(Count + 1);
        AssertDatagrams(got.Take(Count), first: 1, Count, last: 700);
        Assert.All(got.Take(Count), one => Assert.Equal((At(from, a), (byte)1), (one.Source, one.Ecn)));
        Assert.Equal((Count + 1, (byte)0), (got[^1].Number, got[^1].Ecn));
        Assert.Equal(new Endpoint(IpAddress.Parse(from), 0), run.Source);
        Assert.Equal(default, a.Losses);
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void A_run_is_one_message_and_is_received_as_one(string to)
    {
        using UdpPort a = Opened(_a), b = Opened(_b);
        using Receiver atB = new(b);
        PacketBuffer run = Batch.Run(At(to, b), first: 1, Count, Size, last: 700);
        run.Ecn = 2;

        Assert.Equal(Count + 1, a.Send([run, Batch.Datagram(At(to, b), Count + 1, Size)]));

        Received[] got = atB.Take(2);
        Assert.Equal([Size, (ushort)0], got.Select(one => one.GsoSize));
        Assert.Equal((2, 0), (got[0].Ecn, got[1].Ecn));
        Assert.All(got, one => Assert.Equal(a.Port, one.Source.Port));
        Assert.All(got, one => Assert.Equal(IpAddress.Parse(to), one.Destination.Address));
        AssertDatagrams(got, first: 1, Count + 1, at: Count, last: 700);
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void Without_the_offload_runs_are_sent_datagram_by_datagram(string to)
    {
        using UdpPort a = Opened(_a, withOffloads: false), b = Opened(_b);
        using Receiver atB = new(b);
        // More datagrams than one system call has messages, so that one ends inside a run.
        PacketBuffer[] runs = [.. Enumerable.Range(0, 3).Select(i => Batch.Run(At(to, b), i * Count, Count, Size))];

        Assert.Equal(3 * Count, a.Send(runs));

        Received[] got = atB.Take(3 * Count);
        Assert.All(got, one => Assert.Equal(0, one.GsoSize));
        AssertDatagrams(got, first: 0, 3 * Count);
    }

    [Theory]
    [MemberData(nameof(HostsByBothWires))]
    public void A_run_that_the_kernel_refuses_is_sent_datagram_by_datagram_and_holds_up_nothing(string narrowly, string widely)
    {
        using UdpPort a = Opened(_a), b = Opened(_b);
        using Receiver atB = new(b);
        Endpoint narrow = At(narrowly, b), wide = At(widely, b);

        Assert.Equal(
            4 * Count + 1,
            a.Send(
            [
                Batch.Run(wide, 1000, Count, Size),
                Batch.Run(narrow, 0, Count, Size),
                Batch.Datagram(narrow, Count, Size),
                Batch.Run(narrow, Count + 1, Count, Size, last: 700),
                Batch.Run(wide, 1000 + Count, Count, Size),
            ]));

        Received[] got = atB.Take(2 * Count + 1 + 2);
        Assert.Equal(2, got.Count(one => one.GsoSize != 0));
        AssertDatagrams(got.Where(one => one.GsoSize != 0), 1000, 2 * Count);
        AssertDatagrams(got.Where(one => one.GsoSize == 0), 0, 2 * Count + 1, last: 700);
        Assert.Equal(default, a.Losses);
    }

    [Theory]
    [MemberData(nameof(HostsBehindANarrowWire))]
    public void A_run_of_one_datagram_is_a_datagram(string to)
    {
        using UdpPort a = Opened(_a), b = Opened(_b);
        using Receiver atB = new(b);
        PacketBuffer one = Batch.Run(At(to, b), 1, count: 1, Size), shorter = Batch.Datagram(At(to, b), 2, 100);
        shorter.GsoSize = Size;

        Assert.Equal(2, a.Send([one, shorter]));

        Received[] got = atB.Take(2);
        Assert.Equal([Size, 100], got.Select(datagram => datagram.Bytes.Length));
        Assert.Equal([1, 2], got.Select(datagram => datagram.Number));
        Assert.Equal(default, a.Losses);
    }

    [Fact]
    public void A_run_passes_by_a_path_mtu_that_an_ipv6_router_has_reported()
    {
        Host far = _net.AddHost("far");
        _net.Connect(_b, far, ["fd04::1/64"], ["fd04::2/64"], mtu: 1280);
        _b.EnableForwarding();
        _a.AddRoute("fd04::/64", "fd01::2");
        far.AddRoute("default", "fd04::1");
        using UdpPort a = Opened(_a), b = Opened(far);
        using Receiver atB = new(b);
        Endpoint to = At("fd04::2", b);
        Wait.Until(() => a.Send([Batch.Datagram(to, 0, Size)]) == 1 && atB.All.Length > 0, Receiver.Patience, "a datagram");

        Assert.Equal(Count, a.Send([Batch.Run(to, 1, Count, Size)]));

        atB.TakeFirst(one => one.Number == Count);
        AssertDatagrams(atB.All.Where(one => one.Number != 0), 1, Count);
    }

    [Theory]
    [InlineData("10.1.0.2", 200, 100, 0, 64, 64, 64, 8)]
    [InlineData("fd01::2", 200, 100, 0, 64, 64, 64, 8)]
    [InlineData("10.1.0.2", 66, 1000, 535, 64, 2)] // 65,535 bytes
    [InlineData("10.1.0.2", 46, 1452, 195, 45, 1)]
    [InlineData("fd01::2", 46, 1452, 195, 45, 1)]
    [InlineData("10.1.0.2", 65, 4, 0, 64, 1)]
    [InlineData("10.1.0.2", 2, 32768, 32767, 1, 1)]
    [InlineData("10.1.0.2", 2, 65507, 28, 1, 1)]
    public void A_run_that_is_too_much_for_one_message_is_several(string to, int count, int size, int last, params int[] messages)
    {
        using UdpPort a = Opened(_a), b = Opened(_b);
        using Receiver atB = new(b);

        Assert.Equal(count, a.Send([Batch.Run(At(to, b), 0, count, (ushort)size, last)]));

        Received[] got = atB.Take(messages.Length);
        Assert.Equal(messages, got.Select(one => one.Datagrams().Count()));
        AssertDatagrams(got, 0, count, size: size, last: last == 0 ? size : last);
        Assert.Equal(default, a.Losses);
    }

    [Theory]
    [InlineData("10.1.0.2", "10.1.0.9/24")]
    [InlineData("fd01::2", "fd01::9/64")]
    public void A_source_that_has_left_the_machine_loses_nothing_of_a_run(string to, string source)
    {
        using UdpPort a = Opened(_a), b = Opened(_b, withOffloads: false);
        using Receiver atB = new(b);
        _a.Ip("address", "delete", source, "dev", "eth0");
        PacketBuffer run = Batch.Run(At(to, b), 0, Count, Size);
        run.Source = new(IpAddress.Parse(source.Split('/')[0]), 0);

        Assert.Equal(Count + 1, a.Send([run, Batch.Datagram(At(to, b), Count, Size)]));

        AssertDatagrams(atB.Take(Count + 1), 0, Count + 1);
        Assert.True(run.Source.IsNone);
        Assert.Equal(default, a.Losses);
    }

    [Fact]
    public void What_is_lost_is_counted_datagram_by_datagram()
    {
        using UdpPort a = Opened(_a), b = Opened(_b, withOffloads: false);
        using Receiver atB = new(b);
        _a.Run(new Command("nft", "-f", "-")
        {
            Input = "table inet t { chain o { type filter hook output priority 0; udp dport 7 drop; }; }\n",
        });
        Endpoint to = At("10.1.0.2", b);
        PacketBuffer[] batch =
        [
            Batch.Run(to with { Port = 7 }, 0, Count, Size), // forbidden
            Batch.Run(new(IpAddress.Parse("192.0.2.1"), 9), 0, 10, Size), // no route
            Batch.Run(to with { Port = 0 }, 0, 3, Size),
            Batch.Run(to, 1, Count, Size),
            Batch.Run(to, 0, 2, 65508, last: 27), // too long for IPv4, and one that is not
        ];

        Assert.Equal(Count + 1, a.Send(batch));

        AssertDatagrams(atB.Take(Count + 1).Take(Count), 1, Count);
        Assert.Equal(27, atB.All[^1].Bytes.Length);
        Assert.Equal(new UdpLosses { Forbidden = Count, Unreachable = 10, Refused = 3, TooLong = 1 }, a.Losses);
        a.Close();
        Assert.Equal(0, a.Send(batch));
        Assert.Equal(2 * Count + 10 + 3 + 2, a.Losses.Closed);
    }

    [Fact]
    public void Runs_are_sent_and_received_without_allocation()
    {
        using UdpPort a = Opened(_a), b = Opened(_b);
        PacketBuffer[] buffers = Batch.Of(64), batch =
        [
            Batch.Run(At("10.1.0.2", b), 0, Count, Size),
            Batch.Run(At("fd01::2", b), 0, 100, 100),
            Batch.Run(At("10.2.0.2", b), 0, 4, Size), // refused as a run
            Batch.Run(At("10.1.0.2", b) with { Port = 0 }, 0, 2, Size), // refused anyway
        ];
        Allocations.AssertNone(() =>
        {
            if (a.Send(batch) != Count + 100 + 4)
                Assert.Fail("Not all was sent.");
            for (int received = 0; received < 1 + 2 + 4; received += b.Receive(buffers))
                b.WaitReadable();
        });
    }

    /// <summary>Checks that these are the datagrams of <see cref="Batch.Run"/>, all, in order, each once.</summary>
    /// <param name="received">Datagrams and runs.</param>
    /// <param name="first">The first one's number.</param>
    /// <param name="count">How many there must be.</param>
    /// <param name="size">Bytes of each but one.</param>
    /// <param name="last">Bytes of that one.</param>
    /// <param name="at">Which one that is, counted from 1; the last one by default.</param>
    private static void AssertDatagrams(
        IEnumerable<Received> received, int first, int count, int size = Size, int last = Size, int at = 0)
    {
        byte[][] datagrams = [.. received.SelectMany(one => one.Datagrams())];
        at = at == 0 ? count : at;
        Assert.Equal(Enumerable.Range(first, count), datagrams.Select(bytes => BitConverter.ToInt32(bytes)));
        for (int i = 0; i < count; i++)
            Assert.Equal(Batch.Datagram(default, first + i, i == at - 1 ? last : size).Packet.ToArray(), datagrams[i]);
    }

    private static UdpPort Opened(Host host, bool withOffloads = true) => host.Namespace.Run(() =>
    {
        var port = new UdpPort(withOffloads);
        port.Open(0);
        return port;
    });

    private static Endpoint At(string address, UdpPort port) => new(IpAddress.Parse(address), (ushort)port.Port);
}
