using System.Buffers.Binary;
using Kedge.Linux;
using Kedge.Linux.Tun;
using Kedge.Protocol.Offload;

namespace Kedge.Tests.Linux;

/// <summary>Against <c>struct virtio_net_hdr</c> of Virtual I/O Device 1.2, section 5.1.6, on a machine that is little-endian.</summary>
public class VirtioHeaderTests
{
    private const byte NeedsChecksum = 1;
    private const byte DataValid = 2;

    [Theory]
    [InlineData(1, GsoType.TcpV4)]
    [InlineData(4, GsoType.TcpV6)]
    [InlineData(5, GsoType.Udp)]
    [InlineData(0x81, GsoType.TcpV4)] // with ECN
    [InlineData(0x84, GsoType.TcpV6)]
    public void A_packet_that_stands_for_several_is_told_with_its_checksum(byte type, GsoType expected)
    {
        PacketBuffer buffer = Headed(NeedsChecksum, type, hdrLen: 9999, gsoSize: 1380, csumStart: 20, csumOffset: 16, length: 5000);

        Assert.True(VirtioHeader.TryRead(buffer));

        Assert.Equal(
            new VnetHeader { GsoType = expected, GsoSize = 1380, NeedsChecksum = true, ChecksumStart = 20, ChecksumOffset = 16 },
            buffer.Vnet);
        Assert.Equal((PacketBuffer.Headroom, 5000), (buffer.Offset, buffer.Length));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(DataValid)]
    public void A_plain_packet_has_nothing_of_what_the_other_fields_hold(byte flags)
    {
        PacketBuffer buffer = Headed(flags, type: 0, hdrLen: 1, gsoSize: 2, csumStart: 3, csumOffset: 4, length: 1);

        Assert.True(VirtioHeader.TryRead(buffer));

        Assert.Equal(default, buffer.Vnet);
    }

    [Theory]
    [InlineData(0, 1, 0, 0, 0)] // no size
    [InlineData(0, 5, 0, 0, 0)]
    [InlineData(0, 2, 1, 0, 0)] // no such type
    [InlineData(0, 3, 1, 0, 0)] // fragments (UFO), which nobody has asked for
    [InlineData(0, 6, 1, 0, 0)]
    [InlineData(0, 0x7F, 1, 0, 0)]
    [InlineData(NeedsChecksum, 0, 0, 99, 0)] // a checksum that ends behind the packet
    [InlineData(NeedsChecksum, 0, 0, 20, 79)]
    [InlineData(NeedsChecksum, 1, 9, 65535, 65535)]
    public void A_header_that_makes_no_sense_is_refused(byte flags, byte type, ushort gsoSize, ushort csumStart, ushort csumOffset)
    {
        Assert.False(VirtioHeader.TryRead(Headed(flags, type, hdrLen: 0, gsoSize, csumStart, csumOffset, length: 100)));
    }

    [Fact]
    public void A_checksum_may_be_the_packets_last_two_bytes()
    {
        Assert.True(VirtioHeader.TryRead(Headed(NeedsChecksum, 0, 0, 0, csumStart: 20, csumOffset: 78, length: 100)));
    }

    [Theory]
    [InlineData(GsoType.TcpV4, 20, 32, 52)] // 20 of IP and 32 of TCP with options
    [InlineData(GsoType.TcpV6, 40, 20, 60)]
    [InlineData(GsoType.Udp, 20, 8, 28)]
    [InlineData(GsoType.TcpV4, 20, 60, 80)]
    [InlineData(GsoType.TcpV4, 95, 60, 0)] // no room: left to the kernel
    [InlineData(GsoType.Udp, 95, 8, 0)]
    public void What_is_written_has_the_length_of_the_headers(GsoType type, ushort start, int transportLength, ushort expected)
    {
        var vnet = new VnetHeader { GsoType = type, GsoSize = 40, NeedsChecksum = true, ChecksumStart = start, ChecksumOffset = 6 };
        PacketBuffer buffer = new() { Length = 100, Vnet = vnet };
        buffer.Packet.Clear();
        if (start + 12 < buffer.Length)
            buffer.Packet[start + 12] = (byte)(transportLength / 4 << 4);

        VirtioHeader.Write(buffer);

        Assert.Equal((byte[])[1, (byte)type], Header(buffer)[..2]);
        Assert.Equal([expected, 40, start, (ushort)6], Numbers(buffer));
    }

    [Fact]
    public void A_plain_packets_header_is_zero_whatever_else_its_buffer_holds()
    {
        var vnet = new VnetHeader { GsoSize = 1452, HeaderLength = 40, ChecksumStart = 20, ChecksumOffset = 6 };
        PacketBuffer buffer = new() { Length = 100, GsoSize = 1452, Vnet = vnet };
        buffer.Array.AsSpan().Fill(0xFF);

        VirtioHeader.Write(buffer);

        Assert.Equal(new byte[VirtioHeader.Length], Header(buffer));
        Assert.Equal(0xFF, buffer.Array[buffer.Offset - VirtioHeader.Length - 1]);
        Assert.Equal(0xFF, buffer.Packet[0]);
    }

    [Fact]
    public void Nothing_is_written_where_there_is_no_room()
    {
        Assert.Throws<ArgumentException>(() => VirtioHeader.Write(new PacketBuffer { Offset = VirtioHeader.Length - 1 }));
    }

    private static PacketBuffer Headed(
        byte flags, byte type, ushort hdrLen, ushort gsoSize, ushort csumStart, ushort csumOffset, int length)
    {
        var buffer = new PacketBuffer { Length = length };
        Span<byte> header = buffer.Array.AsSpan(buffer.Offset - 10, 10);
        (header[0], header[1]) = (flags, type);
        ushort[] numbers = [hdrLen, gsoSize, csumStart, csumOffset];
        for (int i = 0; i < numbers.Length; i++)
            BinaryPrimitives.WriteUInt16LittleEndian(header[(2 + 2 * i)..], numbers[i]);
        return buffer;
    }

    private static byte[] Header(PacketBuffer buffer) => buffer.Array.AsSpan(buffer.Offset - 10, 10).ToArray();

    private static ushort[] Numbers(PacketBuffer buffer)
    {
        byte[] header = Header(buffer);
        return [.. Enumerable.Range(1, 4).Select(i => BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(2 * i)))];
    }
}
