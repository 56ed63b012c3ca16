using System.Buffers.Binary;
using Kedge.Protocol.Ip;

namespace Kedge.Tests.Ip;

public class InternetChecksumTests
{
    [Fact] // RFC 1071 section 3: these bytes sum to ddf2
    public void The_example_of_RFC_1071() =>
        Assert.Equal(unchecked((ushort)~0xDDF2), InternetChecksum.Compute([0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]));

    [Fact] // RFC 1624 section 4: 0xDD2F becomes 0x0000 when 0x5555 becomes 0x3285
    public void The_example_of_RFC_1624() => Assert.Equal(0x0000, InternetChecksum.Update(0xDD2F, 0x5555, 0x3285));

    [Fact]
    public void A_sum_goes_on_from_another()
    {
        Assert.Equal(0xDDF2, InternetChecksum.Sum([0xF4, 0xF5, 0xF6, 0xF7], InternetChecksum.Sum([0x00, 0x01, 0xF2, 0x03])));
        Assert.Equal(0xDDF2, InternetChecksum.Sum([0xF4, 0xF5, 0xF6, 0xF7], 0x0001 + 0xF203));
        Assert.Equal(0x0001, InternetChecksum.Sum([], 0xFFFF + 0x0001));
        Assert.Equal(0xFFFF, InternetChecksum.Sum([0x00, 0x00], uint.MaxValue));
    }

    [Fact]
    public void Nothing_sums_to_zero() => Assert.Equal(0xFFFF, InternetChecksum.Compute([]));

    [Fact]
    public void The_longest_packet_of_ones_does_not_overflow() =>
        Assert.Equal(0, InternetChecksum.Compute(Enumerable.Repeat((byte)0xFF, 65536).ToArray()));

    [Theory]
    [InlineData(1)]
    public void A_sum_agrees_with_one_taken_word_by_word(int seed)
    {
        var random = new Random(seed);
        for (int length = 0; length < 200; length++)
        {
            byte[] bytes = new byte[length];
            random.NextBytes(bytes);
            uint sum = 0;
            for (int i = 0; i < length; i++)
            {
                sum += i % 2 == 0 ? (uint)bytes[i] << 8 : bytes[i];
                sum = sum > 0xFFFF ? sum - 0xFFFF : sum; // the end-around carry
            }
            Assert.Equal((ushort)~sum, InternetChecksum.Compute(bytes));
        }
    }

    [Theory]
    [InlineData(2)]
    public void An_update_equals_a_new_sum(int seed)
    {
        var random = new Random(seed);
        byte[] header = new byte[20];
        for (int i = 0; i < 20_000; i++)
        {
            random.NextBytes(header);
            header[0] = 0x45; // as in every header; the sum of no header is zero
            ushort before = InternetChecksum.Compute(header);
            int at = 2 * random.Next(1, 10);
            ushort oldWord = BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(at));
            ushort newWord = random.Next(4) switch { 0 => 0, 1 => 0xFFFF, _ => (ushort)random.Next(65536) };
            BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(at), newWord);
            Assert.Equal(InternetChecksum.Compute(header), InternetChecksum.Update(before, oldWord, newWord));
        }
    }
}
