using System.Net;
using System.Net.Sockets;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Offload;

namespace Kedge.SystemTests.Linux;

/// <summary>
/// Two hosts, a with 10.9.0.1 and fd09::1, b with 10.9.0.2 and fd09::2, each on a TUN. A test is the wire between the two: it writes to one
/// what it reads from the other.
/// </summary>
public class TunOffloadTests : IDisposable
{
    private const int Mtu = TunDevice.DefaultMtu;

    private readonly Topology _net = Topology.Create();
    private readonly Host _a;
    private readonly Host _b;

    public TunOffloadTests()
    {
        _a = _net.AddHost("a");
        _b = _net.AddHost("b");
    }

    public void Dispose()
    {
        _net.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [MemberData(nameof(TunHost.Ends), MemberType = typeof(TunHost))]
    public void A_tcp_stream_crosses_in_packets_that_stand_for_several(string from, string to)
    {
        using TunDevice a = Up(_a, "1"), b = Up(_b, "2");
        using Receiver out_ = new(a, b), back = new(b, a);

        SendStream(from, to);

        bool ipv4 = IPAddress.Parse(from).AddressFamily == AddressFamily.InterNetwork;
        Received[] several = [.. out_.All.Where(packet => packet.Vnet.GsoType != GsoType.None)];
        Assert.NotEmpty(several);
        int header = ipv4 ? 20 : 40;
        Assert.All(several, packet =>
        {
            Assert.Equal(ipv4 ? GsoType.TcpV4 : GsoType.TcpV6, packet.Vnet.GsoType);
            Assert.Equal((header, 16), packet.Checksum);
            int headers = header + (packet.Bytes[header + 12] >> 4) * 4;
            Assert.Equal(Mtu - headers, packet.Vnet.GsoSize);
            Assert.InRange(packet.Bytes.Length - headers, packet.Vnet.GsoSize, 45 * packet.Vnet.GsoSize);
        });
        Assert.Contains(several, packet => packet.Bytes.Length > 20 * Mtu);
        Assert.Equal(default, a.Losses);
        Assert.Equal(default, b.Losses);
    }

    [Theory]
    [MemberData(nameof(TunHost.Ends), MemberType = typeof(TunHost))]
    public void Without_offloads_a_tcp_stream_crosses_in_packets_that_are_complete(string from, string to)
    {
        using TunDevice a = Up(_a, "1", withOffloads: false), b = Up(_b, "2", withOffloads: false);
        using Receiver out_ = new(a, b), back = new(b, a);

        SendStream(from, to);

        Assert.Equal(TunOffloads.None, a.Offloads);
        Assert.Equal(1, a.MaximumSegments);
        Assert.All(out_.All, packet =>
        {
            Assert.Equal(default, packet.Vnet);
            Assert.InRange(packet.Bytes.Length, 20, Mtu);
        });
    }

    [Theory]
    [MemberData(nameof(TunHost.Ends), MemberType = typeof(TunHost))]
    public void A_run_of_datagrams_is_read_and_written_as_one_packet(string from, string to)
    {
        const int Count = 20;
        using TunDevice a = Up(_a, "1"), b = Up(_b, "2");
        using UdpPort sender = _a.OpenPort(withOffloads: true), single = _b.OpenPort(), joined = _b.OpenPort(withOffloads: true);
        using Receiver wire = new(a, b), atSingle = new(single), atJoined = new(joined);

        Assert.Equal(Count, sender.Send([Batch.Run(At(to, single), 0, Count, 1000, last: 10)]));
        Assert.Equal(Count, sender.Send([Batch.Run(At(to, joined), 0, Count, 1000, last: 10)]));

        Received[] got = atSingle.Take(Count);
        Assert.Equal(Enumerable.Range(0, Count), got.Select(one => one.Number));
        byte[] sent = Batch.Run(default, 0, Count, 1000, last: 10).Packet.ToArray();
        Assert.Equal(sent, got.SelectMany(one => one.Bytes));
        Assert.All(got, one => Assert.Equal(At(from, sender), one.Source));
        Received run = Assert.Single(atJoined.Take(1));
        Assert.Equal(1000, run.GsoSize);
        Assert.Equal(sent, run.Bytes);
        int header = IpAddress.Parse(from).IsIPv4 ? 20 : 40;
        Received[] packets = [.. wire.All.Where(packet => packet.Vnet.GsoType != GsoType.None)];
        Assert.Equal(2, packets.Length);
        Assert.All(packets, packet => Assert.Equal((GsoType.Udp, 1000), (packet.Vnet.GsoType, packet.Vnet.GsoSize)));
        Assert.All(packets, packet => Assert.Equal((header, 6), packet.Checksum));
        Assert.All(packets, packet => Assert.Equal(header + 8 + (Count - 1) * 1000 + 10, packet.Bytes.Length));
    }

    [Theory]
    [MemberData(nameof(TunHost.Ends), MemberType = typeof(TunHost))]
    public void A_single_packet_is_read_with_a_checksum_that_is_to_be_completed(string from, string to)
    {
        using TunDevice a = Up(_a, "1");
        using UdpPort sender = _a.OpenPort();
        using var wire = new Receiver(a);

        Assert.Equal(1, sender.Send([Batch.Datagram(new(IpAddress.Parse(to), 9), 1, length: 101)]));

        int header = IpAddress.Parse(from).IsIPv4 ? 20 : 40;
        Received packet = wire.TakeFirst(one => one.Bytes.Length == header + 8 + 101);
        Assert.Equal((GsoType.None, 0), (packet.Vnet.GsoType, packet.Vnet.GsoSize));
        Assert.Equal((header, 6), packet.Checksum);
        Assert.False(Batch.HasRightChecksum(packet.Bytes));
        Assert.True(Batch.HasRightChecksum(Batch.Completed(packet)));
        Assert.Equal(Batch.Datagram(default, 1, 101).Packet.ToArray(), packet.Bytes[(header + 8)..]);
    }

    [Theory]
    [MemberData(nameof(TunHost.Ends), MemberType = typeof(TunHost))]
    public void A_single_packet_is_written_with_a_checksum_that_the_kernel_takes_for_granted(string to, string from)
    {
        using TunDevice a = Up(_a, "1");
        using UdpPort port = _a.OpenPort();
        using var receiver = new Receiver(port);
        var outside = new Endpoint(IpAddress.Parse(from), 9);
        PacketBuffer[] packets = [.. Enumerable.Range(0, 3).Select(_ => Batch.IpPacket(Batch.Udp, outside, At(to, port), 50))];
        int header = outside.Address.IsIPv4 ? 20 : 40;
        for (int i = 0; i < packets.Length; i++)
        {
            packets[i].Packet[^1] = (byte)i; // Its checksum is wrong from now on, but for the first one's.
            packets[i].Vnet = new VnetHeader { NeedsChecksum = i == 2, ChecksumStart = (ushort)header, ChecksumOffset = 6 };
        }

        Assert.Equal(3, a.Write(packets));

        Assert.Equal([0, 2], receiver.Take(2).Select(got => got.Bytes[^1]));
    }

    [Fact]
    public void A_device_has_no_offload_that_it_was_not_asked_for()
    {
        using TunDevice a = Up(_a, "1", withOffloads: false);
        PacketBuffer several = TunHost.Ping(), unfinished = TunHost.Ping();
        several.Vnet = new VnetHeader { GsoType = GsoType.TcpV4, GsoSize = 100 };
        unfinished.Vnet = new VnetHeader { NeedsChecksum = true };

        Assert.Equal(1, a.Write([several, TunHost.Ping(), unfinished]));

        Assert.Equal(new TunLosses { Refused = 2 }, a.Losses);
    }

    [Fact]
    public void What_the_kernel_refuses_is_counted_and_holds_up_nothing()
    {
        using TunDevice a = Up(_a, "1");
        PacketBuffer noSize = TunHost.Ping(), behind = TunHost.Ping();
        noSize.Vnet = new VnetHeader { GsoType = GsoType.TcpV4, NeedsChecksum = true, ChecksumStart = 20, ChecksumOffset = 16 };
        behind.Vnet = new VnetHeader { NeedsChecksum = true, ChecksumStart = 5000 };

        Assert.Equal(2, a.Write([TunHost.Ping(), noSize, behind, TunHost.Ping()]));

        Assert.Equal(new TunLosses { Refused = 2 }, a.Losses);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void A_persistent_interface_is_adopted_whatever_it_was_left_with(bool hadOffloads, bool withOffloads)
    {
        string name = _net.NewInterfaceName();
        _a.CreateTun(name, isPersistent: true, withOffloads: hadOffloads).Dispose();

        using TunDevice a = _a.AdoptTun(name, withOffloads);
        _a.SetUp(a);

        Assert.Equal(withOffloads ? TunOffloads.Tcp | TunOffloads.Udp : TunOffloads.None, a.Offloads);
        AssertAnswers(_a, a, withOffloads);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_interface_that_another_program_has_left_with_a_longer_header_is_adopted(bool withOffloads)
    {
        string name = _net.NewInterfaceName();
        // TUNSETIFF with IFF_TUN, IFF_NO_PI and IFF_VNET_HDR, TUNSETPERSIST, TUNSETVNETHDRSZ, and TUNSETOFFLOAD with checksums.
        const string Script =
            """
            my ($request, $length, $yes) = (pack("a16 s x22", $ARGV[0], 0x5001), pack("i", 12), 1);
            sysopen(my $tun, "/dev/net/tun", 2) or die $!;
            ioctl($tun, 0x400454CA, $request) or die $!;
            ioctl($tun, 0x400454CB, $yes) or die $!;
            ioctl($tun, 0x400454D8, $length) or die $!;
            ioctl($tun, 0x400454D0, $yes) or die $!;
            """;
        _a.Run("perl", "-e", Script, name);

        using TunDevice a = _a.CreateTun(name, withOffloads: withOffloads);
        _a.SetUp(a);

        AssertAnswers(_a, a, withOffloads);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void A_descriptor_is_taken_over_with_the_header_that_it_has(bool hasHeader, bool withOffloads)
    {
        TunDevice giver = Up(_a, "1", withOffloads: hasHeader);
        int number = TunHost.HandOver(giver);

        using TunDevice a = _a.Namespace.Run(() => TunDevice.FromDescriptor(number, withOffloads));

        Assert.Equal(hasHeader && withOffloads ? TunOffloads.Tcp | TunOffloads.Udp : TunOffloads.None, a.Offloads);
        AssertAnswers(_a, a, a.Offloads != TunOffloads.None);
    }

    [Fact]
    public void A_waiting_reader_is_woken_by_a_run_and_by_a_wake_up()
    {
        using TunDevice a = Up(_a, "1");
        using UdpPort sender = _a.OpenPort(withOffloads: true);
        a.Wake();
        a.WaitReadable();
        var waiting = new Thread(a.WaitReadable);
        waiting.Start();
        Assert.False(waiting.Join(TimeSpan.FromMilliseconds(50)));

        sender.Send([Batch.Run(new(IpAddress.Parse("10.9.0.2"), 9), 0, 10, 1000)]);

        Assert.True(waiting.Join(Receiver.Patience));
        PacketBuffer[] buffers = Batch.Of(2);
        Assert.Equal(1, a.Read(buffers));
        Assert.Equal((GsoType.Udp, 10_028), (buffers[0].Vnet.GsoType, buffers[0].Length));
        Assert.Equal(0, a.Read(buffers));
    }

    [Fact]
    public void Reading_and_writing_runs_allocates_nothing()
    {
        using TunDevice a = Up(_a, "1"), b = Up(_b, "2");
        using UdpPort sender = _a.OpenPort(withOffloads: true), receiver = _b.OpenPort(withOffloads: true);
        PacketBuffer[] run = [Batch.Run(At("10.9.0.2", receiver), 0, 20, 1000)], buffers = Batch.Of(4);
        Allocations.AssertNone(() =>
        {
            sender.Send(run);
            a.WaitReadable();
            int count = a.Read(buffers);
            buffers[count].Reset(); // A loss is no reason to allocate.
            if (count != 1 || b.Write(buffers.AsSpan(0, 2)) != 1)
                Assert.Fail("Not all was written.");
            receiver.WaitReadable();
            if (receiver.Receive(buffers) != 1)
                Assert.Fail("Not all was received.");
        });
    }

    /// <summary>Sends megabytes from a to b and checks that they arrive as they were.</summary>
    private void SendStream(string from, string to)
    {
        byte[] sent = new byte[4 << 20], got = new byte[sent.Length];
        new Random(1).NextBytes(sent);
        using TcpListener listener = _b.Namespace.Run(() => new TcpListener(IPAddress.Parse(to), 0));
        listener.Start();
        using TcpClient client = _a.Namespace.Run(() => new TcpClient(new IPEndPoint(IPAddress.Parse(from), 0)));
        client.Connect((IPEndPoint)listener.LocalEndpoint);
        using TcpClient server = listener.AcceptTcpClient();
        var writing = new Thread(() => client.GetStream().Write(sent));
        writing.Start();
        server.ReceiveTimeout = (int)Receiver.Patience.TotalMilliseconds;
        server.GetStream().ReadExactly(got);
        Assert.True(writing.Join(Receiver.Patience));
        Assert.True(sent.AsSpan().SequenceEqual(got), "What arrives is not what was sent.");
    }

    /// <summary>
    /// Checks that packets pass both ways with the framing that there should be, for the host answers a ping with the same bytes; and that
    /// the host leaves checksums to us only where it should.
    /// </summary>
    private static void AssertAnswers(Host host, TunDevice tun, bool hasOffloads)
    {
        Assert.Equal(hasOffloads, tun.Offloads != TunOffloads.None);
        using var receiver = new Receiver(tun);
        Received? answer = null;
        // Its carrier comes back a moment after the attachment; until then the kernel drops what it would send.
        Wait.Until(
            () => tun.Write([TunHost.Ping()]) == 1 && (answer = receiver.All.FirstOrDefault(got => got.Bytes.Length == TunHost.Ping().Length)) is not null,
            Receiver.Patience,
            "an answer");
        Assert.Equal(0, answer!.Bytes[20]);
        Assert.Equal(TunHost.Ping().Packet[24..].ToArray(), answer.Bytes[24..]);
        using UdpPort port = host.OpenPort();
        Assert.Equal(1, port.Send([Batch.Datagram(new(IpAddress.Parse("10.9.0.2"), 9), 1, length: 101)]));
        Received datagram = receiver.TakeFirst(got => got.Bytes.Length == 129);
        Assert.Equal(hasOffloads, datagram.Checksum is not null);
        Assert.Equal(!hasOffloads, Batch.HasRightChecksum(datagram.Bytes));
        Assert.Equal(0, tun.Losses.Malformed);
    }

    private static Endpoint At(string address, UdpPort port) => new(IpAddress.Parse(address), (ushort)port.Port);

    private static TunDevice Up(Host host, string number, bool withOffloads = true) => host.AddTun(number, withOffloads: withOffloads);
}
