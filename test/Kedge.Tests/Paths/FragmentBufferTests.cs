using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Paths;

namespace Kedge.Tests.Paths;

public class FragmentBufferTests
{
    private readonly FragmentBuffer _buffer = new();
    private readonly byte[] _packet = new byte[FragmentBuffer.MaximumLength];
    private readonly object _sender = new(), _other = new();
    private Instant _now = new(TimeSpan.TicksPerHour);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(1217)]
    [InlineData(1420)]
    [InlineData(FragmentBuffer.MaximumLength)]
    public void Two_halves_make_a_packet_in_any_order_with_any_padding(int length)
    {
        byte[] packet = Packet(length);
        Assert.True(FragmentFrame.Fits(length, 8 + (length + 1) / 2));
        Assert.False(FragmentFrame.Fits(length, 7 + (length + 1) / 2));

        Assert.Equal(0, Take(Half(packet, 1, isSecond: false)).Length);
        AssertWhole(packet, Take([.. Half(packet, 1, isSecond: true), 0, 0, 0]));
        Assert.Equal(0, Take(Half(packet, 2, isSecond: true)).Length);
        AssertWhole(packet, Take(Half(packet, 2, isSecond: false)));
        Assert.Equal(0, Take(Half(packet, 2, isSecond: true)).Length);
    }

    [Fact]
    public void A_frame_is_as_it_is_described() // type, flags, length, identifier, body
    {
        Assert.Equal("02000B00785634120A0B0C", Convert.ToHexString(Half([10, 11, 12, 13, 14], 0x12345678, isSecond: false)));
        Assert.Equal("02010A00785634120D0E", Convert.ToHexString(Half([10, 11, 12, 13, 14], 0x12345678, isSecond: true)));
        Assert.False(FragmentFrame.Fits(FragmentBuffer.MaximumLength + 1, int.MaxValue));
    }

    [Fact]
    public void Halves_of_different_packets_and_senders_do_not_meet()
    {
        Take(Half(Packet(100), 1, isSecond: false));

        Assert.Equal(0, Take(Half(Packet(100), 2, isSecond: true)).Length);
        Assert.Equal(0, Take(Half(Packet(100), 1, isSecond: true), _other).Length);
        Assert.Equal(0, Take(Half(Packet(100), 1, isSecond: false)).Length);
        Assert.Equal(100, Take(Half(Packet(100), 1, isSecond: true)).Length);
    }

    [Fact]
    public void A_half_waits_for_a_second()
    {
        Take(Half(Packet(100), 1, isSecond: false));
        _now += FragmentBuffer.Patience - TimeSpan.FromTicks(1);
        Assert.Equal(100, Take(Half(Packet(100), 1, isSecond: true)).Length);
        Take(Half(Packet(100), 2, isSecond: false));
        _now += FragmentBuffer.Patience;

        Assert.Equal(new FragmentOutcome { Lost = 1 }, Take(Half(Packet(100), 2, isSecond: true)));
    }

    [Fact]
    public void A_flood_of_halves_takes_no_room_of_others_and_loses_its_own_oldest()
    {
        Take(Half(Packet(100), 7, isSecond: false), _other);
        for (uint id = 0; id < 1000; id++)
        {
            _now += TimeSpan.FromTicks(1);
            Assert.Equal(id < FragmentBuffer.CapacityOfOne ? 0 : 1, Take(Half(Packet(100), id, isSecond: false)).Lost);
        }

        Assert.Equal(100, Take(Half(Packet(100), 7, isSecond: true), _other).Length);
        Assert.Equal(100, Take(Half(Packet(100), 999, isSecond: true)).Length);
        Assert.Equal(100, Take(Half(Packet(100), 1000 - FragmentBuffer.CapacityOfOne, isSecond: true)).Length);
        Assert.Equal(0, Take(Half(Packet(100), 999 - FragmentBuffer.CapacityOfOne, isSecond: true)).Length);
    }

    [Fact]
    public void Of_too_many_senders_the_oldest_half_gives_way()
    {
        object[] senders = [.. Enumerable.Range(0, FragmentBuffer.Capacity + 1).Select(_ => new object())];
        foreach (object sender in senders)
        {
            _now += TimeSpan.FromTicks(1);
            Take(Half(Packet(100), 1, isSecond: false), sender);
        }

        Assert.Equal(100, Take(Half(Packet(100), 1, isSecond: true), senders[^1]).Length);
        Assert.Equal(100, Take(Half(Packet(100), 1, isSecond: true), senders[1]).Length);
        Assert.Equal(0, Take(Half(Packet(100), 1, isSecond: true), senders[0]).Length);
    }

    [Fact]
    public void What_is_no_frame_is_refused()
    {
        byte[] frame = Half(Packet(100), 1, isSecond: false);
        for (int length = 0; length < frame.Length; length++)
            Assert.True(Take(frame[..length]).IsMalformed, $"{length} bytes");
        Assert.True(Take([1, .. frame[1..]]).IsMalformed);
        Assert.True(Take([2, 0, 8, 0, .. frame[4..]]).IsMalformed);
        byte[] longest = [2, 0, 0x01, 0x08, .. new byte[3000]];
        Assert.True(Take(longest).IsMalformed);
        longest[2] = 0;
        Assert.False(Take(longest).IsMalformed);
    }

    [Theory]
    [InlineData(Ecn.Ect0, Ecn.Ect0, Ecn.Ect0)]
    [InlineData(Ecn.Ce, Ecn.Ect0, Ecn.Ce)]
    [InlineData(Ecn.Ect0, Ecn.Ce, Ecn.Ce)]
    public void Congestion_that_one_half_has_met_the_packet_has_met(byte first, byte second, byte expected)
    {
        _buffer.Take(_now, _sender, Half(Packet(100), 1, isSecond: false), first, _packet);
        Assert.Equal(expected, _buffer.Take(_now, _sender, Half(Packet(100), 1, isSecond: true), second, _packet).Ecn);
    }

    private static byte[] Packet(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)(i * 13 + i / 256))];

    private static byte[] Half(byte[] packet, uint id, bool isSecond)
    {
        byte[] frame = new byte[FragmentFrame.SizeOf(packet.Length, isSecond)];
        FragmentFrame.Write(packet, isSecond, id, frame);
        return frame;
    }

    private FragmentOutcome Take(byte[] frame, object? sender = null) => _buffer.Take(_now, sender ?? _sender, frame, 0, _packet);

    private void AssertWhole(byte[] packet, FragmentOutcome outcome)
    {
        Assert.Equal(packet.Length, outcome.Length);
        Assert.Equal(packet, _packet[..packet.Length]);
    }
}
