using System.Buffers.Binary;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Offload;
using Kedge.SystemTests.Abuse;

namespace Kedge.SystemTests.Linux;

/// <summary>
/// <see cref="SuperPacket"/> and <see cref="Coalescer"/> against the kernel, packet by packet, with what real programs send. Two routers
/// have a TUN with offloads where packets come in and one without where they leave, so that the kernel has to cut them:
/// <code>
///   a ==== first wire ==== router 1 ==== second wire ==== router 2 ==== third wire ==== b
///          as a sent them            cut by the kernel,            cut by the kernel again
///                                    joined by us
/// </code>
/// What we make of the first wire's packets is to be what is on the second; and what we join there is to be cut again into the same.
/// </summary>
public sealed class SegmentationTests : IDisposable
{
    private const int Mtu = TunDevice.DefaultMtu;

    private readonly Topology _net = Topology.Create();
    private readonly List<IDisposable> _owned = [];
    private readonly Host _a;
    private readonly Host _b;
    private readonly Receiver _first;
    private readonly Receiver _second;
    private readonly Receiver _third;
    private int _joined;

    public SegmentationTests()
    {
        (_a, _b) = (_net.AddHost("a"), _net.AddHost("b"));
        (Host router1, Host router2) = (_net.AddHost("router1"), _net.AddHost("router2"));
        TunDevice a = Tun(_a, 1, 1, withOffloads: true), in1 = Tun(router1, 1, 2, withOffloads: true), out1 = Tun(router1, 2, 1),
            in2 = Tun(router2, 2, 2, withOffloads: true), out2 = Tun(router2, 3, 1), b = Tun(_b, 3, 2);
        Route(_a, a, 2, 3);
        Route(router1, out1, 3);
        Route(router2, in2, 1);
        Route(_b, b, 1, 2);
        router1.EnableForwarding();
        router2.EnableForwarding();
        foreach (Host host in (Host[])[_a, _b])
            host.SetSetting("net.ipv4.tcp_ecn", "1");
        MarkSome(_b);

        var coalescer = new Coalescer();
        PacketBuffer[] buffer = PacketBuffer.Allocate(1);
        _first = Own(new Receiver(a, in1));
        _second = Own(new Receiver(out1, packets => Join(packets.Span, coalescer, in2, buffer)));
        _third = Own(new Receiver(out2, b));
        Own(new Receiver(b, out2));
        Own(new Receiver(in2, out1));
        Own(new Receiver(in1, a));
    }

    public void Dispose()
    {
        foreach (IDisposable owned in Enumerable.Reverse(_owned))
            owned.Dispose();
        _net.Dispose();
    }

    [Theory]
    [InlineData("10.9.3.2")]
    [InlineData("fd09:3::2")]
    public void A_stream_of_tcp_is_cut_and_joined_as_the_kernel_does_it(string address)
    {
        using (var stream = new FullStream(_a, _b, address))
        {
            Wait.Until(() => stream.Received > 16 << 20, Receiver.Patience, "a stream");
            stream.End();
        }

        AssertSame();
        byte[] Flags(Received packet) => [packet.Bytes[(packet.Bytes[0] >> 4 == 4 ? 20 : 40) + 13]];
        Received[] several = [.. _first.All.Where(packet => packet.Vnet.GsoType != GsoType.None)];
        // The kinds of packets that it is about were there: marked ones, pushed ones, the last one.
        const int Fin = 1, Psh = 8, Cwr = 128;
        Assert.Contains(several, packet => (Flags(packet)[0] & Cwr) != 0);
        Assert.Contains(several, packet => (Flags(packet)[0] & Psh) != 0);
        Assert.Contains(_first.All, packet => (Flags(packet)[0] & Fin) != 0);
        Assert.True(_joined > 1000, $"{_joined} packets were joined");
    }

    [Theory]
    [InlineData("10.9.3.2")]
    [InlineData("fd09:3::2")]
    public void Datagrams_of_udp_are_cut_and_joined_as_the_kernel_does_it(string address)
    {
        using UdpPort sender = Opened(_a), port = Opened(_b);
        using var receiver = new Receiver(port);
        var to = new Endpoint(IpAddress.Parse(address), (ushort)port.Port);
        int number = 0;
        List<PacketBuffer> sent = [];
        foreach (int size in (int[])[4, 63, 64, 511, 1000, 1371, 1372])
        {
            foreach (int count in (int[])[1, 2, 7, 40])
            {
                sent.Add(Batch.Run(to, number, count, (ushort)size, last: 4 + (size - 4) / 2));
                number += count;
            }
        }
        foreach (PacketBuffer run in sent)
            sender.Send([run]);

        Wait.Until(() => receiver.All.Sum(one => one.Datagrams().Count()) >= number, Receiver.Patience, $"{number} datagrams");
        Assert.Equal(sent.Select(Received.From).SelectMany(one => one.Datagrams()), receiver.All.SelectMany(one => one.Datagrams()));
        AssertSame();
        Assert.Contains(_first.All, packet => packet.Vnet.GsoType == GsoType.Udp);
        Assert.True(_joined > 50, $"{_joined} packets were joined");
    }

    private static UdpPort Opened(Host host) => host.Namespace.Run(() =>
    {
        var port = new UdpPort(withOffloads: true);
        port.Open(0);
        return port;
    });

    /// <summary>Marks a packet of a hundred as having met congestion, so that its sender slows down and says that it has.</summary>
    private static void MarkSome(Host host) => host.Run(new Command("nft", "-f", "-")
    {
        Input =
            """
            table inet congested {
                chain marks {
                    type filter hook prerouting priority mangle
                    ip ecn ect0 numgen random mod 100 == 0 ip ecn set ce
                    ip6 ecn ect0 numgen random mod 100 == 0 ip6 ecn set ce
                }
            }

            """,
    });

    /// <summary>What a router makes of a packet: one hop less (RFC 791; RFC 1141 for the checksum).</summary>
    private static byte[] Routed(byte[] packet)
    {
        byte[] routed = [.. packet];
        if (routed[0] >> 4 == 6)
        {
            routed[7]--;
            return routed;
        }
        routed[8]--;
        int checksum = BinaryPrimitives.ReadUInt16BigEndian(routed.AsSpan(10)) + 0x0100;
        BinaryPrimitives.WriteUInt16BigEndian(routed.AsSpan(10), (ushort)(checksum + (checksum >= 0xFFFF ? 1 : 0)));
        return routed;
    }

    /// <summary>The packets that a network sees where the kernel handed out one.</summary>
    private static List<byte[]> Cut(Received packet)
    {
        Assert.True(SuperPacket.TryParse(packet.Bytes, packet.Vnet, out SuperPacket super));
        List<byte[]> segments = [];
        for (int i = 0; i < super.SegmentCount; i++)
        {
            var segment = new byte[super.SegmentLength(i)];
            super.WriteSegment(i, segment);
            segments.Add(segment);
        }
        return segments;
    }

    private void AssertSame()
    {
        byte[][] cutByUs = [], cutByKernel = [], cutAgain = [];
        // The last packets may be on their way; where some are lost for good, the comparison says which.
        Wait.TryUntil(
            () =>
            {
                cutByUs = [.. _first.All.Where(IsOfA).SelectMany(Cut).Select(Routed)];
                cutByKernel = [.. _second.All.Where(IsOfA).Select(packet => packet.Bytes)];
                cutAgain = [.. _third.All.Where(IsOfA).Select(packet => packet.Bytes)];
                return cutByUs.Length == cutByKernel.Length && cutByKernel.Length == cutAgain.Length;
            },
            Receiver.Patience);
        AssertEqual(cutByKernel, cutByUs);
        Assert.All(cutByKernel, packet => Assert.InRange(packet.Length, 20, Mtu));
        Assert.All(cutByKernel, packet => Assert.True(Batch.HasRightChecksum(packet)));
        AssertEqual([.. cutByKernel.Select(Routed)], cutAgain);
    }

    /// <summary>Whether host a sent it; routers and hosts also say something of their own at times.</summary>
    private static bool IsOfA(Received packet) =>
        IpPacket.TryParse(packet.Bytes, out IpPacket ip) && (ip.Source == IpAddress.Parse("10.9.1.1") || ip.Source == IpAddress.Parse("fd09:1::1"));

    private static void AssertEqual(byte[][] expected, byte[][] actual)
    {
        for (int i = 0; i < Math.Min(expected.Length, actual.Length); i++)
            Assert.True(expected[i].AsSpan().SequenceEqual(actual[i]), $"packet {i}:\n{Hex(expected[i])}\n{Hex(actual[i])}");
        Assert.Equal(expected.Length, actual.Length);

        static string Hex(byte[] packet) => $"{packet.Length} bytes, {Convert.ToHexStringLower(packet.AsSpan(0, Math.Min(80, packet.Length)))}";
    }

    private void Join(ReadOnlySpan<PacketBuffer> packets, Coalescer coalescer, TunDevice to, PacketBuffer[] joined)
    {
        foreach (PacketBuffer packet in packets)
            Assert.True(coalescer.TryAdd(packet.Array, packet.Offset, packet.Length));
        for (int i = 0; i < coalescer.Count; i++)
        {
            CoalescedPacket packet = coalescer[i];
            joined[0].Reset();
            (joined[0].Length, joined[0].Vnet) = (packet.Length, packet.Header);
            coalescer.Write(i, joined[0].Packet);
            to.Write(joined);
            _joined += packet.PacketCount > 1 ? packet.PacketCount : 0;
        }
        coalescer.Clear();
    }

    private static void Route(Host host, TunDevice tun, params int[] networks)
    {
        foreach (int network in networks)
        {
            host.Ip("route", "add", $"10.9.{network}.0/24", "dev", tun.Name);
            host.Ip("-6", "route", "add", $"fd09:{network}::/64", "dev", tun.Name);
        }
    }

    private TunDevice Tun(Host host, int network, int number, bool withOffloads = false)
    {
        TunDevice tun = Own(host.Namespace.Run(() => TunDevice.Create(_net.NewInterfaceName(), Mtu, isPersistent: false, withOffloads)));
        host.Ip("link", "set", tun.Name, "txqueuelen", "20000"); // A whole window waits here for us: what is lost would be compared as well.
        host.AddAddress(tun.Name, $"10.9.{network}.{number}/24");
        host.AddAddress(tun.Name, $"fd09:{network}::{number}/64");
        host.Ip("link", "set", tun.Name, "up");
        return tun;
    }

    private T Own<T>(T owned) where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }
}
