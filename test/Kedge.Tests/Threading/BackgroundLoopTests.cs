using Kedge.Tests.Push;
using Kedge.Threading;

namespace Kedge.Tests.Threading;

public class BackgroundLoopTests
{
    private readonly ManualClock _clock = new();
    private readonly List<Exception> _faults = [];

    [Fact]
    public async Task A_round_that_fails_is_reported_and_followed_by_the_next_after_a_pause()
    {
        using var ending = new CancellationTokenSource();
        int rounds = 0;
        Task loop = BackgroundLoop.RunAsync(Fail, _faults.Add, _clock, ending.Token);

        Assert.Equal((1, 1), (rounds, _faults.Count));
        _clock.Advance(BackgroundLoop.Pause - TimeSpan.FromMilliseconds(1));
        Assert.Equal(1, rounds);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        await WaitUntilAsync(() => rounds == 2 && _clock.Waiting == 1);
        Assert.Equal(["round 1", "round 2"], _faults.Select(fault => fault.Message));

        await ending.CancelAsync();
        await loop;
        Assert.Equal(2, rounds);

        Task Fail(CancellationToken cancellation) => throw new InvalidOperationException($"round {++rounds}");
    }

    [Fact]
    public async Task Rounds_that_succeed_follow_each_other_until_it_is_canceled()
    {
        using var ending = new CancellationTokenSource();
        int rounds = 0;

        await BackgroundLoop.RunAsync(RunRoundAsync, _faults.Add, _clock, ending.Token);

        Assert.Equal(3, rounds);
        Assert.Empty(_faults);

        async Task RunRoundAsync(CancellationToken cancellation)
        {
            if (++rounds == 3)
                await ending.CancelAsync();
            cancellation.ThrowIfCancellationRequested();
        }
    }

    [Fact]
    public async Task A_cancellation_that_is_not_the_loops_own_is_a_fault_and_does_not_end_it()
    {
        using var ending = new CancellationTokenSource();
        Task loop = BackgroundLoop.RunAsync(_ => throw new OperationCanceledException(), _faults.Add, _clock, ending.Token);

        Assert.Single(_faults);
        Assert.False(loop.IsCompleted);
        await ending.CancelAsync();
        await loop;
    }

    private static async Task WaitUntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
