using System.Buffers.Binary;
using Kedge.Demo;
using Kedge.Protocol.WireGuard.Uapi;
using Kedge.SystemTests.Device;

namespace Kedge.SystemTests.Abuse;

/// <summary>What the machine itself can put into the tunnel's interface.</summary>
public class TunnelSideTests : IDisposable
{
    private readonly TwoHosts _hosts = new();
    private readonly DeviceProcess _other;
    private readonly DeviceProcess _kedge;
    private readonly PingStream _pings;

    public TunnelSideTests()
    {
        _other = _hosts.StartOther();
        _kedge = _hosts.StartKedge(_other);
        _hosts.AwaitTunnel();
        _pings = new PingStream(_hosts.A, TwoHosts.InnerB);
    }

    public void Dispose()
    {
        _hosts.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void What_is_no_ip_packet_or_lies_about_its_length_is_counted_and_goes_nowhere()
    {
        byte[] ipv4 = Header4(20 + 40), ipv6 = Header6(40);
        byte[][] packets =
        [
            .. ((byte[])[0x00, 0x10, 0x50, 0x70, 0xF0, 0xFF]).Select(first => (byte[])[first, .. ipv4[1..]]), // no version that there is
            .. Enumerable.Range(1, 19).Select(length => ipv4[..length]),
            .. Enumerable.Range(1, 39).Select(length => ipv6[..length]),
            .. ((ushort[])[0, 19, 59, 61, 1420, 65535]).Select(length => Patched(ipv4, 2, length)), // total length
            .. ((ushort[])[0, 39, 41, 1420, 65535]).Select(length => Patched(ipv6, 4, length)), // payload length
            .. ((byte[])[0x40, 0x44]).Select(first => (byte[])[first, .. ipv4[1..]]), // a header shorter than a header
            [0x4F, .. Header4(40)[1..]], // a header longer than the packet
        ];
        using var raw = new RawInterface(_hosts.A, _kedge.Name);
        long before = Count("MalformedPacket");
        ulong sent = SentBytes();

        foreach (byte[] packet in packets)
            raw.Send(packet);

        Wait.Until(() => Count("MalformedPacket") - before >= packets.Length, TwoHosts.Patience, $"{packets.Length} packets to be counted");
        Assert.Equal(packets.Length, Count("MalformedPacket") - before);
        AssertPingsGoOn();
        Assert.True(SentBytes() > sent);
        Assert.False(_kedge.Process.HasExited);
    }

    [Fact]
    public void Packets_for_nobody_and_for_a_peer_that_is_nowhere_are_counted()
    {
        _kedge.Set("peer", WireGuardKeys.Generate().PublicKey, "allowed-ips", "192.168.8.0/24,fd08::/64");
        _hosts.A.Ip("route", "add", "192.168.8.0/24", "dev", _kedge.Name);
        _hosts.A.Ip("route", "add", "192.168.9.0/24", "dev", _kedge.Name);
        (long noRoute, long noEndpoint) = (Count("NoRoute"), Count("NoEndpoint"));

        Assert.Equal(0, Ping.Run(_hosts.A, "192.168.8.1", count: 5, patience: Ping.Brief).Received);
        Assert.Equal(0, Ping.Run(_hosts.A, "192.168.9.1", count: 5, patience: Ping.Brief).Received);

        Assert.Equal(5, Count("NoEndpoint") - noEndpoint);
        Assert.InRange(Count("NoRoute") - noRoute, 5, 15); // The kernel itself sends a few to multicast groups.
        AssertPingsGoOn();
    }

    [Fact]
    public void A_packet_from_a_peer_that_is_not_allowed_its_source_is_counted()
    {
        _hosts.B.AddAddress("lo", "192.168.77.77/32");
        long before = Count("SourceNotAllowed");

        Assert.Equal(1, _hosts.B.TryRun("ping", "-n", "-c", "3", "-i", "0.1", "-W", "1", "-I", "192.168.77.77", TwoHosts.InnerA).ExitCode);

        Assert.Equal(3, Count("SourceNotAllowed") - before);
        AssertPingsGoOn();
    }

    [Fact]
    public void A_packet_from_a_peer_that_lies_about_its_length_is_counted()
    {
        // wireguard-go looks at the addresses alone; the shorter ones of these would be taken for padding.
        using var raw = new RawInterface(_hosts.B, _other.Name);
        byte[] packet = [.. Header4(60)];
        ((byte[])[192, 168, 7, 2, 192, 168, 7, 1]).CopyTo(packet, 12);
        long before = Count("MalformedInnerPacket");

        foreach (ushort length in (ushort[])[0, 19, 65, 1420, 65535])
            raw.Send(Patched(packet, 2, length));

        Wait.Until(() => Count("MalformedInnerPacket") - before >= 5, TwoHosts.Patience, "5 packets to be counted");
        Assert.Equal(5, Count("MalformedInnerPacket") - before);
        AssertPingsGoOn();
    }

    private static byte[] Header4(int length)
    {
        var packet = new byte[length];
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)length);
        (packet[8], packet[9]) = (64, 17);
        ((byte[])[192, 168, 7, 1, 192, 168, 7, 2]).CopyTo(packet, 12);
        return packet;
    }

    private static byte[] Header6(int payload)
    {
        var packet = new byte[40 + payload];
        packet[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)payload);
        (packet[6], packet[7]) = (17, 64);
        (packet[8], packet[9], packet[23]) = (0xFD, 0x07, 1);
        (packet[24], packet[25], packet[39]) = (0xFD, 0x07, 2);
        return packet;
    }

    private static byte[] Patched(byte[] packet, int offset, ushort value)
    {
        byte[] patched = [.. packet];
        BinaryPrimitives.WriteUInt16BigEndian(patched.AsSpan(offset), value);
        return patched;
    }

    private long Count(string name)
    {
        using DeviceStatus status = TwoHosts.StatusOf(_kedge.Name);
        return status.Drops.Single(drop => drop.Name == name).Value;
    }

    private ulong SentBytes()
    {
        using DeviceStatus status = TwoHosts.StatusOf(_kedge.Name);
        return status.Peers.Max(peer => peer.SentBytes);
    }

    private void AssertPingsGoOn()
    {
        int last = _pings.Last;
        Wait.Until(() => _pings.Last > last + 3, TwoHosts.Patience, "pings after it");
        (int sent, int lost) = _pings.Since(0);
        Assert.True(lost <= 1 + sent / 20, $"{lost} of {sent} pings were lost");
    }
}
