using System.Buffers.Binary;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

public class DatagramKindTests
{
    [Theory]
    [InlineData(1, 148, DatagramKind.HandshakeInitiation)]
    [InlineData(1, 147, DatagramKind.Unknown)]
    [InlineData(1, 149, DatagramKind.Unknown)]
    [InlineData(2, 92, DatagramKind.HandshakeResponse)]
    [InlineData(2, 91, DatagramKind.Unknown)]
    [InlineData(2, 148, DatagramKind.Unknown)]
    [InlineData(3, 64, DatagramKind.CookieReply)]
    [InlineData(3, 63, DatagramKind.Unknown)]
    [InlineData(3, 65, DatagramKind.Unknown)]
    [InlineData(4, 31, DatagramKind.Unknown)]
    [InlineData(4, 32, DatagramKind.TransportData)]
    [InlineData(4, 33, DatagramKind.TransportData)]
    [InlineData(4, 65_507, DatagramKind.TransportData)]
    [InlineData(0, 148, DatagramKind.Unknown)]
    [InlineData(5, 148, DatagramKind.Unknown)]
    public void WireGuard_is_a_type_and_its_length(byte type, int length, DatagramKind expected) =>
        Assert.Equal(expected, Datagram.Classify(Bytes(length, type)));

    [Theory]
    [InlineData(1, 148)]
    [InlineData(2, 92)]
    [InlineData(3, 64)]
    [InlineData(4, 32)]
    public void WireGuards_reserved_bytes_are_zero(byte type, int length)
    {
        for (int i = 1; i < 4; i++)
        {
            byte[] datagram = Bytes(length, type);
            datagram[i] = 1;
            Assert.Equal(DatagramKind.Unknown, Datagram.Classify(datagram));
        }
    }

    [Fact] // RFC 5769 section 2.2: a sample response, 60 bytes of attributes
    public void The_sample_response_of_RFC_5769_is_STUN() => Assert.Equal(DatagramKind.Stun, Datagram.Classify(Convert.FromHexString(
        "0101003C2112A442B7E7A701BC34D686FA87DFAE8022000B7465737420766563746F7220002000080001A147E112A643" +
        "000800142B91F599FD9E90C38C7489F92AF9BA53F06BE7D780280004C07D4C96")));

    [Fact]
    public void A_STUN_request_without_attributes_is_STUN() => Assert.Equal(DatagramKind.Stun, Datagram.Classify(Stun(20)));

    [Fact]
    public void A_STUN_message_has_the_magic_cookie_two_zero_bits_and_exactly_its_length()
    {
        foreach (Action<byte[]> damage in new Action<byte[]>[]
        {
            message => message[4] ^= 1,
            message => message[7] ^= 0x80,
            message => message[0] |= 0x40,
            message => message[0] |= 0x80,
            message => message[3] += 4,
            message => message[3] -= 4,
            message => message[2] = 1,
        })
        {
            byte[] message = Stun(28);
            damage(message);
            Assert.Equal(DatagramKind.Unknown, Datagram.Classify(message));
        }
        Assert.Equal(DatagramKind.Unknown, Datagram.Classify(Stun(30))); // its length is right, but no multiple of 4
        Assert.Equal(DatagramKind.Unknown, Datagram.Classify(Stun(28).AsSpan(0, 27)));
    }

    [Theory]
    [InlineData(0x80, DatagramKind.Unknown)]
    [InlineData(0x81, DatagramKind.Rosenpass)]
    [InlineData(0x86, DatagramKind.Rosenpass)]
    [InlineData(0x87, DatagramKind.Unknown)]
    public void Rosenpass_is_told_by_the_first_byte(byte type, DatagramKind expected) =>
        Assert.Equal(expected, Datagram.Classify(Bytes(1_060, type)));

    [Theory]
    [InlineData(0x01F1, 1200, 1200)]
    [InlineData(0x01F2, 121, 1200)]
    [InlineData(0x01F3, 105, 1200)]
    [InlineData(0x00F4, 64, 64)]
    [InlineData(0x00F8, 40, 1200)]
    [InlineData(0x00F9, 40, 40)]
    public void A_knock_is_a_type_a_version_and_a_length(int type, int least, int most)
    {
        for (int length = 20; length < 1300; length++)
        {
            byte[] datagram = Bytes(length, (byte)type);
            datagram[1] = (byte)(type >> 8);
            Assert.Equal(length >= least && length <= most ? DatagramKind.Knock : DatagramKind.Unknown, Datagram.Classify(datagram));
            datagram[1] ^= 1;
            Assert.Equal(DatagramKind.Unknown, Datagram.Classify(datagram));
            (datagram[1], datagram[3]) = ((byte)(type >> 8), 1);
            Assert.Equal(DatagramKind.Unknown, Datagram.Classify(datagram));
        }
    }

    [Fact]
    public void What_is_too_short_is_unknown()
    {
        for (int length = 0; length < 20; length++)
        {
            foreach (byte type in new byte[] { 0, 1, 2, 3, 4, 0x81 })
                Assert.Equal(DatagramKind.Unknown, Datagram.Classify(Bytes(length, type)));
        }
    }

    [Theory]
    [InlineData(1)]
    public void Random_bytes_are_almost_always_unknown(int seed)
    {
        var random = new Random(seed);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] datagram = new byte[random.Next(200)];
            random.NextBytes(datagram);
            bool rosenpass = datagram.Length >= 20 && datagram[0] is >= 0x81 and <= 0x86;
            Assert.Equal(rosenpass ? DatagramKind.Rosenpass : DatagramKind.Unknown, Datagram.Classify(datagram));
        }
    }

    private static byte[] Bytes(int length, byte type)
    {
        byte[] datagram = new byte[length];
        if (length > 0)
            datagram[0] = type;
        return datagram;
    }

    private static byte[] Stun(int length)
    {
        byte[] message = new byte[length];
        message[1] = 1; // a binding request
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(2), (ushort)(length - 20));
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(4), 0x2112A442);
        return message;
    }
}
