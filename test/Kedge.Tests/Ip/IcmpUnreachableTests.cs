using System.Buffers.Binary;
using Kedge.Protocol.Ip;
using Kedge.Tests.WireGuard;

namespace Kedge.Tests.Ip;

public class IcmpUnreachableTests
{
    private static readonly IpAddress Source = IpAddress.Parse("10.0.0.1"), Destination = IpAddress.Parse("10.0.0.9");
    private static readonly IpAddress Source6 = IpAddress.Parse("fd00::1"), Destination6 = IpAddress.Parse("fd00::9");

    private readonly byte[] _answer = new byte[IcmpUnreachable.MaximumLength];

    [Theory]
    [InlineData(100, 128)]
    [InlineData(548, 576)]
    [InlineData(549, 576)]
    [InlineData(1420, 576)]
    public void An_IPv4_packet_is_answered_by_host_unreachable_with_as_much_of_it_as_fits_into_576_bytes(int length, int expected)
    {
        byte[] packet = TestPacket.Make(Source, Destination, length: length);

        IpPacket answer = Answer(packet);

        Assert.Equal(expected, answer.Length);
        Assert.Equal((Destination, Source), (answer.Source, answer.Destination));
        Assert.Equal(0, InternetChecksum.Compute(answer.Bytes[..20]));
        Assert.Equal(0, InternetChecksum.Compute(answer.Bytes[20..]));
        Assert.Equal([1, 3, 1], [answer.Bytes[9], answer.Bytes[20], answer.Bytes[21]]);
        Assert.Equal(0u, BinaryPrimitives.ReadUInt32BigEndian(answer.Bytes[24..]));
        Assert.Equal(packet.AsSpan(0, expected - 28), answer.Bytes[28..]);
    }

    [Theory]
    [InlineData(100, 148)]
    [InlineData(1232, 1280)]
    [InlineData(1233, 1280)]
    public void An_IPv6_packet_is_answered_by_address_unreachable_with_as_much_of_it_as_fits_into_1280_bytes(int length, int expected)
    {
        byte[] packet = TestPacket.Make(Source6, Destination6, length: length);

        IpPacket answer = Answer(packet);

        Assert.Equal(expected, answer.Length);
        Assert.Equal((Destination6, Source6), (answer.Source, answer.Destination));
        Assert.Equal([58, 1, 3], [answer.Bytes[6], answer.Bytes[40], answer.Bytes[41]]);
        uint pseudoHeader = InternetChecksum.Sum(answer.Bytes[8..40], (uint)(expected - 40) + 58);
        Assert.Equal(0xFFFF, InternetChecksum.Sum(answer.Bytes[40..], pseudoHeader));
        Assert.Equal(packet.AsSpan(0, expected - 48), answer.Bytes[48..]);
    }

    [Theory]
    [InlineData(1216)]
    [InlineData(576)]
    public void A_packet_that_is_too_long_is_answered_by_how_long_it_may_be(int mtu)
    {
        IpPacket answer = Answer(TestPacket.Make(Source, Destination, length: 1400), mtu);
        Assert.Equal(0, InternetChecksum.Compute(answer.Bytes[..20]));
        Assert.Equal(0, InternetChecksum.Compute(answer.Bytes[20..]));
        Assert.Equal([1, 3, 4], [answer.Bytes[9], answer.Bytes[20], answer.Bytes[21]]);
        Assert.Equal((uint)mtu, BinaryPrimitives.ReadUInt32BigEndian(answer.Bytes[24..])); // RFC 1191 section 4

        answer = Answer(TestPacket.Make(Source6, Destination6, length: 1400), mtu);
        Assert.Equal(1280, answer.Length);
        Assert.Equal((Destination6, Source6), (answer.Source, answer.Destination));
        Assert.Equal([58, 2, 0], [answer.Bytes[6], answer.Bytes[40], answer.Bytes[41]]);
        Assert.Equal((uint)mtu, BinaryPrimitives.ReadUInt32BigEndian(answer.Bytes[44..])); // RFC 4443 section 3.2
        Assert.Equal(0xFFFF, InternetChecksum.Sum(answer.Bytes[40..], InternetChecksum.Sum(answer.Bytes[8..40], 1240 + 58)));
        Assert.Equal(0, Write(TestPacket.Make(Source, IpAddress.Parse("224.0.0.251"), length: 1400), mtu));
    }

    [Theory]
    [InlineData("0.0.0.0", "10.0.0.9")]
    [InlineData("127.0.0.1", "10.0.0.9")]
    [InlineData("224.0.0.1", "10.0.0.9")]
    [InlineData("10.0.0.1", "224.0.0.251")]
    [InlineData("10.0.0.1", "255.255.255.255")]
    [InlineData("10.0.0.1", "0.0.0.0")]
    [InlineData("::", "fd00::9")]
    [InlineData("ff02::1", "fd00::9")]
    [InlineData("fd00::1", "ff02::2")]
    public void A_packet_to_many_or_from_nobody_is_not_answered(string source, string destination) =>
        Assert.Equal(0, Write(TestPacket.Make(IpAddress.Parse(source), IpAddress.Parse(destination))));

    [Theory]
    [InlineData(8, true)] // echo
    [InlineData(0, true)] // echo reply
    [InlineData(13, true)] // timestamp
    [InlineData(3, false)]
    [InlineData(4, false)]
    [InlineData(5, false)]
    [InlineData(11, false)]
    [InlineData(12, false)]
    public void An_ICMP_error_is_not_answered(byte type, bool isAnswered)
    {
        byte[] packet = TestPacket.Make(Source, Destination);
        (packet[9], packet[20]) = (1, type);
        Assert.Equal(isAnswered, Write(packet) > 0);
    }

    [Theory]
    [InlineData(128, true)] // echo
    [InlineData(135, true)] // neighbour solicitation
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(127, false)]
    [InlineData(137, false)] // redirect
    public void An_ICMPv6_error_is_not_answered_also_behind_extension_headers(byte type, bool isAnswered)
    {
        byte[] packet = TestPacket.Make(Source6, Destination6);
        (packet[6], packet[40]) = (58, type);
        Assert.Equal(isAnswered, Write(packet) > 0);

        // Hop-by-hop options of 8 bytes, destination options of 16 bytes, a first fragment.
        packet[6] = 0;
        (packet[40], packet[41]) = (60, 0);
        (packet[48], packet[49]) = (44, 1);
        (packet[64], packet[66], packet[67]) = (58, 0, 1);
        packet[72] = type;
        Assert.Equal(isAnswered, Write(packet) > 0);
    }

    [Fact]
    public void Only_the_first_fragment_is_answered()
    {
        byte[] packet = TestPacket.Make(Source, Destination);
        packet[6] = 0x20; // more fragments
        Assert.NotEqual(0, Write(packet));
        packet[7] = 1;
        Assert.Equal(0, Write(packet));

        byte[] packet6 = TestPacket.Make(Source6, Destination6);
        (packet6[6], packet6[40]) = (44, 17);
        Assert.NotEqual(0, Write(packet6));
        packet6[43] = 8;
        Assert.Equal(0, Write(packet6));
    }

    [Fact]
    public void Headers_that_are_cut_short_are_not_answered_and_never_throw()
    {
        var random = new Random(7);
        var bytes = new byte[64];
        for (int i = 0; i < 20_000; i++)
        {
            random.NextBytes(bytes);
            bytes[0] = (byte)(i % 2 == 0 ? 0x45 : 0x60);
            bytes[6] = i % 2 == 0 ? bytes[6] : (byte)(i % 8 < 4 ? 0 : 60);
            int length = random.Next(40, 64);
            BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(i % 2 == 0 ? 2 : 4), (ushort)(i % 2 == 0 ? length : length - 40));
            if (IpPacket.TryParse(bytes, out IpPacket packet))
                Assert.InRange(IcmpUnreachable.Write(packet, _answer), 0, 128);
        }
    }

    private int Write(byte[] bytes, int mtu = 0)
    {
        Assert.True(IpPacket.TryParse(bytes, out IpPacket packet));
        return mtu == 0 ? IcmpUnreachable.Write(packet, _answer) : IcmpUnreachable.WriteTooLong(packet, mtu, _answer);
    }

    private IpPacket Answer(byte[] bytes, int mtu = 0)
    {
        int length = Write(bytes, mtu);
        Assert.True(IpPacket.TryParse(_answer.AsSpan(0, length), out IpPacket answer));
        Assert.Equal(length, answer.Length);
        return answer;
    }
}
