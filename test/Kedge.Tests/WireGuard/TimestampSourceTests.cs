using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

public class TimestampSourceTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly List<Tai64N> _disk = [];

    [Fact]
    public void Timestamps_grow_however_the_clock_goes()
    {
        TimestampSource source = New();
        var random = new Random(5);
        Tai64N last = default;
        DateTimeOffset clock = Start;
        for (int i = 0; i < 10_000; i++)
        {
            clock += TimeSpan.FromSeconds((random.NextDouble() * 200) - 100);
            Tai64N next = source.Next(clock, last);
            Assert.True(next > last, $"{next} follows {last}.");
            last = next;
        }
    }

    [Fact]
    public void A_timestamp_tells_the_time_to_17_ms_only()
    {
        TimestampSource source = New();
        var random = new Random(6);
        DateTimeOffset clock = Start;
        for (int i = 0; i < 1000; i++)
        {
            clock += TimeSpan.FromMilliseconds(20 + (random.NextDouble() * 1000));
            Tai64N next = source.Next(clock, default), exact = Tai64N.From(clock);
            Assert.Equal(exact.Seconds, next.Seconds);
            Assert.InRange(exact.Nanoseconds - next.Nanoseconds, 0u, (1u << 24) - 1);
            Assert.Equal(0u, next.Nanoseconds % (1 << 24));
        }
    }

    [Fact]
    public void No_timestamp_is_used_beyond_what_is_reserved_on_disk_and_the_disk_is_written_once_a_minute()
    {
        TimestampSource source = New();
        for (int seconds = 0; seconds < 3600; seconds += 5)
        {
            Tai64N next = source.Next(Start.AddSeconds(seconds), source.Latest);
            Assert.True(next <= _disk[^1], $"{next} is beyond {_disk[^1]}.");
        }
        Assert.InRange(_disk.Count, 55, 60);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-3600)]
    [InlineData(-1_000_000_000)]
    public void After_a_crash_timestamps_are_later_than_any_before_wherever_the_clock_is(int seconds)
    {
        Tai64N last = default;
        TimestampSource source = New();
        for (int i = 0; i < 50; i++)
            last = source.Next(Start.AddSeconds(i), source.Latest);
        Assert.True(NextOf(New(), Start.AddSeconds(49 + seconds)) > last);
    }

    [Fact]
    public void A_clean_end_gives_back_what_was_not_used_so_that_restarts_do_not_run_ahead_of_the_clock()
    {
        for (int restart = 0; restart < 1000; restart++)
        {
            TimestampSource source = New();
            NextOf(source, Start.AddMilliseconds(100 * restart));
            source.Release();
        }
        Tai64N last = NextOf(New(), Start.AddSeconds(100));
        Assert.Equal(Tai64N.From(Start.AddSeconds(100)).Seconds, last.Seconds);
    }

    [Fact]
    public void A_clean_end_without_a_timestamp_used_changes_nothing()
    {
        NextOf(New(), Start);
        Tai64N reserved = _disk[^1];
        New().Release();
        Assert.Equal(reserved, _disk[^1]);
        Assert.True(NextOf(New(), Start) > reserved);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-3600)]
    public void However_many_peers_do_not_answer_the_timestamps_do_not_run_ahead_of_the_clock(int clockError)
    {
        TimestampSource source = New();
        NextOf(source, Start);
        var last = new Tai64N[1000];
        Array.Fill(last, source.Latest);
        const int rounds = 100, interval = 5;
        for (int round = 1; round <= rounds; round++)
        {
            for (int peer = 0; peer < last.Length; peer++)
            {
                Tai64N next = source.Next(Start.AddSeconds((interval * round) + clockError), last[peer]);
                Assert.True(next > last[peer]);
                last[peer] = next;
            }
        }
        Assert.True(source.Latest <= Tai64N.From(Start.AddSeconds(interval * rounds)), $"The last timestamp is {source.Latest}.");
    }

    // The next timestamp for a peer that nobody knows anything about.
    private static Tai64N NextOf(TimestampSource source, DateTimeOffset clock) => source.Next(clock, source.Latest);

    private TimestampSource New() => new(_disk.LastOrDefault(), _disk.Add);
}
