using Kedge.Node.Connecting;

namespace Kedge.Tests.Connecting;

public class BackoffTests
{
    private static readonly TimeSpan AttemptTime = TimeSpan.FromSeconds(1);

    public static TheoryData<double> Outages => [0, 0.5, 3, 10, 33, 60, 600];

    [Theory]
    [MemberData(nameof(Outages))]
    public void Two_hundred_nodes_that_lose_their_controller_come_back_within_half_a_minute_and_not_all_at_once(double outage)
    {
        for (int seed = 1; seed <= 20; seed++)
        {
            var random = new Random(seed);
            TimeSpan back = TimeSpan.FromSeconds(outage);
            List<TimeSpan> returns = [.. Enumerable.Range(0, 200).Select(_ => ReturnOf(new Backoff(new Random(random.Next())), back)).Order()];

            Assert.True(returns[^1] - back < TimeSpan.FromSeconds(30), $"seed {seed}: the last one is back after {returns[^1] - back}");
            for (int i = 50; i < returns.Count; i++)
                Assert.True(returns[i] - returns[i - 50] > TimeSpan.FromSeconds(1), $"seed {seed}: 51 handshakes within {returns[i] - returns[i - 50]}");
        }
    }

    [Fact]
    public void A_spread_that_the_controller_names_is_kept()
    {
        var backoff = new Backoff(new Random(1));
        TimeSpan[] waits = [.. Enumerable.Range(0, 1000).Select(_ => backoff.Next(TimeSpan.FromSeconds(300)))];

        Assert.All(waits, wait => Assert.InRange(wait, TimeSpan.Zero, TimeSpan.FromSeconds(300)));
        Assert.InRange(waits.Average(wait => wait.TotalSeconds), 140, 160);
    }

    [Fact]
    public void After_a_success_the_waits_begin_anew()
    {
        var backoff = new Backoff(new Random(1));
        for (int i = 0; i < 10; i++)
            backoff.Next();
        backoff.Succeeded();

        Assert.InRange(backoff.Next(), TimeSpan.Zero, Backoff.First);
    }

    // The connection breaks at 0, and the controller is back at a time. An attempt that fails takes a while.
    private static TimeSpan ReturnOf(Backoff backoff, TimeSpan back)
    {
        TimeSpan now = TimeSpan.Zero;
        while (true)
        {
            now += backoff.Next();
            if (now >= back)
                return now;
            now += AttemptTime;
        }
    }
}
