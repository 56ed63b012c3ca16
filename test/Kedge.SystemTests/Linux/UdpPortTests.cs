using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Linux;

public class UdpPortTests
{
    private static readonly string[] Loopbacks = ["127.0.0.1", "::1"];

    public static TheoryData<string> Hosts => [.. Loopbacks];

    public static MatrixTheoryData<string, byte> HostsAndEcn => new(Loopbacks, [0, 1, 2, 3]);

    [Theory]
    [MemberData(nameof(Hosts))]
    public void A_datagram_arrives_with_both_its_ends(string host)
    {
        using UdpPort a = Opened(), b = Opened();
        using var receiver = new Receiver(b);

        Assert.Equal(1, a.Send([Batch.Datagram(At(host, b), number: 7, length: 148)]));

        Received got = Assert.Single(receiver.Take(1));
        Assert.Equal(Batch.Datagram(default, 7, 148).Packet.ToArray(), got.Bytes);
        Assert.Equal(At(host, a), got.Source);
        Assert.Equal(At(host, b) with { ScopeId = InterfaceName.ToIndex("lo") }, got.Destination);
        Assert.Equal(default, a.Losses);
        Assert.Equal(default, b.Losses);
    }

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.2")]
    [InlineData("::1", "127.0.0.1")]
    public void A_port_on_one_address_leaves_the_others_alone(string host, string other)
    {
        using UdpPort one = new(local: new Endpoint(IpAddress.Parse(host), 0)), sender = Opened();
        one.Open(0);
        using UdpPort beside = new(local: new Endpoint(IpAddress.Parse(other), 0));
        beside.Open((ushort)one.Port); // the same port, which nobody else could have on all addresses
        Assert.Equal((!host.Contains(':'), host.Contains(':')), (one.HasIPv4, one.HasIPv6));
        using Receiver atOne = new(one), atOther = new(beside);

        sender.Send([Batch.Datagram(At(host, one), number: 1), Batch.Datagram(At(other, one), number: 2)]);

        Assert.Equal(1, Assert.Single(atOne.Take(1)).Number);
        Assert.Equal(2, Assert.Single(atOther.Take(1)).Number);
    }

    [Fact]
    public void An_address_that_this_machine_lacks_is_refused()
    {
        using UdpPort port = new(local: Endpoint.Parse("192.0.2.77:0"));
        Assert.Equal(Errno.EADDRNOTAVAIL, Assert.Throws<LinuxException>(() => port.Open(0)).Errno);
    }

    [Fact]
    public void Batches_to_mixed_destinations_arrive_in_order()
    {
        using UdpPort a = Opened(), b = Opened(), c = Opened();
        using Receiver atB = new(b), atC = new(c);
        PacketBuffer[] batch =
        [
            .. Enumerable.Range(0, 150).Select(i => Batch.Datagram(At(Loopbacks[i % 2], i % 3 == 0 ? c : b), i)),
        ];

        Assert.Equal(64, a.Send(batch.AsSpan(0, 64)));
        Assert.Equal(86, a.Send(batch.AsSpan(64)));

        foreach ((Receiver receiver, bool isC) in new[] { (atB, false), (atC, true) })
        {
            foreach (bool ipv6 in new[] { false, true })
            {
                int[] expected = [.. Enumerable.Range(0, 150).Where(i => i % 3 == 0 == isC && i % 2 == 1 == ipv6)];
                Wait.Until(() => Numbers(receiver, ipv6).Length >= expected.Length, Receiver.Patience, "all datagrams");
                Assert.Equal(expected, Numbers(receiver, ipv6));
            }
        }

        static int[] Numbers(Receiver receiver, bool ipv6) =>
            [.. receiver.All.Where(got => got.Source.Address.IsIPv6 == ipv6).Select(got => got.Number)];
    }

    [Fact]
    public void One_family_does_not_starve_the_other()
    {
        using UdpPort a = Opened(), b = Opened();
        a.Send([.. Enumerable.Range(0, 64).Select(i => Batch.Datagram(At("127.0.0.1", b), i))]);
        a.Send([.. Enumerable.Range(0, 64).Select(i => Batch.Datagram(At("::1", b), i))]);
        PacketBuffer[] buffers = Batch.Of(16);
        List<bool> families = [];

        for (int i = 0; i < 4; i++)
        {
            Assert.Equal(16, b.Receive(buffers));
            families.Add(buffers[0].Source.Address.IsIPv6);
        }

        Assert.Equal(2, families.Count(ipv6 => ipv6));
    }

    [Theory]
    [MemberData(nameof(HostsAndEcn))]
    public void Ecn_bits_are_carried_and_nothing_else_of_the_traffic_class(string host, byte ecn)
    {
        using UdpPort a = Opened(), b = Opened();
        using var receiver = new Receiver(b);
        PacketBuffer marked = Batch.Datagram(At(host, b), 1), plain = Batch.Datagram(At(host, b), 2);
        marked.Ecn = ecn;

        Assert.Equal(2, a.Send([marked, plain]));

        Received[] got = receiver.Take(2);
        Assert.Equal(ecn, got[0].Ecn);
        Assert.Equal(0, got[1].Ecn);
    }

    [Theory]
    [InlineData("127.0.0.1", 65507)]
    [InlineData("::1", 65527)]
    public void The_longest_datagram_passes_and_a_longer_one_is_counted(string host, int longest)
    {
        using UdpPort a = Opened(), b = Opened();
        using var receiver = new Receiver(b);

        Endpoint to = At(host, b);

        Assert.Equal(2, a.Send([Batch.Datagram(to, 1, longest), Batch.Datagram(to, 2, longest + 1), Batch.Datagram(to, 3)]));

        Received[] got = receiver.Take(2);
        Assert.Equal([longest, 100], got.Select(one => one.Bytes.Length));
        Assert.Equal(Batch.Datagram(default, 1, longest).Packet.ToArray(), got[0].Bytes);
        Assert.Equal(new UdpLosses { TooLong = 1 }, a.Losses);
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void An_empty_datagram_is_an_empty_packet(string host)
    {
        using UdpPort a = Opened(), b = Opened();
        using var receiver = new Receiver(b);

        Assert.Equal(2, a.Send([Batch.Datagram(At(host, b), 0, length: 4), new PacketBuffer { Destination = At(host, b) }]));

        Assert.Equal([4, 0], receiver.Take(2).Select(got => got.Bytes.Length));
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void A_refusal_by_icmp_ends_no_loop(string host)
    {
        using UdpPort a = Opened(), b = Opened(), c = Opened();
        Endpoint nobody = At(host, c);
        c.Close();
        using var receiver = new Receiver(a);

        for (int i = 0; i < 10; i++)
            Assert.Equal(1, a.Send([Batch.Datagram(nobody)]));
        Assert.Equal(1, b.Send([Batch.Datagram(At(host, a), 5)]));

        Assert.Equal(5, Assert.Single(receiver.Take(1)).Number);
        Assert.Null(receiver.Failure);
        Assert.InRange(receiver.Waits, 1, 20);
    }

    [Fact]
    public void Several_threads_send_at_once()
    {
        const int Threads = 4, Each = 500;
        using UdpPort a = Opened(), b = Opened();
        using var receiver = new Receiver(b);
        int sent = 0;
        Thread[] senders =
        [
            .. Enumerable.Range(0, Threads).Select(thread => new Thread(() =>
            {
                for (int i = 0; i < Each; i += 10)
                {
                    int first = thread * Each + i;
                    PacketBuffer[] batch = [.. Enumerable.Range(first, 10).Select(n => Batch.Datagram(At(Loopbacks[n % 2], b), n))];
                    Interlocked.Add(ref sent, a.Send(batch));
                }
            })),
        ];
        foreach (Thread sender in senders)
            sender.Start();
        foreach (Thread sender in senders)
            sender.Join();

        Assert.Equal(Threads * Each, sent);
        Assert.Equal(Enumerable.Range(0, Threads * Each), receiver.Take(sent).Select(got => got.Number).Order());
        Assert.All(receiver.All, got => Assert.All(got.Bytes.Skip(4), one => Assert.Equal((byte)got.Number, one)));
    }

    [Fact]
    public void What_the_queue_has_no_room_for_is_counted()
    {
        const int Count = 40_000;
        using UdpPort a = Opened(), b = Opened();
        PacketBuffer[] batch = [.. Enumerable.Range(0, 50).Select(i => Batch.Datagram(At("127.0.0.1", b), i, length: 1400))];
        for (int i = 0; i < Count; i += batch.Length)
            Assert.Equal(batch.Length, a.Send(batch));

        int received = 0;
        PacketBuffer[] buffers = Batch.Of(64);
        for (int count; (count = b.Receive(buffers)) > 0;)
            received += count;

        Assert.InRange(received, 1, Count - 1);
        Assert.Equal(new UdpLosses { ReceiveQueueFull = Count - received }, b.Losses);
        b.Close();
        Assert.Equal(new UdpLosses { ReceiveQueueFull = Count - received }, b.Losses);
    }

    [Fact]
    public void Waiting_ends_on_a_wake_up_before_or_during_it()
    {
        using UdpPort port = Opened();
        port.Wake();
        port.WaitReadable();
        var waiting = new Thread(port.WaitReadable);
        waiting.Start();
        Assert.False(waiting.Join(TimeSpan.FromMilliseconds(50)));

        port.Wake();

        Assert.True(waiting.Join(Receiver.Patience));
    }

    [Fact]
    public void Sending_and_receiving_allocate_nothing()
    {
        using UdpPort a = Opened(), b = Opened();
        PacketBuffer[] batch = [.. Enumerable.Range(0, 64).Select(i => Batch.Datagram(At(Loopbacks[i % 2], b), i))];
        PacketBuffer[] buffers = Batch.Of(64);
        Allocations.AssertNone(() =>
        {
            for (int i = 0; i < batch.Length; i++)
            {
                batch[i].Ecn = (byte)(i & 3);
                batch[i].Source = i % 3 == 0 ? batch[i].Destination : default;
            }
            batch[10].Destination = default; // Losses are no reason to allocate.
            batch[11].Destination = batch[9].Destination with { Port = 0 };
            if (a.Send(batch) != 62)
                Assert.Fail("Not all were sent.");
            b.WaitReadable();
            for (int received = 0; received < 62;)
                received += b.Receive(buffers);
        });
    }

    private static UdpPort Opened()
    {
        var port = new UdpPort();
        port.Open(0);
        Assert.True(port.HasIPv4 && port.HasIPv6);
        return port;
    }

    private static Endpoint At(string host, UdpPort port) => new(IpAddress.Parse(host), (ushort)port.Port);
}
