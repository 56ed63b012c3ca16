using Kedge.Control.Push;

namespace Kedge.Tests.Push;

public class HandshakeLimiterTests
{
    [Fact]
    public async Task In_no_second_there_are_more_than_fifty_and_what_would_wait_too_long_is_sent_away()
    {
        var clock = new ManualClock();
        var limiter = new HandshakeLimiter(clock);
        List<TimeSpan> entered = [];
        long start = clock.GetTimestamp();
        Task<bool>[] all = [.. Enumerable.Range(0, 400).Select(_ => EnterAsync())];
        for (int step = 0; step < 700; step++)
        {
            clock.Advance(TimeSpan.FromMilliseconds(10));
            int due = all.Count(one => !one.IsCompleted) - clock.Waiting; // continuations run on other threads
            while (due > 0)
            {
                await Task.Yield();
                due = all.Count(one => !one.IsCompleted) - clock.Waiting;
            }
        }
        bool[] results = await Task.WhenAll(all);

        Assert.InRange(results.Count(let => let), 250, 252);
        Assert.Equal((results.Count(let => let), results.Count(let => !let)), (limiter.Entered, limiter.SentAway));
        entered.Sort();
        for (int i = 50; i < entered.Count; i++)
            Assert.True(entered[i] - entered[i - 50] > TimeSpan.FromMilliseconds(980), $"51 handshakes within {entered[i] - entered[i - 50]}");

        async Task<bool> EnterAsync()
        {
            bool let = await limiter.EnterAsync(TestContext.Current.CancellationToken);
            lock (entered)
            {
                if (let)
                    entered.Add(clock.GetElapsedTime(start));
            }
            return let;
        }
    }

    [Fact]
    public async Task Who_comes_alone_does_not_wait()
    {
        var clock = new ManualClock();
        var limiter = new HandshakeLimiter(clock);
        for (int i = 0; i < 10; i++)
        {
            ValueTask<bool> entering = limiter.EnterAsync(TestContext.Current.CancellationToken);
            Assert.True(entering.IsCompleted);
            Assert.True(await entering);
            clock.Advance(TimeSpan.FromMilliseconds(20));
        }
    }
}
