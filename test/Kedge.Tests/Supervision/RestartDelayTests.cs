using Kedge.Node.Supervision;

namespace Kedge.Tests.Supervision;

public class RestartDelayTests
{
    private readonly RestartDelay _delay = new();

    [Fact]
    public void The_first_restart_is_at_once_and_those_after_it_later_and_later()
    {
        TimeSpan[] waits = [.. Enumerable.Range(0, 12).Select(_ => _delay.Next(TimeSpan.FromSeconds(1)))];

        Assert.Equal(TimeSpan.Zero, waits[0]);
        Assert.All(waits.Zip(waits.Skip(1)), pair => Assert.True(pair.Second > pair.First || pair.Second == RestartDelay.Maximum));
        Assert.Equal(RestartDelay.Maximum, waits[^1]);
    }

    [Fact]
    public void Who_ran_for_a_while_is_restarted_at_once_again()
    {
        for (int n = 0; n < 5; n++)
            _delay.Next(TimeSpan.Zero);

        Assert.Equal(TimeSpan.Zero, _delay.Next(RestartDelay.WellAfter));
        Assert.True(_delay.Next(TimeSpan.Zero) > TimeSpan.Zero);
    }
}
