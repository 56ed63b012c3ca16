using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

public class Tai64NTests
{
    // The example of the TAI64 specification (cr.yp.to/libtai/tai64.html): 1992-06-02 08:07:09 TAI has the label 400000002a2b2c2d.
    // Implementations of WireGuard take TAI to be 10 s ahead of UTC, as it was in 1970.
    [Fact]
    public void The_label_of_a_time_is_that_of_the_specification()
    {
        var label = new byte[Tai64N.Size];
        Tai64N.From(new DateTimeOffset(1992, 6, 2, 8, 6, 59, TimeSpan.Zero).AddTicks(1)).CopyTo(label);
        Assert.Equal("400000002a2b2c2d00000064", Convert.ToHexStringLower(label));
        Assert.Equal(new Tai64N(0x400000002a2b2c2d, 100), Tai64N.Read(label));
    }

    [Theory]
    [InlineData(0, 0x400000000000000A, 0)]
    [InlineData(10_000_001, 0x400000000000000B, 100)]
    [InlineData(-1, 0x4000000000000009, 999_999_900)]
    [InlineData(-10_000_000, 0x4000000000000009, 0)]
    public void Times_around_1970_have_labels(long ticks, ulong seconds, uint nanoseconds) =>
        Assert.Equal(new Tai64N(seconds, nanoseconds), Tai64N.From(DateTimeOffset.UnixEpoch.AddTicks(ticks)));

    [Fact]
    public void Labels_are_ordered_by_seconds_and_then_by_nanoseconds()
    {
        Tai64N[] ordered = [default, new(0, 1), new(1, 0), new(1, 999_999_999), new(ulong.MaxValue, 0), new(ulong.MaxValue, 1)];
        for (int i = 0; i < ordered.Length; i++)
        {
            for (int j = 0; j < ordered.Length; j++)
            {
                Assert.Equal(i < j, ordered[i] < ordered[j]);
                Assert.Equal(i > j, ordered[i] > ordered[j]);
                Assert.Equal(i <= j, ordered[i] <= ordered[j]);
                Assert.Equal(i >= j, ordered[i] >= ordered[j]);
                Assert.Equal(i.CompareTo(j), Math.Sign(ordered[i].CompareTo(ordered[j])));
            }
        }
        Assert.Equal(new Tai64N(61, 5), new Tai64N(1, 5).AddSeconds(60));
    }
}
