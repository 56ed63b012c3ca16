using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.Ip;

public class IpPacketTests
{
    // An ICMP echo of 84 bytes and its header checksum as a kernel wrote it.
    private static byte[] IPv4Packet(int length = 84)
    {
        byte[] packet = new byte[length];
        Convert.FromHexString("4500005400004000400126A70A0000010A000002").CopyTo(packet, 0);
        return packet;
    }

    private static byte[] IPv6Packet(int payload, int padding = 0)
    {
        byte[] packet = new byte[40 + payload + padding];
        Convert.FromHexString("600000000000114020010DB800000000000000000000000120010DB8000000000000000000000002").CopyTo(packet, 0);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)payload);
        return packet;
    }

    [Fact]
    public void An_IPv4_packet_is_read()
    {
        Assert.True(IpPacket.TryParse(IPv4Packet(), out IpPacket packet));
        Assert.Equal(4, packet.Version);
        Assert.Equal(84, packet.Length);
        Assert.Equal(20, packet.HeaderLength);
        Assert.Equal(IpAddress.Parse("10.0.0.1"), packet.Source);
        Assert.Equal(IpAddress.Parse("10.0.0.2"), packet.Destination);
        Assert.Equal(Ecn.NotEct, packet.Ecn);
    }

    [Fact]
    public void An_IPv6_packet_is_read()
    {
        Assert.True(IpPacket.TryParse(IPv6Packet(100), out IpPacket packet));
        Assert.Equal(6, packet.Version);
        Assert.Equal(140, packet.Length);
        Assert.Equal(40, packet.HeaderLength);
        Assert.Equal(IpAddress.Parse("2001:db8::1"), packet.Source);
        Assert.Equal(IpAddress.Parse("2001:db8::2"), packet.Destination);
        Assert.Equal(Ecn.NotEct, packet.Ecn);
    }

    [Fact]
    public void Padding_is_not_part_of_a_packet()
    {
        Assert.True(IpPacket.TryParse(IPv4Packet(96), out IpPacket ipv4));
        Assert.Equal(84, ipv4.Length);
        Assert.True(IpPacket.TryParse(IPv6Packet(payload: 0, padding: 15), out IpPacket ipv6));
        Assert.Equal(40, ipv6.Length);
        Assert.True(IpPacket.TryParse(IPv6Packet(payload: 65535), out ipv6));
        Assert.Equal(65575, ipv6.Length);
    }

    [Fact]
    public void A_packet_that_is_cut_short_is_none()
    {
        byte[] ipv4 = IPv4Packet();
        for (int length = 0; length < ipv4.Length; length++)
            Assert.False(IpPacket.TryParse(ipv4.AsSpan(0, length), out _));
        byte[] ipv6 = IPv6Packet(30);
        for (int length = 0; length < ipv6.Length; length++)
            Assert.False(IpPacket.TryParse(ipv6.AsSpan(0, length), out _));
    }

    [Fact]
    public void Other_versions_are_no_packets()
    {
        for (int version = 0; version < 16; version++)
        {
            byte[] packet = IPv4Packet();
            packet[0] = (byte)((version << 4) | 5);
            Assert.Equal(version is 4 or 6, IpPacket.TryParse(packet, out _));
        }
    }

    [Theory]
    [InlineData(0x44, 84, false)] // a header of 16 bytes
    [InlineData(0x40, 84, false)]
    [InlineData(0x4F, 84, true)] // a header of 60 bytes
    [InlineData(0x4F, 60, true)]
    [InlineData(0x4F, 59, false)] // a packet shorter than its header
    [InlineData(0x45, 20, true)]
    [InlineData(0x45, 19, false)]
    [InlineData(0x45, 0, false)]
    [InlineData(0x45, 85, false)] // more than there is
    [InlineData(0x45, 65535, false)]
    public void An_IPv4_header_and_its_length_must_fit(byte firstByte, int totalLength, bool expected)
    {
        byte[] packet = IPv4Packet();
        packet[0] = firstByte;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)totalLength);
        Assert.Equal(expected, IpPacket.TryParse(packet, out IpPacket parsed));
        Assert.Equal(expected ? totalLength : 0, parsed.Length);
        if (expected)
            Assert.Equal(4 * (firstByte & 0xF), parsed.HeaderLength);
    }

    [Theory]
    [InlineData(1)]
    public void Random_bytes_never_yield_more_than_there_is(int seed)
    {
        var random = new Random(seed);
        int accepted = 0;
        for (int i = 0; i < 50_000; i++)
        {
            byte[] bytes = new byte[random.Next(100)];
            random.NextBytes(bytes);
            if (bytes.Length > 4)
            {
                bytes[0] = (byte)((random.Next(2) == 0 ? 0x40 : 0x60) | (bytes[0] & 0xF));
                bytes[2] = bytes[4] = 0;
            }
            if (!IpPacket.TryParse(bytes, out IpPacket packet))
                continue;
            accepted++;
            Assert.InRange(packet.Length, packet.Version == 4 ? 20 : 40, bytes.Length);
            Assert.Equal(packet.Version == 4, packet.Source.IsIPv4);
            Assert.Equal(packet.Version == 4, packet.Destination.IsIPv4);
        }
        Assert.InRange(accepted, 1_000, 49_000);
    }

    [Theory]
    [InlineData(2)]
    public void Setting_ECN_keeps_an_IPv4_header_right(int seed)
    {
        var random = new Random(seed);
        byte[] packet = IPv4Packet();
        for (int i = 0; i < 5_000; i++)
        {
            random.NextBytes(packet.AsSpan(12, 8));
            packet[1] = (byte)random.Next(256);
            packet.AsSpan(10, 2).Clear();
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), InternetChecksum.Compute(packet.AsSpan(0, 20)));
            byte[] before = [.. packet];
            byte ecn = (byte)random.Next(256);
            IpPacket.SetEcn(packet, ecn);
            Assert.True(IpPacket.TryParse(packet, out IpPacket parsed));
            Assert.Equal(ecn & 3, parsed.Ecn);
            Assert.Equal(before[1] >> 2, packet[1] >> 2);
            Assert.Equal(0, InternetChecksum.Compute(packet.AsSpan(0, 20)));
            Assert.Equal(before[..1].Concat(before[2..10]).Concat(before[12..]), packet[..1].Concat(packet[2..10]).Concat(packet[12..]));
        }
    }

    [Fact]
    public void Setting_ECN_changes_nothing_else_of_IPv6()
    {
        for (int trafficClass = 0; trafficClass < 256; trafficClass++)
        {
            for (byte ecn = 0; ecn < 4; ecn++)
            {
                byte[] packet = IPv6Packet(8);
                BinaryPrimitives.WriteUInt32BigEndian(packet, 0x6000_0000u | ((uint)trafficClass << 20) | 0xABCDE);
                byte[] expected = [.. packet];
                BinaryPrimitives.WriteUInt32BigEndian(expected, 0x6000_0000u | (uint)(((trafficClass & ~3) | ecn) << 20) | 0xABCDE);
                IpPacket.SetEcn(packet, ecn);
                Assert.Equal(expected, packet);
                Assert.True(IpPacket.TryParse(packet, out IpPacket parsed));
                Assert.Equal(ecn, parsed.Ecn);
            }
        }
    }

    [Fact]
    public void Reading_and_marking_allocate_nothing()
    {
        byte[] ipv4 = IPv4Packet(), ipv6 = IPv6Packet(20);
        Visit(ipv4);
        Visit(ipv6);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000; i++)
        {
            Visit(ipv4);
            Visit(ipv6);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        static void Visit(byte[] bytes)
        {
            if (IpPacket.TryParse(bytes, out IpPacket packet) && packet.Source != packet.Destination)
                IpPacket.SetEcn(bytes, Ecn.Ce);
        }
    }
}
