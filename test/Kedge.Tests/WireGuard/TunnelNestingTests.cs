using System.Buffers.Binary;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

public class TunnelNestingTests
{
    private const int UdpHeader = 8;

    private readonly TunnelNesting _nesting = new();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_datagram_goes_into_seven_more_tunnels_and_no_further(bool ipv6)
    {
        byte[] packet = Datagram(ipv6, type: 4);
        var hopLimits = new List<int>();
        for (byte left = 64; Enter(packet, left, out byte outer); left = outer)
            hopLimits.Add(outer);
        Assert.Equal([56, 48, 40, 32, 24, 16, 8], hopLimits);
    }

    [Theory]
    [InlineData(1u, true)]
    [InlineData(2u, true)]
    [InlineData(3u, true)]
    [InlineData(4u, true)]
    [InlineData(0xF7u, true)] // passed on by a relay
    [InlineData(0u, false)]
    [InlineData(5u, false)]
    [InlineData(0x0104u, false)]
    [InlineData(0xF5u, false)]
    public void Only_datagrams_of_WireGuard_hand_their_hop_limit_on(uint type, bool isWireGuard)
    {
        Assert.Equal(!isWireGuard, Enter(Datagram(ipv6: false, type), hopLimit: 1, out byte outer));
        Assert.Equal(0, outer);
        Assert.True(Enter(Datagram(ipv6: true, type), hopLimit: 20, out outer));
        Assert.Equal(isWireGuard ? 12 : 0, outer);
    }

    [Fact]
    public void What_comes_from_a_system_that_begins_with_more_hops_is_not_let_further()
    {
        Assert.True(Enter(Datagram(ipv6: false, type: 4), hopLimit: 255, out byte outer));
        Assert.Equal(64, outer);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Later_fragments_go_the_way_of_the_first(bool ipv6)
    {
        Assert.True(Enter(Fragment(ipv6, type: 4, identification: 7, offset: 0), hopLimit: 24, out byte outer));
        Assert.Equal(16, outer);
        byte[] rest = Fragment(ipv6, type: 0, identification: 7, offset: 100);
        Assert.True(Enter(rest, hopLimit: 24, out outer));
        Assert.Equal(16, outer);
        Assert.False(Enter(rest, hopLimit: 8, out _));
        Assert.True(Enter(Fragment(ipv6, type: 4, identification: 8, offset: 100), hopLimit: 8, out outer));
        Assert.Equal(0, outer);

        Assert.True(Enter(Fragment(ipv6, type: 0, identification: 7, offset: 0), hopLimit: 8, out _));
        Assert.True(Enter(rest, hopLimit: 8, out outer));
        Assert.Equal(0, outer);
    }

    [Fact]
    public void A_datagram_without_payload_enters()
    {
        byte[] packet = Datagram(ipv6: false, type: 4).AsSpan(0, 20 + UdpHeader).ToArray();
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        for (int length = 24; length <= packet.Length; length++)
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)length);
            Assert.True(Enter(packet, hopLimit: 1, out byte outer));
            Assert.Equal(0, outer);
        }
    }

    private static byte[] Datagram(bool ipv6, uint type)
    {
        byte[] packet = ipv6
            ? TestPacket.Make(IpAddress.Parse("2001:db8::1"), IpAddress.Parse("2001:db8::2"))
            : TestPacket.Make(IpAddress.Parse("192.0.2.1"), IpAddress.Parse("192.0.2.2"));
        BinaryPrimitives.WriteUInt32LittleEndian(packet.AsSpan((ipv6 ? 40 : 20) + UdpHeader), type);
        return packet;
    }

    /// <param name="ipv6">The family.</param>
    /// <param name="type">The type of message that a first fragment begins with.</param>
    /// <param name="identification">What the fragments of one datagram have in common.</param>
    /// <param name="offset">In units of 8 bytes.</param>
    private static byte[] Fragment(bool ipv6, uint type, ushort identification, int offset)
    {
        byte[] packet = Datagram(ipv6, type);
        if (!ipv6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), identification);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), (ushort)(0x2000 | offset));
            return packet;
        }
        packet.AsSpan(40, 12).CopyTo(packet.AsSpan(48));
        packet.AsSpan(40, 8).Clear();
        (packet[6], packet[40]) = (44, 17);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(42), (ushort)(offset << 3 | 1));
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(44), identification);
        return packet;
    }

    private bool Enter(byte[] bytes, byte hopLimit, out byte timeToLive)
    {
        bytes[bytes[0] >> 4 == 4 ? 8 : 7] = hopLimit;
        Assert.True(IpPacket.TryParse(bytes, out IpPacket packet));
        Assert.True(UdpFragment.TryRead(packet, out UdpFragment udp));
        return _nesting.TryEnter(packet, udp, out timeToLive);
    }
}
