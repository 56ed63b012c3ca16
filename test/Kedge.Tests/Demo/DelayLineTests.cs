using Kedge.Demo;
using Kedge.Protocol;

namespace Kedge.Tests.Demo;

public sealed class DelayLineTests
{
    private const int Mtu = 1500;
    private static readonly Instant Start = new(1_000_000);

    [Fact]
    public void A_packet_comes_out_when_its_time_is_over_and_no_earlier()
    {
        DelayLine line = new(new WireQuality { Delay = Ms(10) }, Mtu, seed: 1);

        Assert.True(line.TryAdd(Start, [1, 2, 3]));

        Assert.Equal(Start + Ms(10), line.NextDue);
        Assert.Null(Take(line, Start + Ms(9.9999)));
        Assert.Equal([1, 2, 3], Take(line, Start + Ms(10)));
        Assert.Equal(Instant.Never, line.NextDue);
        Assert.Null(Take(line, Instant.Never));
    }

    [Fact]
    public void Packets_come_out_in_their_order_and_as_they_were_however_often_the_ring_goes_round()
    {
        DelayLine line = new(new WireQuality { Delay = Ms(1) }, Mtu, seed: 1);
        Instant now = Start;
        for (int number = 0; number < 50_000; number++, now += Ms(1))
        {
            byte[] packet = new byte[1 + number % Mtu];
            Array.Fill(packet, (byte)number);
            Assert.True(line.TryAdd(now, packet));
            if (number == 0)
                continue;
            byte[] taken = Take(line, now)!;
            Assert.Equal(1 + (number - 1) % Mtu, taken.Length);
            Assert.False(taken.AsSpan().ContainsAnyExcept((byte)(number - 1)));
        }
    }

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(0.05, 0.045, 0.055)] // 50,000 at 5 %: five standard deviations are 0.5 %.
    [InlineData(1, 1, 1)]
    public void The_share_that_is_lost_is_what_was_asked_for(double loss, double least, double most)
    {
        DelayLine line = new(new WireQuality { Loss = loss }, Mtu, seed: 1);
        int lost = 0;
        for (int number = 0; number < 50_000; number++)
        {
            if (!line.TryAdd(Start, [1]))
                lost++;
            Take(line, Start);
        }

        Assert.InRange(lost / 50_000.0, least, most);
    }

    [Fact]
    public void At_a_rate_packets_wait_their_turn_and_are_lost_where_the_queue_is_too_long()
    {
        // 1,250 bytes at 1 Mbit/s are 10 ms.
        DelayLine line = new(new WireQuality { Delay = Ms(5), BitsPerSecond = 1_000_000, Queue = Ms(20) }, Mtu, seed: 1);
        byte[] packet = new byte[1250];

        Assert.True(line.TryAdd(Start, packet));
        Assert.True(line.TryAdd(Start, packet));
        Assert.True(line.TryAdd(Start, packet)); // waits 20 ms
        Assert.False(line.TryAdd(Start, packet)); // would wait 30 ms

        Assert.Equal([15, 25, 35], TakeAll().Select(due => (due - Start).TotalMilliseconds));
        Assert.True(line.TryAdd(Start + Ms(100), packet)); // An idle line saves nothing up.
        Assert.Equal(Start + Ms(115), line.NextDue);

        List<Instant> TakeAll()
        {
            List<Instant> dues = [];
            for (; line.NextDue != Instant.Never; Take(line, dues[^1]))
                dues.Add(line.NextDue);
            return dues;
        }
    }

    [Fact]
    public void No_more_is_under_way_than_fits()
    {
        DelayLine line = new(new WireQuality { Delay = Ms(1) }, Mtu, seed: 1);
        int fit = 0;
        while (fit < 100_000 && line.TryAdd(Start, new byte[Mtu]))
            fit++;

        Assert.InRange(fit * (long)Mtu, (16 << 20) - Mtu, 16 << 20);
        Assert.NotNull(Take(line, Start + Ms(1)));
        Assert.True(line.TryAdd(Start, [1]));
    }

    [Theory]
    [InlineData(-1, 0, 1)]
    [InlineData(0, -0.1, 1)]
    [InlineData(0, 1.1, 1)]
    [InlineData(0, double.NaN, 1)]
    [InlineData(0, 0, 0)]
    public void What_no_wire_can_be_is_refused(double delay, double loss, long rate) => Assert.Throws<ArgumentOutOfRangeException>(
        () => new DelayLine(new WireQuality { Delay = Ms(delay), Loss = loss, BitsPerSecond = rate }, Mtu, seed: 1));

    private static TimeSpan Ms(double milliseconds) => TimeSpan.FromMilliseconds(milliseconds);

    private static byte[]? Take(DelayLine line, Instant now)
    {
        byte[] packet = new byte[Mtu];
        return line.TryTake(now, packet, out int length) ? packet[..length] : null;
    }
}
