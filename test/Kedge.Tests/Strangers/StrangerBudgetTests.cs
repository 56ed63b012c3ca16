using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Strangers;

namespace Kedge.Tests.Strangers;

public class StrangerBudgetTests
{
    private static readonly IpAddress Source = IpAddress.Parse("192.0.2.1");
    private static readonly StrangerLimits Limits = new(PerSecond: 20, Burst: 5);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private readonly StrangerBudget _budget = new(Limits);
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
    [InlineData("::ffff:192.0.2.1", true)]
    [InlineData("::ffff:192.0.2.2", false)]
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
    public void An_IPv6_site_has_the_budget_of_8_sources()
    {
        int allowed = 0;
        for (uint network = 0; network < 65_536; network++)
            allowed += AllowedOf(1, IpAddress.IPv6((((UInt128)0x20010DB80001 << 16) + network) << 64));
        Assert.Equal(8 * 5, allowed);
        Assert.Equal(5, AllowedOf(100, IpAddress.Parse("2001:db8:2::1")));
    }

    [Fact]
    public void All_strangers_together_are_limited_and_a_known_source_is_not_concerned()
    {
        var budget = new StrangerBudget(Limits with { TogetherPerSecond = 100, TogetherBurst = 10 });
        IpAddress known = IpAddress.Parse("198.51.100.1");
        budget.Known.Add(_now, known);
        int allowed = 0;
        for (uint i = 0; i < 10_000; i++)
        {
            allowed += budget.TrySpend(_now, IpAddress.IPv4(0x0A000000 + i)) ? 1 : 0;
            _now += TimeSpan.FromTicks(TimeSpan.TicksPerSecond / 1000);
        }
        Assert.InRange(allowed, 1000, 1010);
        Assert.True(budget.TrySpend(_now, known));
        Assert.True(budget.TrySpend(_now, Source, isKnown: true));
        Assert.True(budget.TrySpend(_now, Source, isKnown: true));
    }

    [Fact]
    public void Strangers_do_not_push_a_known_source_out_of_memory()
    {
        var budget = new StrangerBudget(Limits with { MaximumSources = 16, TogetherPerSecond = 1, TogetherBurst = 1 });
        budget.Known.Add(_now, Source);
        for (uint i = 0; i < 100_000; i++)
            budget.TrySpend(_now, IpAddress.IPv4(0x0A000000 + i));
        Assert.True(budget.TrySpend(_now, Source));
    }

    [Fact]
    public void A_source_is_known_for_an_hour_after_somebody_there_has_authenticated()
    {
        var known = new KnownSources();
        known.Add(_now, IpAddress.Parse("2001:db8::1"));
        Assert.True(known.Contains(_now + TimeSpan.FromMinutes(59), IpAddress.Parse("2001:db8::2")));
        Assert.False(known.Contains(_now + TimeSpan.FromMinutes(59), IpAddress.Parse("2001:db8:0:1::1")));
        Assert.False(known.Contains(_now + TimeSpan.FromMinutes(60), IpAddress.Parse("2001:db8::2")));
    }

    [Fact]
    public void Budgets_that_share_known_sources_know_the_same()
    {
        var known = new KnownSources();
        var first = new StrangerBudget(Limits with { TogetherPerSecond = 1, TogetherBurst = 1 }, known);
        var second = new StrangerBudget(Limits with { TogetherPerSecond = 1, TogetherBurst = 1 }, known);
        first.Known.Add(_now, Source);
        Assert.True(second.TrySpend(_now, IpAddress.Parse("192.0.2.99")));
        Assert.False(second.TrySpend(_now, IpAddress.Parse("192.0.2.98")));
        Assert.True(second.TrySpend(_now, Source));
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
                _budget.TrySpend(_now, IpAddress.IPv4(0x0A000000 + next++));
            Assert.True(_budget.TrySpend(_now, IpAddress.IPv4(0xC0000000 + (uint)i)));
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
                _budget.TrySpend(_now, IpAddress.IPv4(0x0A000000 + next++));
            allowed += AllowedOf(1, Source);
            _now += Interval;
        }
        Assert.Equal(100, allowed);
    }

    [Fact]
    public void Pushed_out_and_back_a_source_has_one_handshake_and_no_burst()
    {
        var budget = new StrangerBudget(Limits with { MaximumSources = 16 });
        IpAddress[] sources = [.. Enumerable.Range(0, 17).Select(i => IpAddress.IPv4((uint)i))];
        foreach (IpAddress source in sources)
            budget.TrySpend(_now, source);
        for (int round = 0; round < 100; round++)
        {
            foreach (IpAddress source in sources)
                Assert.InRange(Enumerable.Range(0, 10).Count(_ => budget.TrySpend(_now, source)), 0, round == 0 ? 5 : 1);
        }
    }

    [Fact]
    public void Quiet_sources_make_place_before_busy_ones()
    {
        var budget = new StrangerBudget(Limits with { MaximumSources = 8 });
        for (uint i = 0; i < 8; i++)
            budget.TrySpend(_now, IpAddress.IPv4(i));
        _now += TimeSpan.FromSeconds(1);
        while (budget.TrySpend(_now, IpAddress.IPv4(3)))
            continue;
        for (uint i = 100; i < 107; i++) // seven newcomers for seven quiet places: each has a whole burst
            Assert.Equal(5, Enumerable.Range(0, 10).Count(_ => budget.TrySpend(_now, IpAddress.IPv4(i))));
        Assert.False(budget.TrySpend(_now, IpAddress.IPv4(3)));
    }

    [Fact]
    public void Memory_does_not_grow_with_the_number_of_sources()
    {
        for (uint i = 0; i < 8_192; i++)
        {
            _budget.TrySpend(_now, IpAddress.IPv6((UInt128)i << 80));
            _budget.Known.Add(_now, IpAddress.IPv4(i));
        }
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (uint i = 0; i < 100_000; i++)
        {
            _budget.TrySpend(_now, IpAddress.IPv6((UInt128)i << 80));
            _budget.Known.Add(_now, IpAddress.IPv4(i));
        }
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
            Assert.Equal(expected, _budget.TrySpend(_now, IpAddress.IPv4((uint)source)));
            if (expected)
                tokens[source] -= 1;
        }
    }

    private int AllowedOf(int attempts, IpAddress source)
    {
        int allowed = 0;
        for (int i = 0; i < attempts; i++)
            allowed += _budget.TrySpend(_now, source) ? 1 : 0;
        return allowed;
    }
}
