using System.Globalization;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Linux;

/// <summary>One host; the kernel's end of the TUN has 10.9.0.1 and fd09::1, ours plays everyone else.</summary>
public class TunDeviceTests : IDisposable
{
    private readonly Topology _net = Topology.Create();
    private readonly Host _host;

    public TunDeviceTests() => _host = _net.AddHost("a");

    public void Dispose()
    {
        _net.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [MemberData(nameof(TunHost.Ends), MemberType = typeof(TunHost))]
    public void The_kernel_answers_a_ping_that_is_written(string kernel, string peer)
    {
        using TunDevice tun = Up();
        using var receiver = new Receiver(tun);
        IpAddress from = IpAddress.Parse(peer), to = IpAddress.Parse(kernel);
        byte protocol = from.IsIPv4 ? Batch.Icmp : Batch.IcmpV6;

        Assert.Equal(1, tun.Write([Batch.IpPacket(protocol, new(from, 0), new(to, 0), payloadLength: 56)]));

        int header = from.IsIPv4 ? 20 : 40;
        byte echoReply = from.IsIPv4 ? (byte)0 : (byte)129;
        Received reply = receiver.TakeFirst(got => got.Bytes.Length == header + 64 && got.Bytes[header] == echoReply);
        Assert.Equal(from, Destination(reply.Bytes));
        Assert.Equal(default, tun.Losses);
    }

    [Theory]
    [MemberData(nameof(TunHost.Ends), MemberType = typeof(TunHost))]
    public void Datagrams_pass_between_a_socket_and_the_device_in_batches(string kernel, string peer)
    {
        using TunDevice tun = Up(mtu: 9000);
        using UdpPort port = _host.OpenPort();
        using Receiver atDevice = new(tun), atSocket = new(port);
        Endpoint inside = new(IpAddress.Parse(kernel), (ushort)port.Port), outside = new(IpAddress.Parse(peer), 1234);
        int header = (inside.Address.IsIPv4 ? 20 : 40) + 8;
        int[] lengths = [.. Enumerable.Range(0, 100).Select(i => i * 80)];

        Assert.Equal(100, tun.Write([.. lengths.Select(length => Batch.IpPacket(Batch.Udp, outside, inside, length))]));
        Received[] written = atSocket.Take(100);
        Assert.Equal(100, port.Send([.. Enumerable.Range(0, 100).Select(i => Batch.Datagram(outside, i, 4 + i * 80))]));
        Wait.Until(() => Udp().Length >= 100, Receiver.Patience, "100 datagrams");

        Assert.Equal(lengths, written.Select(got => got.Bytes.Length));
        Assert.All(written, got => Assert.Equal(outside, got.Source));
        Assert.Equal(Enumerable.Range(0, 100), Udp().Select(got => BitConverter.ToInt32(got.Bytes, header)));
        Assert.Equal(Enumerable.Range(0, 100).Select(i => header + 4 + i * 80), Udp().Select(got => got.Bytes.Length));

        Received[] Udp() => [.. atDevice.All.Where(got => Destination(got.Bytes) == outside.Address)];
    }

    [Fact]
    public void The_longest_packet_passes_both_ways()
    {
        using TunDevice tun = Up(mtu: 65535);
        using var receiver = new Receiver(tun);
        PacketBuffer ping = TunHost.Ping(payloadLength: 65507);
        Assert.Equal(PacketBuffer.MaximumLength, ping.Length);

        Assert.Equal(1, tun.Write([ping]));

        Assert.Equal(ping.Packet[28..].ToArray(), receiver.TakeFirst(got => got.Bytes.Length == ping.Length).Bytes[28..]);
    }

    [Fact]
    public void A_new_device_is_as_asked_for()
    {
        string name = _net.NewInterfaceName();
        using TunDevice tun = Create(name, mtu: 1280);

        Assert.Equal(name, tun.Name);
        Assert.Equal(1280, tun.Mtu);
        Assert.Equal("1280", Setting(name, "mtu"));
        Assert.Equal("500", Setting(name, "tx_queue_len"));
        Assert.Equal("down", Setting(name, "operstate"));
        tun.RecordMtu(1400);
        Assert.Equal(1400, tun.Mtu);
        Assert.Equal("1280", Setting(name, "mtu"));
    }

    [Fact]
    public void Nothing_is_sent_into_a_device_that_has_no_address_when_it_comes_up()
    {
        _host.SetSetting("net.ipv6.conf.default.accept_ra", "1"); // As on any machine; the fixture looks for no routers.
        _host.SetSetting("net.ipv6.conf.default.router_solicitations", "3");
        using TunDevice tun = Create(_net.NewInterfaceName());
        using TunDevice other = Create(_net.NewInterfaceName());
        _host.SetSetting($"net.ipv6.conf.{other.Name}.addr_gen_mode", "0"); // The default.
        using Receiver receiver = new(tun), atOther = new(other);

        _host.Ip("link", "set", tun.Name, "up");
        _host.Ip("link", "set", other.Name, "up");

        atOther.Take(1); // Where there is a link-local address, the kernel does send something.
        Assert.Empty(receiver.All);
        Assert.DoesNotContain("fe80::", _host.Ip("address", "show", "dev", tun.Name).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_kernel_numbers_names_that_ask_for_it()
    {
        using TunDevice first = Create("kdg%d"), second = Create("kdg%d");

        Assert.Equal("kdg0", first.Name);
        Assert.Equal("kdg1", second.Name);
    }

    [Fact]
    public void An_interface_ends_with_its_device()
    {
        TunDevice tun = Up();
        Assert.Contains(tun.Name, _host.Ip("link", "show").Output, StringComparison.Ordinal);
        using (new Receiver(tun))
        {
        }

        tun.Dispose();

        Assert.DoesNotContain(tun.Name, _host.Ip("link", "show").Output, StringComparison.Ordinal);
        tun.Wake(); // Late, but harmless.
    }

    [Fact]
    public void A_name_that_another_device_holds_is_refused_in_a_sentence()
    {
        using TunDevice tun = Create(_net.NewInterfaceName());

        var failure = Assert.Throws<LinuxException>(() => Create(tun.Name));

        Assert.Equal(Errno.EBUSY, failure.Errno);
        Assert.Contains($"{tun.Name}, which another process holds", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_name_of_an_interface_of_another_kind_is_refused()
    {
        Assert.Equal(Errno.EINVAL, Assert.Throws<LinuxException>(() => Create("lo")).Errno);
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("a:b")]
    [InlineData("a b")]
    [InlineData("a\tb")]
    [InlineData("a\nb")]
    [InlineData("sixteen-letters-")]
    [InlineData("ümläüt-zü-läng")]
    public void A_name_that_no_interface_can_have_is_refused_in_a_sentence(string name)
    {
        var failure = Assert.Throws<ArgumentException>(() => Create(name));

        Assert.Contains($"'{name}' cannot be an interface's name", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(67)]
    [InlineData(65536)]
    public void An_mtu_that_no_interface_can_have_is_refused_and_leaves_nothing(int mtu)
    {
        string name = _net.NewInterfaceName();

        var failure = Assert.Throws<LinuxException>(() => Create(name, mtu));

        Assert.Equal(Errno.EINVAL, failure.Errno);
        Assert.Contains($"set MTU of {name}", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(name, _host.Ip("link", "show").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reader_that_waits_is_told_once_that_the_interface_is_deleted()
    {
        using TunDevice tun = Up();
        using var receiver = new Receiver(tun);
        Wait.Until(() => receiver.Waits > 0, Receiver.Patience, "the reader");

        _host.Ip("link", "delete", tun.Name);

        Wait.Until(() => receiver.Failure is not null, Receiver.Patience, "the reader's end");
        var failure = Assert.IsType<LinuxException>(receiver.Failure);
        Assert.Equal(Errno.EBADFD, failure.Errno);
        Assert.Contains(tun.Name, failure.Message, StringComparison.Ordinal);
        Assert.Equal(Errno.EBADFD, Assert.Throws<LinuxException>(() => tun.Read(Batch.Of(1))).Errno);
        Assert.Equal(0, tun.Write([TunHost.Ping()]));
        Assert.Equal(new TunLosses { Down = 1 }, tun.Losses);
    }

    [Fact]
    public void What_is_written_while_the_interface_is_down_is_lost_and_counted()
    {
        using TunDevice tun = Up();
        using var receiver = new Receiver(tun);
        _host.Ip("link", "set", tun.Name, "down");
        int waits = receiver.Waits;

        Assert.Equal(0, tun.Write([TunHost.Ping(), TunHost.Ping()]));
        Assert.Equal(new TunLosses { Down = 2 }, tun.Losses);
        Assert.InRange(receiver.Waits, waits, waits + 2);
        _host.Ip("link", "set", tun.Name, "up");
        Assert.Equal(1, tun.Write([TunHost.Ping()]));

        receiver.TakeFirst(got => Destination(got.Bytes) == IpAddress.Parse("10.9.0.2"));
        Assert.Null(receiver.Failure);
    }

    [Fact]
    public void What_is_no_ip_packet_is_refused_and_counted_and_holds_up_nothing()
    {
        using TunDevice tun = Up();
        PacketBuffer junk = new() { Length = 40 };
        junk.Packet.Fill(0xFF);

        Assert.Equal(2, tun.Write([TunHost.Ping(), junk, new PacketBuffer(), TunHost.Ping()]));

        Assert.Equal(new TunLosses { Refused = 2 }, tun.Losses);
    }

    [Fact]
    public void An_interface_that_is_moved_to_another_namespace_goes_on()
    {
        Host other = _net.AddHost("b");
        using TunDevice tun = Up();
        using var receiver = new Receiver(tun);

        _host.Ip("link", "set", tun.Name, "netns", other.Namespace.Name);
        other.AddAddress(tun.Name, "10.9.0.1/24");
        other.Ip("link", "set", tun.Name, "up");
        Assert.Equal(1, tun.Write([TunHost.Ping()]));

        receiver.TakeFirst(got => Destination(got.Bytes) == IpAddress.Parse("10.9.0.2"));
    }

    [Fact]
    public void A_persistent_interface_is_adopted_and_left()
    {
        string name = _net.NewInterfaceName();
        _host.Ip("tuntap", "add", "dev", name, "mode", "tun");
        _host.AddAddress(name, "10.9.0.1/24");
        _host.Ip("link", "set", name, "up");

        using (TunDevice tun = Create(name))
        using (var receiver = new Receiver(tun))
        {
            // Its carrier comes back a moment after the attachment; until then the kernel drops what it would send.
            IpAddress us = IpAddress.Parse("10.9.0.2");
            bool IsAnswered() => tun.Write([TunHost.Ping()]) == 1 && receiver.All.Any(got => Destination(got.Bytes) == us);
            Wait.Until(IsAnswered, Receiver.Patience, "an answer");
        }

        Assert.Contains("10.9.0.1/24", _host.Ip("address", "show", "dev", name).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_descriptor_that_was_handed_over_becomes_a_device()
    {
        TunDevice giver = Up();
        int number = TunHost.HandOver(giver);

        using TunDevice tun = _host.Namespace.Run(() => TunDevice.FromDescriptor(number));
        using var receiver = new Receiver(tun);

        Assert.Equal(giver.Name, tun.Name);
        Assert.Equal(TunDevice.DefaultMtu, tun.Mtu);
        Assert.True(Descriptors.ClosesOnExec(number));
        tun.Write([TunHost.Ping()]);
        receiver.TakeFirst(got => Destination(got.Bytes) == IpAddress.Parse("10.9.0.2"));
    }

    [Fact]
    public void A_descriptor_that_is_no_tun_is_refused_and_stays_open()
    {
        using FileStream file = File.OpenRead("/dev/null");
        int number = (int)file.SafeFileHandle.DangerousGetHandle();

        var failure = Assert.Throws<LinuxException>(() => TunDevice.FromDescriptor(number));

        Assert.Contains($"descriptor {number}", failure.Message, StringComparison.Ordinal);
        Assert.Equal(0, file.Read(new byte[1]));
    }

    [Fact]
    public void Reading_and_writing_allocate_nothing()
    {
        using TunDevice tun = Up();
        PacketBuffer[] pings = [.. Enumerable.Range(0, 64).Select(i => TunHost.Ping(i * 20))], buffers = Batch.Of(64);
        pings[5].Packet[0] = 0xFF; // A loss is no reason to allocate.
        Allocations.AssertNone(() =>
        {
            if (tun.Write(pings) != 63)
                Assert.Fail("Not all were written.");
            for (int received = 0; received < 63;)
            {
                tun.WaitReadable();
                received += tun.Read(buffers);
            }
        });
    }

    private static IpAddress Destination(byte[] packet) =>
        packet[0] >> 4 == 4 ? IpAddress.FromBytes(packet.AsSpan(16, 4)) : IpAddress.FromBytes(packet.AsSpan(24, 16));

    private TunDevice Create(string name, int mtu = TunDevice.DefaultMtu) => _host.CreateTun(name, mtu);

    private TunDevice Up(int mtu = TunDevice.DefaultMtu) => _host.AddTun(mtu: mtu);

    private string Setting(string interfaceName, string setting) =>
        _host.Run("cat", string.Create(CultureInfo.InvariantCulture, $"/sys/class/net/{interfaceName}/{setting}")).Output.Trim();
}
