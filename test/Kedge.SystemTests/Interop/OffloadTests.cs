using System.Globalization;
using Kedge.Demo;
using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.SystemTests.Abuse;
using Kedge.SystemTests.Device;
using Kedge.SystemTests.Linux;

namespace Kedge.SystemTests.Interop;

/// <summary>
/// All kinds of traffic pass whatever offloads <c>KEDGE_OFFLOAD</c> has switched on, and these offloads, no others, are in force: the device
/// says so, and the kernel's counters show it.
/// </summary>
public sealed class OffloadTests
{
    private const int PathMtu = 1500, EthernetHeader = 14;

    public static MatrixTheoryData<string, Implementation> Ways =>
        new(["off", "tun", "udp", "on"], [Implementation.Kedge, Implementation.WireGuardGo]);

    [Theory]
    [MemberData(nameof(Ways))]
    public void Traffic_passes_with_just_the_offloads_that_were_asked_for(string offload, Implementation other)
    {
        using var tunnel = Tunnel.Start(other: other, offload: offload);
        tunnel.Handshake();
        bool tun = offload is "tun" or "on", udp = offload is "udp" or "on";
        Assert.Equal([tun, tun, udp, udp], OffloadsInForce(tunnel.Kedge));

        CarryAll(tunnel, mtu: 1420, tun, udp);
        MoveToIPv6(tunnel);
        CarryAll(tunnel, mtu: 1280, tun, udp);
    }

    private static bool[] OffloadsInForce(TunnelEnd kedge)
    {
        using DeviceStatus status = TwoHosts.StatusOf(kedge.Device.Name);
        return [.. ((string[])["OffloadTunTcp", "OffloadTunUdp", "OffloadUdpSegmentation", "OffloadUdpCoalescing"])
            .Select(name => status.Gauges.Single(gauge => gauge.Name == name).Value == 1)];
    }

    /// <summary>Has the machines speak IPv6 to each other from now on.</summary>
    private static void MoveToIPv6(Tunnel tunnel)
    {
        string endpoint = TunnelEnd.EndpointOf("2001:db8::2", TunnelEnd.Port);
        tunnel.Kedge.Device.Set("peer", tunnel.Other.Device.Keys.PublicKey, "endpoint", endpoint);
        tunnel.Kedge.Reaches(tunnel.Other.Address);
        Assert.Equal(endpoint, tunnel.Kedge.Peer.Endpoint);
        Assert.StartsWith("[2001:db8::1]", tunnel.Other.Peer.Endpoint, StringComparison.Ordinal);
    }

    private static void CarryAll(Tunnel tunnel, int mtu, bool tun, bool udp)
    {
        foreach (TunnelEnd end in (TunnelEnd[])[tunnel.Kedge, tunnel.Other])
            end.Host.Ip("link", "set", end.Device.Name, "mtu", mtu.ToString(CultureInfo.InvariantCulture));
        foreach (int length in (int[])[mtu - 1, mtu])
        {
            tunnel.Kedge.Reaches(tunnel.Other.Address, length); // the answer is as long
            tunnel.Kedge.Reaches(tunnel.Other.Address6, length);
        }
        foreach (bool ipv6 in (bool[])[false, true])
        {
            CarryStreams(tunnel, mtu, ipv6, tun, udp);
            CarryDatagrams(tunnel.Kedge, tunnel.Other, ipv6, mtu);
            CarryDatagrams(tunnel.Other, tunnel.Kedge, ipv6, mtu);
        }
    }

    private static void CarryStreams(Tunnel tunnel, int mtu, bool ipv6, bool tun, bool udp)
    {
        InterfaceCounters inside = Inside(), cable = Cable();
        CarryStream(tunnel.Kedge, tunnel.Other, ipv6);
        (InterfaceCounters insideOut, InterfaceCounters cableOut) = (Inside() - inside, Cable() - cable);
        inside = Inside();
        CarryStream(tunnel.Other, tunnel.Kedge, ipv6);
        InterfaceCounters insideBack = Inside() - inside;

        TestContext.Current.TestOutputHelper?.WriteLine(
            $"MTU {mtu}: {insideOut.MeanSent:0} bytes a packet read, {cableOut.MeanSent:0} a message sent, {insideBack.MeanReceived:0} a packet written");
        Assert.Equal(tun, insideOut.MeanSent > mtu);
        Assert.Equal(udp, cableOut.MeanSent > PathMtu + EthernetHeader);
        Assert.Equal(tun, insideBack.MeanReceived > mtu);

        InterfaceCounters Inside() => InterfaceCounters.Read(tunnel.Kedge.Host, tunnel.Kedge.Device.Name);
        InterfaceCounters Cable() => InterfaceCounters.Read(tunnel.Cable.A, tunnel.Cable.InterfaceOfA);
    }

    private static void CarryStream(TunnelEnd from, TunnelEnd to, bool ipv6)
    {
        using var stream = new FullStream(from.Host, to.Host, ipv6 ? to.Address6 : to.Address);
        Wait.Until(() => stream.Received > 2 << 20, Timeouts.Soon, $"2 MB from {from} to {to}");
        stream.End();
    }

    /// <summary>Sends single datagrams and runs of them up to the MTU, and asserts that they arrive as they were, in their order.</summary>
    private static void CarryDatagrams(TunnelEnd from, TunnelEnd to, bool ipv6, int mtu)
    {
        int longest = mtu - (ipv6 ? 48 : 28);
        using UdpPort sender = Opened(from.Host), port = Opened(to.Host);
        using var receiver = new Receiver(port);
        var target = new Endpoint(IpAddress.Parse(ipv6 ? to.Address6 : to.Address), (ushort)port.Port);
        PacketBuffer[] sent =
        [
            .. Enumerable.Range(0, 20).Select(i => Batch.Datagram(target, i, length: 4 + i)),
            Batch.Run(target, first: 20, count: 40, (ushort)longest, last: 7), Batch.Run(target, first: 60, count: 40, size: 64),
            Batch.Datagram(target, 100, longest), Batch.Datagram(target, 101, longest - 1), Batch.Datagram(target, 102, 3 * mtu),
        ];

        Assert.Equal(103, sender.Send(sent));

        Wait.Until(() => Arrived().Length >= 103, Timeouts.Soon, $"103 datagrams from {from} to {to}");
        Assert.Equal(sent.Select(Received.From).SelectMany(one => one.Datagrams()), Arrived());

        byte[][] Arrived() => [.. receiver.All.SelectMany(one => one.Datagrams())];
    }

    private static UdpPort Opened(Host host) => host.Namespace.Run(() =>
    {
        var port = new UdpPort(withOffloads: true);
        port.Open(0);
        return port;
    });
}
