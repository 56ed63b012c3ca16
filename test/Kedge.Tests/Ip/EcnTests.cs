using Kedge.Protocol.Ip;

namespace Kedge.Tests.Ip;

public class EcnTests
{
    private const byte Drop = 0xFF;

    [Theory]
    [InlineData(Ecn.NotEct)]
    [InlineData(Ecn.Ect0)]
    [InlineData(Ecn.Ect1)]
    [InlineData(Ecn.Ce)]
    public void Normal_mode_copies_the_inner_bits_out(byte inner)
    {
        Assert.Equal(inner, Ecn.Encapsulate(inner));
        Assert.Equal(inner, Ecn.Encapsulate((byte)(0b1011_1000 | inner)));
    }

    [Theory] // RFC 6040 figure 4, row by row: inner, outer, outgoing
    [InlineData(Ecn.NotEct, Ecn.NotEct, Ecn.NotEct)]
    [InlineData(Ecn.NotEct, Ecn.Ect0, Ecn.NotEct)]
    [InlineData(Ecn.NotEct, Ecn.Ect1, Ecn.NotEct)]
    [InlineData(Ecn.NotEct, Ecn.Ce, Drop)]
    [InlineData(Ecn.Ect0, Ecn.NotEct, Ecn.Ect0)]
    [InlineData(Ecn.Ect0, Ecn.Ect0, Ecn.Ect0)]
    [InlineData(Ecn.Ect0, Ecn.Ect1, Ecn.Ect1)]
    [InlineData(Ecn.Ect0, Ecn.Ce, Ecn.Ce)]
    [InlineData(Ecn.Ect1, Ecn.NotEct, Ecn.Ect1)]
    [InlineData(Ecn.Ect1, Ecn.Ect0, Ecn.Ect1)]
    [InlineData(Ecn.Ect1, Ecn.Ect1, Ecn.Ect1)]
    [InlineData(Ecn.Ect1, Ecn.Ce, Ecn.Ce)]
    [InlineData(Ecn.Ce, Ecn.NotEct, Ecn.Ce)]
    [InlineData(Ecn.Ce, Ecn.Ect0, Ecn.Ce)]
    [InlineData(Ecn.Ce, Ecn.Ect1, Ecn.Ce)]
    [InlineData(Ecn.Ce, Ecn.Ce, Ecn.Ce)]
    public void Decapsulation_follows_the_table(byte inner, byte outer, byte expected)
    {
        foreach (byte dscp in new byte[] { 0, 0b1011_1000 })
        {
            bool forward = Ecn.TryDecapsulate((byte)(dscp | inner), (byte)(dscp | outer), out byte forwarded);
            Assert.Equal(expected, forward ? forwarded : Drop);
        }
    }

    [Fact]
    public void The_codepoints_are_those_of_RFC_3168() =>
        Assert.Equal([0b00, 0b01, 0b10, 0b11], new byte[] { Ecn.NotEct, Ecn.Ect1, Ecn.Ect0, Ecn.Ce });
}
