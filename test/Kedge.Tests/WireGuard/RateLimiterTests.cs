using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.WireGuard;

public class RateLimiterTests
{
    private static readonly IpAddress Source = IpAddress.Parse("192.0.2.1");
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private readonly RateLimiter _limiter = new();
    private Instant _now = new(1_000_000_000);

    [Fact]
    public void Five_at_once_and_no_more()
    {
        Assert.Equal(5, AllowedOf(100, Source));
        _now += Interval - new TimeSpan(1);
        Assert.Equal(0, AllowedOf(100, Source));
    }

    [Fact]
    public void Twenty_a_second_thereafter()
    {
        AllowedOf(100, Source);
        int allowed = 0;
        for (int i = 0; i < 1_000; i++)
        {
            _now += TimeSpan.FromMilliseconds(10);
            allowed += AllowedOf(3, Source);
        }
        Assert.Equal(200, allowed);
    }

    [Fact]
    public void A_pause_refills_the_bucket_and_not_beyond()
    {
        AllowedOf(100, Source);
        _now += Interval;
        Assert.Equal(1, AllowedOf(100, Source));
        _now += 3 * Interval;
        Assert.Equal(3, AllowedOf(100, Source));
        _now += TimeSpan.FromDays(1_000);
        Assert.Equal(5, AllowedOf(100, Source));
    }

    [Fact]
    public void What_is_refused_costs_nothing()
    {
        AllowedOf(1_000_000, Source);
        _now += Interval;
        Assert.Equal(1, AllowedOf(100, Source));
    }

    [Theory]
    [InlineData("192.0.2.2", false)]
    [InlineData("192.0.2.1", true)]
    [InlineData("::192.0.2.1", false)]
    public void IPv4_sources_are_single_addresses(string other, bool shared)
    {
        AllowedOf(100, Source);
        Assert.Equal(shared ? 0 : 5, AllowedOf(100, IpAddress.Parse(other)));
    }

    [Theory]
    [InlineData("2001:db8:0:1::", true)]
    [InlineData("2001:db8:0:1:ffff:ffff:ffff:ffff", true)]
    [InlineData("2001:db8:0:2::1", false)]
    [InlineData("2001:db8::1", false)]
    public void IPv6_sources_are_networks_of_64_bits(string other, bool shared)
    {
        AllowedOf(100, IpAddress.Parse("2001:db8:0:1::1"));
        Assert.Equal(shared ? 0 : 5, AllowedOf(100, IpAddress.Parse(other)));
    }

    [Fact]
    public void A_clock_that_goes_back_shuts_nobody_out()
    {
        AllowedOf(100, Source);
        _now = new Instant(0);
        _now += Interval;
        Assert.InRange(AllowedOf(100, Source), 0, 5);
        _now += Interval;
        Assert.InRange(AllowedOf(100, Source), 1, 5);
    }

    [Fact]
    public void A_flood_of_sources_shuts_no_newcomer_out()
    {
        uint next = 0;
        for (int i = 0; i < 1_000; i++)
        {
            for (int j = 0; j < 50; j++)
                _limiter.Allow(_now, IpAddress.IPv4(0x0A000000 + next++));
            Assert.True(_limiter.Allow(_now, IpAddress.IPv4(0xC0000000 + (uint)i)));
        }
    }

    [Fact]
    public void A_source_known_before_a_flood_gets_its_rate_during_it()
    {
        uint next = 0;
        int allowed = 0;
        for (int i = 0; i < 100; i++)
        {
            for (int j = 0; j < 5_000; j++)
                _limiter.Allow(_now, IpAddress.IPv4(0x0A000000 + next++));
            allowed += AllowedOf(1, Source);
            _now += Interval;
        }
        Assert.Equal(100, allowed);
    }

    [Fact]
    public void Pushed_out_and_back_a_source_has_one_handshake_and_no_burst()
    {
        var limiter = new RateLimiter(maximumSources: 16);
        IpAddress[] sources = [.. Enumerable.Range(0, 17).Select(i => IpAddress.IPv4((uint)i))];
        foreach (IpAddress source in sources)
            limiter.Allow(_now, source);
        for (int round = 0; round < 100; round++)
        {
            foreach (IpAddress source in sources)
                Assert.InRange(Enumerable.Range(0, 10).Count(_ => limiter.Allow(_now, source)), 0, round == 0 ? 5 : 1);
        }
    }

    [Fact]
    public void Quiet_sources_make_place_before_busy_ones()
    {
        var limiter = new RateLimiter(maximumSources: 8);
        for (uint i = 0; i < 8; i++)
            limiter.Allow(_now, IpAddress.IPv4(i));
        _now += TimeSpan.FromSeconds(1);
        while (limiter.Allow(_now, IpAddress.IPv4(3)))
            continue;
        for (uint i = 100; i < 107; i++) // seven newcomers for seven quiet places: each has a whole burst
            Assert.Equal(5, Enumerable.Range(0, 10).Count(_ => limiter.Allow(_now, IpAddress.IPv4(i))));
        Assert.False(limiter.Allow(_now, IpAddress.IPv4(3)));
    }

    [Fact]
    public void Memory_does_not_grow_with_the_number_of_sources()
    {
        for (uint i = 0; i < 8_192; i++)
            _limiter.Allow(_now, IpAddress.IPv4(i));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (uint i = 0; i < 100_000; i++)
            _limiter.Allow(_now, IpAddress.IPv6((UInt128)i << 64));
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Theory]
    [InlineData(1)]
    public void It_agrees_with_buckets_that_are_counted(int seed)
    {
        var random = new Random(seed);
        double[] tokens = [5, 5, 5];
        for (int i = 0; i < 20_000; i++)
        {
            TimeSpan step = TimeSpan.FromMilliseconds(random.Next(20) == 0 ? random.Next(400) : random.Next(20));
            _now += step;
            for (int j = 0; j < tokens.Length; j++)
                tokens[j] = Math.Min(5, tokens[j] + step.TotalMilliseconds / 50);
            int source = random.Next(tokens.Length);
            bool expected = tokens[source] > 0.999_999;
            Assert.Equal(expected, _limiter.Allow(_now, IpAddress.IPv4((uint)source)));
            if (expected)
                tokens[source] -= 1;
        }
    }

    private int AllowedOf(int attempts, IpAddress source)
    {
        int allowed = 0;
        for (int i = 0; i < attempts; i++)
            allowed += _limiter.Allow(_now, source) ? 1 : 0;
        return allowed;
    }
}
